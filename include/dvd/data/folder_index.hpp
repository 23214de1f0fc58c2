// The indices of a folder's video files, kept from one run to the next.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <fcntl.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "dvd/core/error.hpp"
#include "dvd/io/atomic_file.hpp"
#include "dvd/io/content_hash.hpp"
#include "dvd/io/saved_index.hpp"
#include "dvd/io/user_cache.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// Where the indices of a folder are kept unless one says otherwise: in the user's cache, `$XDG_CACHE_HOME/dvd` or
/// `~/.cache/dvd`, by the folder's name. Empty where the user has none.
inline std::filesystem::path default_index_path(const std::filesystem::path& folder) {
  const std::filesystem::path cache = user_cache_folder();
  if (cache.empty()) return {};
  std::error_code error;
  const std::filesystem::path whole = std::filesystem::weakly_canonical(folder, error);
  detail::ContentHash hash;
  hash.add((error ? folder : whole).string());
  return cache / ("videos-" + hash.text() + ".index");
}

namespace detail {

/// The index of each file of a folder that has one. A file is known by its name, size and time of change. What cannot
/// be read, was made by other libraries or is damaged counts as empty.
class FolderIndex {
 public:
  /// A file as the system sees it.
  struct Identity {
    std::uint64_t size = 0;
    std::int64_t changed = 0;  // as the system counts time

    friend bool operator==(const Identity&, const Identity&) = default;
  };
  struct Entry {
    Identity identity;
    std::string index;  // saved
  };

  /// What the file at `path` holds, if there is one; an empty path is kept nowhere.
  FolderIndex(std::filesystem::path path, const std::filesystem::path& folder)
      : path_(std::move(path)), folder_(folder.string()) {
    if (!path_.empty()) load();
  }

  static std::optional<Identity> identity(const std::filesystem::path& file) {
    std::error_code error;
    const std::uintmax_t size = std::filesystem::file_size(file, error);
    if (error) return std::nullopt;
    const auto changed = std::filesystem::last_write_time(file, error);
    if (error) return std::nullopt;
    return Identity{size, changed.time_since_epoch().count()};
  }

  /// Null where nothing is known of the file, or of what it was before.
  const Entry* find(const std::filesystem::path& file, const Identity& identity) const {
    const auto found = entries_.find(key(file));
    return found != entries_.end() && found->second.identity == identity ? &found->second : nullptr;
  }

  void put(const std::filesystem::path& file, Entry entry) {
    entries_[key(file)] = std::move(entry);
    changed_ = true;
  }

  /// Writes what has changed. That it cannot be kept, on a full disk say, is no reason to stop.
  void save() {
    if (!changed_ || path_.empty()) return;
    changed_ = false;
    std::error_code error;
    std::erase_if(entries_, [&](const auto& entry) {
      return !std::filesystem::exists(std::filesystem::path(folder_) / entry.first, error);
    });
    ByteWriter bytes;
    for (const auto& [file, entry] : entries_) {
      bytes.add(std::string_view(file));
      bytes.add(entry.identity);
      bytes.add(std::string_view(entry.index));
    }
    const std::string body = bytes.take();
    ContentHash hash;
    hash.add(body);
    ByteWriter head;
    head.add(std::string_view(index_version()));
    head.add(hash.value());
    const std::string front = head.take();
    const std::array pieces{std::as_bytes(std::span(front)), std::as_bytes(std::span(body))};
    if (path_.has_parent_path()) std::filesystem::create_directories(path_.parent_path(), error);
    try {
      write_file_atomically(path_, pieces);
    } catch (const FileError&) {
    }
  }

 private:
  // A file's name within the folder: the folder may be named in several ways.
  std::string key(const std::filesystem::path& file) const {
    const std::string name = file.string();
    const bool within = name.starts_with(folder_) && name.size() > folder_.size() && name[folder_.size()] == '/';
    return within ? name.substr(folder_.size() + 1) : name;
  }

  void load() try {
    Descriptor file;
    std::error_code error;
    const std::uintmax_t size = std::filesystem::file_size(path_, error);
    if (error || !file.open(path_.string(), O_RDONLY)) return;
    std::string content(static_cast<std::size_t>(size), '\0');
    const std::optional<std::size_t> read = read_all(file.number(), std::as_writable_bytes(std::span(content)));
    if (read != content.size()) return;
    ByteReader bytes(content);
    if (bytes.text() != index_version()) return;
    const auto expected = bytes.take<std::uint64_t>();
    ContentHash hash;
    hash.add(bytes.rest());
    if (hash.value() != expected) return;
    while (!bytes.is_empty()) {
      std::string name(bytes.text());
      Entry entry;
      entry.identity = bytes.take<Identity>();
      entry.index = bytes.text();
      entries_.emplace_hint(entries_.end(), std::move(name), std::move(entry));
    }
  } catch (const FileError&) {
    entries_.clear();
  }

  std::filesystem::path path_;
  std::string folder_;
  std::map<std::string, Entry> entries_;
  bool changed_ = false;
};

}  // namespace detail

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
