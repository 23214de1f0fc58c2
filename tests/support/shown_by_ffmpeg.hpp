// What the ffmpeg program shows of a file: the truth that reading video files is held to.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "dvd/io/clip.hpp"
#include "support/video_fixtures.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::testing {

// All frames that decoding the file from its start shows, of which each has this size; one after the other, without
// repeating or dropping any for a rate. Scaled, where chroma is, as the library does it.
inline Clip shown_by_ffmpeg(const std::filesystem::path& path, std::int64_t height, std::int64_t width) {
  const std::filesystem::path raw = path.string() + ".shown";
  // -vsync is the older name of -fps_mode; the program may complain of a damaged file, and goes on.
  const std::string command = "ffmpeg -nostdin -loglevel quiet -y -threads 1 -i 'file:" + path.string() +
                              "' -vsync passthrough -sws_flags bicubic+accurate_rnd+bitexact+full_chroma_int "
                              "-pix_fmt rgb24 -f rawvideo '" +
                              raw.string() + "'";
  static_cast<void>(std::system(command.c_str()));
  const std::string bytes = std::filesystem::exists(raw) ? read_bytes(raw) : "";
  std::filesystem::remove(raw);
  const std::int64_t size = height * width * 3;
  Clip clip(static_cast<std::int64_t>(bytes.size()) / size, height, width);
  for (std::size_t i = 0; i < clip.pixels.size(); ++i) clip.pixels[i] = static_cast<std::uint8_t>(bytes[i]);
  return clip;
}

}  // namespace dvd::inline DVD_INSTRUCTION_SET::testing
