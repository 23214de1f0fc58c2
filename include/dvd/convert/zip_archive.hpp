// Zip archives, by libzip, with bounds on what a file that means harm can ask for.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <zip.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "dvd/convert/source_file.hpp"
#include "dvd/core/error.hpp"
#include "dvd/io/safetensors_header.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// The entries of a zip archive (zip64, stored or deflated), read one at a time. Encrypted entries, other compressions,
/// two entries of a name, headers that contradict each other and contents that do not fit their size or checksum are
/// refused: everything throws FileError with one line that begins with the path. For one thread at a time.
class ZipArchive : detail::FileChecks {
 public:
  struct Entry {
    zip_uint64_t index = 0;
    std::uint64_t size = 0;   ///< bytes, once decompressed, as the archive says
    bool compressed = false;  ///< otherwise it takes as many bytes of the file
  };
  using Entries = std::map<std::string, Entry, std::less<>>;

  /// Opens the archive and reads its directory.
  explicit ZipArchive(const std::filesystem::path& path) : FileChecks(path.string()) {
    const std::uint64_t file_size = SourceFile(path).size();  // which also refuses what is no regular file
    int error = 0;
    archive_.reset(zip_open(path_.c_str(), ZIP_RDONLY | ZIP_CHECKCONS, &error));
    if (!archive_) {
      zip_error_t text;
      zip_error_init_with_code(&text, error);
      const std::string why = zip_error_strerror(&text);
      zip_error_fini(&text);
      fail("is a damaged zip archive, or is cut short (", why, ")");
    }
    const zip_int64_t count = zip_get_num_entries(archive_.get(), 0);
    check(count <= most_entries, "is a zip archive of ", count, " files (expected the weights of one network: at most ",
          most_entries, ")");
    for (zip_uint64_t i = 0; i < static_cast<zip_uint64_t>(count); ++i) add(i, file_size);
  }

  const std::string& path() const { return path_; }

  /// By name. Folders are not among them.
  const Entries& entries() const { return entries_; }

  /// The whole content of an entry, checked against its size and checksum. FileError where it has more than `most`
  /// bytes, before any are allocated.
  std::vector<std::byte> read(const Entries::value_type& entry, std::uint64_t most) const {
    check_size(entry, most);
    const File file = open(entry);
    std::vector<std::byte> bytes(entry.second.size);
    check(read(entry, file, bytes) == bytes.size(), detail::Printable{entry.first}, " is shorter than it should be");
    std::byte beyond;  // asking for one more makes libzip compare the checksum
    check(read(entry, file, std::span(&beyond, 1)) == 0, detail::Printable{entry.first},
          " is longer than it should be");
    return bytes;
  }

  /// The first bytes of an entry, as many as there are up to `most`. Nothing but the decompression is checked.
  std::vector<std::byte> front(const Entries::value_type& entry, std::uint64_t most) const {
    const File file = open(entry);
    std::vector<std::byte> bytes(std::min(entry.second.size, most));
    bytes.resize(read(entry, file, bytes));
    return bytes;
  }

 private:
  static constexpr zip_int64_t most_entries = 100'000;

  struct Close {
    void operator()(zip_file_t* file) const { zip_fclose(file); }
  };
  struct Discard {
    void operator()(zip_t* archive) const { zip_discard(archive); }
  };
  using File = std::unique_ptr<zip_file_t, Close>;

  void add(zip_uint64_t index, std::uint64_t file_size) {
    zip_stat_t status;
    zip_stat_init(&status);
    constexpr zip_uint64_t needed = ZIP_STAT_NAME | ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE | ZIP_STAT_COMP_METHOD;
    check(zip_stat_index(archive_.get(), index, ZIP_FL_ENC_RAW, &status) == 0 && (status.valid & needed) == needed,
          "is a damaged zip archive: its file number ", index, " cannot be looked at");
    const std::string name = status.name;
    if (name.ends_with('/')) return;
    const detail::Printable shown{name};
    check(!(status.valid & ZIP_STAT_ENCRYPTION_METHOD) || status.encryption_method == ZIP_EM_NONE, shown,
          " is encrypted (expected an archive without a password)");
    check(status.comp_method == ZIP_CM_STORE || status.comp_method == ZIP_CM_DEFLATE, shown,
          " is compressed by method ", status.comp_method, " (expected stored or deflated)");
    const bool compressed = status.comp_method == ZIP_CM_DEFLATE;
    check(status.comp_size <= file_size && (compressed || status.size == status.comp_size), shown, " would have ",
          status.size, " bytes in ", status.comp_size, ", in a file of ", file_size);
    // No deflated byte stands for more than 1032 others.
    check(!compressed || status.size / 1040 <= status.comp_size, shown, " would have ", status.size, " bytes made of ",
          status.comp_size, ", which cannot be");
    check(entries_.emplace(name, Entry{index, status.size, compressed}).second, "holds ", shown,
          " twice (expected every name once)");
  }

  void check_size(const Entries::value_type& entry, std::uint64_t most) const {
    check(entry.second.size <= most, detail::Printable{entry.first}, " has ", entry.second.size,
          " bytes (expected at most ", most, ")");
  }

  File open(const Entries::value_type& entry) const {
    File file(zip_fopen_index(archive_.get(), entry.second.index, 0));
    if (!file) fail(detail::Printable{entry.first}, " cannot be read (", zip_strerror(archive_.get()), ")");
    return file;
  }

  // Reads until `bytes` is full or the entry ends.
  std::size_t read(const Entries::value_type& entry, const File& file, std::span<std::byte> bytes) const {
    std::size_t total = 0;
    while (total < bytes.size()) {
      const zip_int64_t got = zip_fread(file.get(), bytes.data() + total, bytes.size() - total);
      if (got < 0) fail(detail::Printable{entry.first}, " is damaged (", zip_file_strerror(file.get()), ")");
      if (got == 0) break;
      total += static_cast<std::size_t>(got);
    }
    return total;
  }

  std::unique_ptr<zip_t, Discard> archive_;
  Entries entries_;
};

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
