// A safetensors file of bytes, written while it is made: tensors whose lengths are known only when they have ended.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "dvd/core/error.hpp"
#include "dvd/io/atomic_file.hpp"
#include "dvd/io/content_hash.hpp"
#include "dvd/io/safetensors_header.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// Writes uint8 tensors one after the other, each as long as it turns out to be. Room for the header is left in front
/// and padded with blanks, as the format allows: the bytes are a function of the names and the content.
///
///     SafetensorsStream file("shard.safetensors", names);
///     file.append(frame);                          // as often as needed
///     file.end_tensor("video", {frames, 64, 64, 3});
///     file.finish();
///
/// What is not finished leaves nothing behind; a process that is killed leaves `PATH.partial-<process>`.
class SafetensorsStream {
 public:
  /// `names`: of all tensors that there may be. Throws FileError where the file cannot be written, ArgumentError where
  /// the header would exceed 100 MB.
  SafetensorsStream(std::filesystem::path path, std::span<const std::string> names)
      : path_(std::move(path)), temporary_(concat(path_.string(), ".partial-", ::getpid())) {
    constexpr std::size_t most_digits = 20, numbers = 7, rest_of_entry = 64;
    std::size_t room = 2;
    for (const std::string& name : names)
      room += detail::json_string(name).size() + rest_of_entry + numbers * most_digits;
    header_size_ = (room + 7) / 8 * 8;
    require(header_size_ <= detail::largest_header, "the names of a file's tensors take ", header_size_,
            " bytes (expected at most ", detail::largest_header, ")");
    ensure(file_.open(temporary_.path, O_WRONLY | O_CREAT | O_TRUNC, 0666), "be created");
    buffer_.reserve(buffer_size);
    buffer_.resize(data_begin());
    end_ = data_begin();
  }
  SafetensorsStream(const SafetensorsStream&) = delete;
  SafetensorsStream& operator=(const SafetensorsStream&) = delete;

  /// Bytes of the file so far: where what is appended next will lie.
  std::uint64_t position() const { return written_ + buffer_.size(); }

  /// Adds to the tensor that is being written. Throws FileError where the disk is full.
  void append(std::span<const std::uint8_t> bytes) {
    if (buffer_.size() + bytes.size() > buffer_size) flush();
    if (bytes.size() >= buffer_size) {
      ensure(detail::write_all(file_.number(), std::as_bytes(bytes)), "be written");
      written_ += bytes.size();
    } else {
      const std::span<const std::byte> plain = std::as_bytes(bytes);
      buffer_.insert(buffer_.end(), plain.begin(), plain.end());
    }
  }

  /// Names what was appended since the last tensor ended. Throws ArgumentError where its bytes are not the product of
  /// the shape, of at most 5 axes.
  void end_tensor(std::string_view name, std::span<const std::int64_t> shape) {
    const std::uint64_t begin = end_ - data_begin(), end = position() - data_begin();
    require(shape.size() <= 5 && detail::element_count(shape) == end - begin, "tensor ", detail::Printable{name},
            " has ", end - begin, " bytes (expected the product of its shape)");
    std::string sizes;
    for (const std::int64_t size : shape) sizes += concat(sizes.empty() ? "" : ",", size);
    header_ += concat(header_.empty() ? "{" : ",", detail::json_string(name), ":{\"dtype\":\"U8\",\"shape\":[", sizes,
                      "],\"data_offsets\":[", begin, ',', end, "]}");
    end_ = position();
  }

  /// What the file was when it was finished.
  struct Written {
    std::uint64_t size = 0;
    std::uint64_t header_hash = 0;  ///< see detail::safetensors_header_hash
  };

  /// Writes the header, flushes everything to the disk and gives the file its name. Throws FileError where the disk is
  /// full.
  Written finish() {
    flush();
    if (header_.empty()) header_ = "{";
    header_ += '}';
    require(header_.size() <= header_size_, path_.string(), ": holds tensors whose names were not announced");
    header_.resize(header_size_, ' ');
    std::vector<std::byte> front(data_begin());
    const std::uint64_t length = header_size_;
    std::memcpy(front.data(), &length, sizeof length);
    std::memcpy(front.data() + sizeof length, header_.data(), header_.size());
    ensure(::lseek(file_.number(), 0, SEEK_SET) == 0 && detail::write_all(file_.number(), front), "be written");
    ensure(::fsync(file_.number()) == 0, "be flushed to the disk");
    ensure(file_.close(), "be closed");
    ensure(std::rename(temporary_.path.c_str(), path_.c_str()) == 0, "be renamed");
    temporary_.keep = true;
    detail::Descriptor folder;
    const std::string parent = path_.has_parent_path() ? path_.parent_path().string() : ".";
    ensure(folder.open(parent, O_RDONLY | O_DIRECTORY) && (::fsync(folder.number()) == 0 || errno == EINVAL),
           "be flushed to the disk");
    detail::ContentHash hash;
    hash.add(front);
    return {written_, hash.value()};
  }

 private:
  static constexpr std::size_t buffer_size = std::size_t{1} << 20;

  std::size_t data_begin() const { return sizeof(std::uint64_t) + header_size_; }

  void flush() {
    ensure(detail::write_all(file_.number(), buffer_), "be written");
    written_ += buffer_.size();
    buffer_.clear();
  }

  void ensure(bool condition, const char* action) const {
    const int error = errno;
    if (!condition) throw FileError(concat(path_.string(), ": cannot ", action, " (", detail::error_text(error), ")"));
  }

  std::filesystem::path path_;
  detail::TemporaryFile temporary_;
  detail::Descriptor file_;
  std::size_t header_size_ = 0;
  std::string header_;
  std::vector<std::byte> buffer_;
  std::uint64_t written_ = 0;
  std::uint64_t end_ = 0;  // of the last tensor, or of the room for the header
};

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
