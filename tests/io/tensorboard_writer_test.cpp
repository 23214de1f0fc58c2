// TensorBoard's event files: every byte, and what a full disk leaves.
#include "dvd/io/tensorboard_writer.hpp"

#include <doctest/doctest.h>
#include <sys/resource.h>

#include <csignal>
#include <cstring>
#include <fstream>
#include <iterator>
#include <limits>
#include <vector>

#include "support/error_of.hpp"
#include "support/temporary_folder.hpp"

namespace {

using dvd::TensorBoardWriter;
using dvd::testing::error_of;

std::span<const std::byte> bytes_of(std::string_view text) { return std::as_bytes(std::span(text)); }

std::string content(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::uint32_t masked(std::string_view text) {
  const std::uint32_t crc = dvd::detail::crc32c(bytes_of(text));
  return ((crc >> 15 | crc << 17) + 0xa282ead8u) & 0xffffffffu;
}

// The bytes of the records of a file, whose lengths and checksums must be right.
std::vector<std::string> records_of(const std::filesystem::path& path) {
  const std::string file = content(path);
  std::vector<std::string> records;
  for (std::size_t at = 0; at < file.size();) {
    std::uint64_t length = 0;
    std::uint32_t checksum = 0;
    REQUIRE(file.size() - at >= 12);
    std::memcpy(&length, file.data() + at, 8);
    std::memcpy(&checksum, file.data() + at + 8, 4);
    CHECK(checksum == masked(file.substr(at, 8)));
    REQUIRE(file.size() - at >= 16 + length);
    records.push_back(file.substr(at + 12, length));
    std::memcpy(&checksum, file.data() + at + 12 + length, 4);
    CHECK(checksum == masked(records.back()));
    at += 16 + length;
  }
  return records;
}

// A double in the eight bytes of a protocol buffer's field.
std::string eight(double value) {
  std::string bytes(8, '\0');
  std::memcpy(bytes.data(), &value, 8);
  return bytes;
}

TEST_CASE("the checksum is CRC-32C") {
  CHECK(dvd::detail::crc32c(bytes_of("123456789")) == 0xE3069283);  // of every table of checksums
  CHECK(dvd::detail::crc32c(bytes_of("")) == 0);
  CHECK(dvd::detail::crc32c(bytes_of(std::string(32, '\0'))) == 0x8A9136AA);  // RFC 3720, appendix B.4
  CHECK(dvd::detail::crc32c(bytes_of(std::string(32, '\xFF'))) == 0x62A8AB43);
}

TEST_CASE("the bytes are those of the format") {
  using namespace std::string_literals;
  const TemporaryFolder folder;
  TensorBoardWriter board(folder.path() / "new" / "board", 300);
  board.scalar("a/b", 300, 1.5, 2.0);
  board.scalar("n", -1, std::numeric_limits<double>::infinity(), 2.0);
  board.image("i", 1, bytes_of("GIF"), 2, 200, 2.0);
  board.flush();
  CHECK(board.path().parent_path() == folder.path() / "new" / "board");
  CHECK(board.path().filename().string().starts_with("events.out.tfevents."));
  const auto records = records_of(board.path());
  REQUIRE(records.size() == 5);
  CHECK(records[0].size() == 9 + 2 + 13);
  CHECK(records[0].substr(9) ==
        "\x1a\x0d"
        "brain.Event:2"s);
  CHECK(records[1].substr(9) ==
        "\x10\xac\x02"
        "\x3a\x02"
        "\x08\x01"s);  // step 300, a start
  CHECK(records[2] == "\x09"s + eight(2) +
                          "\x10\xac\x02"
                          "\x2a\x0c"
                          "\x0a\x0a"
                          "\x0a\x03"
                          "a/b"
                          "\x15\0\0\xc0\x3f"s);
  CHECK(records[3] == "\x09"s + eight(2) + "\x10" + std::string(9, '\xff') + "\x01" +
                          "\x2a\x0a"
                          "\x0a\x08"
                          "\x0a\x01"
                          "n"
                          "\x15\0\0\x80\x7f"s);
  CHECK(records[4] == "\x09"s + eight(2) +
                          "\x10\x01"
                          "\x2a\x13"
                          "\x0a\x11"
                          "\x0a\x01"
                          "i"
                          "\x22\x0c"
                          "\x08\x02"
                          "\x10\xc8\x01"
                          "\x18\x03"
                          "\x22\x03"
                          "GIF"s);
}

TEST_CASE("a run that goes on has a file of its own, behind the others by name, and nobody's is overwritten") {
  const TemporaryFolder folder;
  std::ofstream(folder.path() / "events.out.tfevents.4000000000.elsewhere.1") << "";
  std::ofstream(folder.path() / "events.out.tfevents.nonsense") << "";
  std::ofstream(folder.path() / "events.out.tfevents.99999999999999") << "";
  std::string last = "events.out.tfevents.4000000000.elsewhere.1";
  for (int i = 0; i < 3; ++i) {
    const std::string name = TensorBoardWriter(folder.path()).path().filename().string();
    CHECK(name > last);
    last = name;
  }
}

TEST_CASE("what is refused, in words") {
  const TemporaryFolder folder;
  TensorBoardWriter board(folder.path());
  const std::size_t size = content(board.path()).size();
  CHECK(error_of([&] { board.scalar("", 1, 1); }) == "a name for TensorBoard is a text in UTF-8, and not empty");
  CHECK(error_of([&] { board.scalar("\xff", 1, 1); }) == "a name for TensorBoard is a text in UTF-8, and not empty");
  CHECK(error_of([&] { board.image("i", 1, {}, 2, 2); }) ==
        "an image for TensorBoard has at least one pixel and at most 1073741824 bytes, not 2x2 pixels and 0 bytes");
  CHECK(!error_of([&] { board.image("i", 1, bytes_of("x"), 0, 2); }).empty());
  CHECK(content(board.path()).size() == size);
  std::ofstream(folder.path() / "file") << "text";
  CHECK(error_of([&] { TensorBoardWriter(folder.path() / "file"); }).starts_with((folder.path() / "file").string()));
}

TEST_CASE("where the disk is full nothing stays half-written") {
  const TemporaryFolder folder;
  TensorBoardWriter board(folder.path());
  board.scalar("a", 1, 1);
  const std::string before = content(board.path());
  // As good as a full disk: files may not grow.
  rlimit old{};
  REQUIRE(getrlimit(RLIMIT_FSIZE, &old) == 0);
  const rlimit small{before.size() + 10, old.rlim_max};
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  REQUIRE(setrlimit(RLIMIT_FSIZE, &small) == 0);
  const std::string message = error_of([&] { board.scalar("a", 2, 1); });
  REQUIRE(setrlimit(RLIMIT_FSIZE, &old) == 0);
  std::signal(SIGXFSZ, handler);
  CHECK(message.starts_with(board.path().string() + ": cannot be written ("));
  CHECK(content(board.path()) == before);
  board.scalar("a", 3, 1);
  CHECK(records_of(board.path()).size() == 3);
}

}  // namespace
