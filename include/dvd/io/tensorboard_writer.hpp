// TensorBoard's event files: what a run logs, where its users look.
//
// A file is a row of records: 8 bytes of length, their masked CRC-32C, the bytes, their masked CRC-32C, all
// little-endian. The bytes of each are one `Event` of TensorFlow's protocol buffers, of whose fields the few that
// scalars and pictures need are written here by hand; no packaged library has them.
// Sources: tensorflow/core/lib/io/record_writer.cc, tensorflow/core/util/event.proto, framework/summary.proto.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "dvd/core/error.hpp"
#include "dvd/core/utf8.hpp"
#include "dvd/io/atomic_file.hpp"
#include "dvd/io/crc32c.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

namespace detail {

/// A message of protocol buffers, made field by field.
class ProtocolMessage {
 public:
  // An integer or an enumeration; negative ones as 64 bits.
  ProtocolMessage& integer(unsigned field, std::int64_t value) {
    key(field, 0);
    varint(static_cast<std::uint64_t>(value));
    return *this;
  }
  ProtocolMessage& number(unsigned field, double value) {
    key(field, 1);
    fixed(std::bit_cast<std::uint64_t>(value));
    return *this;
  }
  ProtocolMessage& number(unsigned field, float value) {
    key(field, 5);
    fixed(std::bit_cast<std::uint32_t>(value));
    return *this;
  }
  // A text, bytes, or a message.
  ProtocolMessage& text(unsigned field, std::string_view value) {
    key(field, 2);
    varint(value.size());
    bytes_ += value;
    return *this;
  }

  const std::string& bytes() const { return bytes_; }

 private:
  void key(unsigned field, unsigned kind) { varint(field << 3u | kind); }
  void varint(std::uint64_t value) {
    for (; value >= 0x80; value >>= 7u) bytes_ += static_cast<char>(0x80u | (value & 0x7Fu));
    bytes_ += static_cast<char>(value);
  }
  template <class Word>
  void fixed(Word value) {
    for (std::size_t i = 0; i < sizeof value; ++i) bytes_ += static_cast<char>(value >> 8 * i & 0xFFu);
  }

  std::string bytes_;
};

/// A record around some bytes.
inline std::string tensorboard_record(std::string_view bytes) {
  const auto append = [](std::string& to, std::uint64_t value, int size) {
    for (int i = 0; i < size; ++i) to += static_cast<char>(value >> 8 * i & 0xFFu);
  };
  // Rotated and shifted, so that records within records do not find their own checksums.
  const auto append_checksum = [&](std::string& to, std::string_view of) {
    append(to, std::rotr(crc32c(std::as_bytes(std::span(of))), 15) + 0xA282EAD8u, 4);
  };
  std::string length, record;
  append(length, bytes.size(), 8);
  record = length;
  append_checksum(record, length);
  record += bytes;
  append_checksum(record, bytes);
  return record;
}

}  // namespace detail

/// Writes one event file into a folder, for `tensorboard --logdir FOLDER`. Every record is with the operating system
/// when its call returns, whole: a process that is killed loses nothing.
///
///     TensorBoardWriter board("runs/demo/tensorboard");
///     board.scalar("loss/generator", step, loss);
///     board.image("samples", step, gif, 256, 256);
///
/// A run that goes on begins a file of its own in the same folder, and says where: TensorBoard then forgets what
/// earlier files have of that step and later ones.
class TensorBoardWriter {
 public:
  /// Creates the folder where it is missing, and in it `events.out.tfevents.TIME.HOST.PROCESS`, where TIME, in seconds,
  /// is later than that of all files there: TensorBoard reads them in the order of their names. `from_step`: the first
  /// step that is written anew, by a run that goes on. Throws FileError where it cannot be written.
  explicit TensorBoardWriter(const std::filesystem::path& folder, std::optional<std::int64_t> from_step = {}) {
    std::error_code error;
    std::filesystem::create_directories(folder, error);
    if (error) throw FileError(concat(folder.string(), ": cannot create the folder: ", error.message()));
    constexpr int flags = O_WRONLY | O_CREAT | O_EXCL | O_APPEND;
    for (std::int64_t seconds = time_after_all_in(folder);; ++seconds) {
      path_ = folder / file_name(seconds);
      if (file_.open(path_.string(), flags, 0666)) break;
      if (errno != EEXIST) fail("be created");
    }
    const double now = seconds_now();
    append(detail::ProtocolMessage().number(1, now).text(3, "brain.Event:2"));
    constexpr std::int64_t start = 1;
    if (from_step)
      append(detail::ProtocolMessage()
                 .number(1, now)
                 .integer(2, *from_step)
                 .text(7, detail::ProtocolMessage().integer(1, start).bytes()));
  }

