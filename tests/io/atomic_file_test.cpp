// Whole files or none: what write_file_atomically leaves behind when it succeeds and when it cannot.
#include "dvd/io/atomic_file.hpp"

#include <doctest/doctest.h>
#include <sys/resource.h>

#include <array>
#include <csignal>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>
#include <vector>

namespace {

namespace fs = std::filesystem;

struct TemporaryFolder {
  fs::path path = fs::temp_directory_path() / dvd::concat("dvd-atomic-file-test-", ::getpid());
  TemporaryFolder() { fs::create_directories(path); }
  ~TemporaryFolder() { fs::remove_all(path); }

  std::size_t files() const {
    return static_cast<std::size_t>(std::distance(fs::directory_iterator(path), fs::directory_iterator()));
  }
};

std::string content(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// The message of the FileError, which must be one line beginning with the path.
std::string error_of_writing(const fs::path& path, std::string_view text) {
  try {
    dvd::write_file_atomically(path, text);
  } catch (const dvd::FileError& error) {
    const std::string message = error.what();
    CHECK(message.starts_with(path.string() + ": "));
    CHECK(message.find('\n') == message.npos);
    return message;
  }
  FAIL("wrote ", path);
  return {};
}

TEST_CASE("a text is written, replaced, and nothing else is left in the folder") {
  const TemporaryFolder folder;
  const fs::path path = folder.path / "notes.txt";
  dvd::write_file_atomically(path, "one");
  CHECK(content(path) == "one");
  dvd::write_file_atomically(path, std::string("three\0four", 10));
  CHECK(content(path) == std::string("three\0four", 10));
  dvd::write_file_atomically(path, "");
  CHECK(content(path).empty());
  CHECK(folder.files() == 1);
}

TEST_CASE("pieces are joined in order") {
  const TemporaryFolder folder;
  const std::string large(3'000'000, 'x');
  const std::array<std::string_view, 4> parts = {"a", "", large, "z"};
  std::vector<std::span<const std::byte>> pieces;
  for (const std::string_view part : parts) pieces.push_back(std::as_bytes(std::span(part)));
  dvd::write_file_atomically(folder.path / "file", pieces);
  CHECK(content(folder.path / "file") == "a" + large + "z");
}

TEST_CASE("a name without a folder is written to the current one") {
  const TemporaryFolder folder;
  const fs::path before = fs::current_path();
  fs::current_path(folder.path);
  dvd::write_file_atomically("plain", "text");
  fs::current_path(before);
  CHECK(content(folder.path / "plain") == "text");
}

TEST_CASE("a missing folder is an error that creates nothing") {
  const TemporaryFolder folder;
  const std::string message = error_of_writing(folder.path / "missing" / "file", "text");
  CHECK(message.find("No such file or directory") != message.npos);
  CHECK(folder.files() == 0);
}

TEST_CASE("a file in place of the folder is an error") {
  const TemporaryFolder folder;
  dvd::write_file_atomically(folder.path / "file", "text");
  error_of_writing(folder.path / "file" / "below", "text");
  CHECK(content(folder.path / "file") == "text");
}

TEST_CASE("a target that is a folder stays, and the temporary file goes") {
  const TemporaryFolder folder;
  fs::create_directories(folder.path / "target" / "inside");
  fs::create_directories(folder.path / "empty");
  error_of_writing(folder.path / "target", "text");
  error_of_writing(folder.path / "empty", "text");
  CHECK(fs::is_directory(folder.path / "target" / "inside"));
  CHECK(fs::is_directory(folder.path / "empty"));
  CHECK(folder.files() == 2);
}

TEST_CASE("a name too long for the temporary file is an error") {
  const TemporaryFolder folder;
  error_of_writing(folder.path / std::string(250, 'n'), "text");
  CHECK(folder.files() == 0);
}

TEST_CASE("a full disk leaves the old file and no temporary") {
  const TemporaryFolder folder;
  const fs::path path = folder.path / "file";
  dvd::write_file_atomically(path, "old");
  // A limit on file sizes fails a write part of the way, as a full disk does.
  rlimit before = {};
  REQUIRE(::getrlimit(RLIMIT_FSIZE, &before) == 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit small = {100'000, before.rlim_max};
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &small) == 0);
  const std::string message = error_of_writing(path, std::string(200'000, 'x'));
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &before) == 0);
  std::signal(SIGXFSZ, handler);
  CHECK(message.find("cannot write (File too large)") != message.npos);
  CHECK(content(path) == "old");
  CHECK(folder.files() == 1);
}

TEST_CASE("a temporary file left by a killed process of the same number is passed by") {
  const TemporaryFolder folder;
  const fs::path path = folder.path / "file";
  const fs::path left = dvd::concat(path.string(), ".partial-", ::getpid());
  std::ofstream(left) << "left";
  dvd::write_file_atomically(path, "text");
  CHECK(content(path) == "text");
  CHECK(content(left) == "left");
  CHECK(folder.files() == 2);
}

TEST_CASE("a symbolic link is replaced, not followed") {
  const TemporaryFolder folder;
  dvd::write_file_atomically(folder.path / "file", "old");
  fs::create_symlink(folder.path / "file", folder.path / "link");
  dvd::write_file_atomically(folder.path / "link", "new");
  CHECK(content(folder.path / "file") == "old");
  CHECK(content(folder.path / "link") == "new");
  CHECK_FALSE(fs::is_symlink(folder.path / "link"));
}

TEST_CASE("threads that write the same file each write all of it") {
  const TemporaryFolder folder;
  const fs::path path = folder.path / "file";
  std::vector<std::thread> threads;
  for (const char letter : {'a', 'b', 'c'})
    threads.emplace_back([&path, letter] {
      for (int i = 0; i < 10; ++i) dvd::write_file_atomically(path, std::string(10'000, letter));
    });
  for (std::thread& thread : threads) thread.join();
  const std::string text = content(path);
  CHECK(text == std::string(10'000, text.at(0)));
  CHECK(folder.files() == 1);
}

}  // namespace
