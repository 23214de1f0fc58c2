// Video files, if this build has dvd::video. The one place that knows: what only that can do is in files of its own
// (*_video.cpp), which are left out without it.
#pragma once

#include <dvd/core/error.hpp>
#include <dvd/io/clip.hpp>
#include <filesystem>
#include <string>
#ifdef DVD_WITH_VIDEO
#include <dvd/io/video_writer.hpp>
#endif

namespace examples {

#ifdef DVD_WITH_VIDEO
inline constexpr bool with_video_files = true;
#else
inline constexpr bool with_video_files = false;
#endif

/// Throws ArgumentError where this build cannot do what the flag asks for, because it has no dvd::video.
inline void require_video_files(const std::string& flag) {
  dvd::require(with_video_files, flag,
               ": this build reads and writes no video files, because it was made without FFmpeg's libraries; install "
               "them (Debian, Ubuntu: apt-get install libavformat-dev libavcodec-dev libavutil-dev libswscale-dev "
               "libavfilter-dev) and build again");
}

#ifdef DVD_WITH_VIDEO
using dvd::write_gif;
using dvd::write_mp4;
#else
/// Not to be called: see require_video_files.
inline void write_gif(const std::filesystem::path& path, const dvd::Clip&, double) {
  require_video_files(path.string());
}
inline void write_mp4(const std::filesystem::path& path, const dvd::Clip&, double) {
  require_video_files(path.string());
}
#endif

}  // namespace examples