  const std::filesystem::path& path() const { return path_; }

  /// A number under a name, such as "loss/generator", of which what is before the slash is a group; stored in single
  /// precision, and may be NaN or infinite. `wall_time`: in seconds since 1970, now unless given. Throws ArgumentError
  /// for a name that is empty or not UTF-8, and FileError where it cannot be written.
  void scalar(std::string_view tag, std::int64_t step, double value, std::optional<double> wall_time = {}) {
    add(tag, step, detail::ProtocolMessage().text(1, tag).number(2, static_cast<float>(value)), wall_time);
  }

  /// A picture, as its file is: PNG, JPEG, or GIF, which moves. Throws as `scalar` does, and ArgumentError where there
  /// are no bytes, or no pixels.
  void image(std::string_view tag, std::int64_t step, std::span<const std::byte> file, std::int64_t height,
             std::int64_t width, std::optional<double> wall_time = {}) {
    constexpr std::int64_t most = std::int64_t{1} << 30, rgb = 3;
    require(!file.empty() && file.size() <= static_cast<std::size_t>(most) && height >= 1 && width >= 1 &&
                height <= most && width <= most,
            "an image for TensorBoard has at least one pixel and at most ", most, " bytes, not ", height, "x", width,
            " pixels and ", file.size(), " bytes");
    const std::string_view bytes(reinterpret_cast<const char*>(file.data()), file.size());
    const auto picture = detail::ProtocolMessage().integer(1, height).integer(2, width).integer(3, rgb).text(4, bytes);
    add(tag, step, detail::ProtocolMessage().text(1, tag).text(4, picture.bytes()), wall_time);
  }

  /// Waits until all is on the disk, so that a power cut loses nothing either. Throws FileError where that fails.
  void flush() {
    if (::fsync(file_.number()) != 0) fail("be flushed to the disk");
  }

 private:
  static constexpr std::string_view prefix = "events.out.tfevents.";

  static double seconds_now() {
    return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
  }

  static std::int64_t time_after_all_in(const std::filesystem::path& folder) {
    auto latest = static_cast<std::int64_t>(seconds_now()) - 1;
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
      const std::string name = entry.path().filename().string();
      std::int64_t seconds = 0;
      const char* const end = name.data() + name.size();
      if (name.starts_with(prefix) && std::from_chars(name.data() + prefix.size(), end, seconds).ec == std::errc() &&
          seconds < 9'999'999'999)  // names are compared as texts, and beyond has more digits
        latest = std::max(latest, seconds);
    }
    return latest + 1;
  }

  static std::string file_name(std::int64_t seconds) {
    char host[256] = {};
    if (::gethostname(host, sizeof host - 1) != 0 || host[0] == '\0') host[0] = '-';
    std::string time = std::to_string(seconds);
    time.insert(0, 10 - std::min<std::size_t>(time.size(), 10), '0');
    return concat(prefix, time, '.', utf8_text(host), '.', ::getpid());
  }

  void add(std::string_view tag, std::int64_t step, const detail::ProtocolMessage& value,
           std::optional<double> wall_time) {
    require(!tag.empty() && utf8_text(tag) == tag, "a name for TensorBoard is a text in UTF-8, and not empty");
    append(detail::ProtocolMessage()
               .number(1, wall_time.value_or(seconds_now()))
               .integer(2, step)
               .text(5, detail::ProtocolMessage().text(1, value.bytes()).bytes()));
  }

  void append(const detail::ProtocolMessage& event) {
    const std::string record = detail::tensorboard_record(event.bytes());
    const off_t before = ::lseek(file_.number(), 0, SEEK_END);
    if (detail::write_all(file_.number(), std::as_bytes(std::span(record)))) return;
    const int error = errno;
    // A part of a record would hide all that follows.
    if (before < 0 || ::ftruncate(file_.number(), before) != 0) file_.close();
    errno = error;
    fail("be written");
  }

  [[noreturn]] void fail(const char* action) const {
    const int error = errno;
    throw FileError(concat(path_.string(), ": cannot ", action, " (", detail::error_text(error), ")"));
  }

  std::filesystem::path path_;
  detail::Descriptor file_;
};

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
