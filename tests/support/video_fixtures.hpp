// Small video files for tests, made by the `ffmpeg` program at run time: no file of ours depends on what libav writes.
#pragma once

#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <system_error>
#include <vector>

#include "dvd/io/clip.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::testing {

// A folder of the test's own, gone at the end of the scope.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "dvd-test-XXXXXX").string();
    if (!::mkdtemp(name.data())) throw std::runtime_error("cannot make a temporary folder " + name);
    path_ = name;
  }
  ~TemporaryFolder() {
    std::error_code error;
    std::filesystem::remove_all(path_, error);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }
  // The path of a file in it, with the folders that lead there.
  std::filesystem::path operator/(const std::filesystem::path& name) const {
    std::filesystem::create_directories((path_ / name).parent_path());
    return path_ / name;
  }

 private:
  std::filesystem::path path_;
};

inline void write_bytes(const std::filesystem::path& path, const std::string& bytes) {
  std::ofstream file(path, std::ios::binary);
  file << bytes;
  if (!file.flush()) throw std::runtime_error("cannot write " + path.string());
}

inline std::string read_bytes(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// Runs `ffmpeg ARGUMENTS 'path'`.
inline void ffmpeg(const std::string& arguments, const std::filesystem::path& path) {
  static const bool installed = std::system("ffmpeg -version >/dev/null 2>&1") == 0;
  if (!installed) throw std::runtime_error("these tests need the program ffmpeg: apt-get install ffmpeg");
  const std::string command = "ffmpeg -nostdin -loglevel error -y " + arguments + " '" + path.string() + "'";
  if (std::system(command.c_str()) != 0) throw std::runtime_error("failed: " + command);
}

// Whether ffmpeg was built with this encoder.
inline bool has_encoder(const std::string& name) {
  return std::system(("ffmpeg -hide_banner -encoders 2>/dev/null | grep -q ' " + name + " '").c_str()) == 0;
}

// So many frames of moving test pictures at 25 a second, encoded as the arguments say.
inline void make_video(const std::filesystem::path& path, int frames, const std::string& size,
                       const std::string& codec) {
  ffmpeg("-f lavfi -i testsrc2=size=" + size + ":rate=25 -frames:v " + std::to_string(frames) + " " + codec, path);
}

// Frame i of 64 x 48 pixels shows i's eight bits as black and white blocks, 4 x 2 of them: no codec makes it another.
inline Clip numbered_clip(std::int64_t frames) {
  Clip clip(frames, 48, 64);
  for (std::int64_t t = 0; t < frames; ++t)
    for (std::int64_t y = 0; y < 48; ++y)
      for (std::int64_t x = 0; x < 64; ++x)
        for (std::int64_t c = 0; c < 3; ++c)
          clip.frame(t)[(y * 64 + x) * 3 + c] = t >> (y / 24 * 4 + x / 16) & 1 ? 235 : 16;
  return clip;
}

inline std::int64_t number_shown(const Clip& clip, std::int64_t t) {
  std::int64_t number = 0;
  for (std::int64_t bit = 0; bit < 8; ++bit) {
    const std::int64_t y = clip.height * (1 + 2 * (bit / 4)) / 4, x = clip.width * (1 + 2 * (bit % 4)) / 8;
    if (clip.frame(t)[(y * clip.width + x) * 3] > 128) number |= std::int64_t{1} << bit;
  }
  return number;
}

inline std::vector<std::int64_t> numbers_shown(const Clip& clip) {
  std::vector<std::int64_t> numbers;
  for (std::int64_t t = 0; t < clip.frames; ++t) numbers.push_back(number_shown(clip, t));
  return numbers;
}

// Encodes any clip, at 25 frames a second.
inline void encode_clip(const std::filesystem::path& path, const Clip& clip, const std::string& codec) {
  const std::string raw = path.string() + ".raw";
  write_bytes(raw, std::string(clip.pixels.begin(), clip.pixels.end()));
  ffmpeg("-f rawvideo -pixel_format rgb24 -framerate 25 -video_size " + std::to_string(clip.width) + "x" +
             std::to_string(clip.height) + " -i '" + raw + "' " + codec,
         path);
  std::filesystem::remove(raw);
}

}  // namespace dvd::testing
