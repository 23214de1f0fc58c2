// How much there will be to do, guessed from the durations that some of the files state.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <system_error>
#include <vector>

#include "dvd/data/set_sources.hpp"
#include "dvd/data/video_set_index.hpp"
#include "dvd/io/libav.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// What preparing some videos comes to, about.
struct SetEstimate {
  double seconds = 0;  ///< of video
  double bytes = 0;    ///< of frames
};

namespace detail {

struct StatedDuration {
  double seconds = 0, frames_per_second = 25;
};

// What a file says of itself; nothing where it says nothing, or cannot be read.
inline std::optional<StatedDuration> stated_duration(const ListedVideo& video) {
  if (!video.pictures.empty()) return StatedDuration{static_cast<double>(video.pictures.size()) / 25, 25};
  silence_libav();
  AVFormatContext* opened = nullptr;
  AVDictionary* options = nullptr;
  av_dict_set(&options, "protocol_whitelist", "file", 0);
  std::error_code error;
  const bool is_file = std::filesystem::is_regular_file(video.path, error);
  const int status =
      is_file ? avformat_open_input(&opened, ("file:" + video.path.string()).c_str(), nullptr, &options) : -1;
  av_dict_free(&options);
  if (status < 0) return std::nullopt;
  const LibavInput input(opened);
  if (avformat_find_stream_info(input.get(), nullptr) < 0) return std::nullopt;
  const int track = av_find_best_stream(input.get(), AVMEDIA_TYPE_VIDEO, -1, -1, nullptr, 0);
  if (track < 0 || input->duration <= 0) return std::nullopt;
  StatedDuration stated{static_cast<double>(input->duration) / AV_TIME_BASE, 25};
  const double rate = av_q2d(av_guess_frame_rate(input.get(), input->streams[track], nullptr));
  if (is_finite(rate) && rate > 0 && rate <= 1000) stated.frames_per_second = rate;
  if (video.end > 0) stated.seconds = std::min(stated.seconds, video.end);
  stated.seconds = std::max(stated.seconds - video.start, 0.0);
  return stated;
}

}  // namespace detail

/// Looks at no more than 48 of the videos of these numbers; without any that can be read, at nothing.
inline SetEstimate estimate_set(const SetSources& sources, const std::vector<std::size_t>& numbers,
                                const VideoSetFormat& format) {
  constexpr std::size_t most = 48;
  const std::size_t looks = std::min(most, numbers.size());
  SetEstimate sum;
  for (std::size_t i = 0; i < looks; ++i) {
    const auto stated = detail::stated_duration(sources.videos[numbers[i * numbers.size() / looks]].video);
    if (!stated) continue;
    const double rate = format.frames_per_second > 0 ? format.frames_per_second : stated->frames_per_second;
    sum.seconds += stated->seconds;
    sum.bytes += stated->seconds * rate * static_cast<double>(format.frame_bytes());
  }
  if (looks == 0) return {};
  const double scale = static_cast<double>(numbers.size()) / static_cast<double>(looks);
  return {sum.seconds * scale, sum.bytes * scale};
}

/// Bytes that are free where a folder is, or will be; none where that cannot be told.
inline std::optional<double> free_bytes(std::filesystem::path folder) {
  std::error_code error;
  folder = std::filesystem::absolute(folder, error);
  while (!std::filesystem::exists(folder, error) && folder.has_parent_path() && folder != folder.parent_path())
    folder = folder.parent_path();
  const std::filesystem::space_info space = std::filesystem::space(folder, error);
  if (error) return std::nullopt;
  return static_cast<double>(space.available);
}

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
