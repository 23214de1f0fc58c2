// Sets made without videos: of frames whose bytes tell video, frame and place.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "dvd/data/video_set_index.hpp"
#include "dvd/io/safetensors_stream.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::testing {

struct MadeVideo {
  std::string name;
  std::int64_t label = 0, frames = 0;
  std::uint64_t splits = 0;
};

// The byte at `place` of a frame of video number `video`.
inline std::uint8_t made_byte(std::size_t video, std::int64_t frame, std::int64_t place) {
  return static_cast<std::uint8_t>(static_cast<std::int64_t>(video) * 31 + frame * 7 + place);
}

// Writes the set; a shard holds two videos. What has no frames counts as skipped.
inline VideoSetIndex make_set(const std::filesystem::path& folder, const std::vector<MadeVideo>& videos,
                              const VideoSetFormat& format = {.height = 4, .width = 6},
                              std::vector<std::string> class_names = {"run", "walk"},
                              std::vector<std::string> split_names = {"train.txt", "test.txt"}) {
  std::filesystem::create_directories(folder);
  VideoSetIndex index;
  index.format = format;
  index.class_names = std::move(class_names);
  index.split_names = std::move(split_names);
  index.listed = static_cast<std::int64_t>(videos.size());
  for (std::size_t begin = 0; begin < videos.size(); begin += 2) {
    const std::size_t end = std::min(begin + 2, videos.size());
    std::vector<std::string> names;
    for (std::size_t v = begin; v < end; ++v) names.push_back(videos[v].name);
    const auto number = static_cast<std::int64_t>(begin / 2);
    SafetensorsStream shard(shard_of_set(folder, number), names);
    for (std::size_t v = begin; v < end; ++v) {
      VideoSetIndex::Video video;
      video.label = videos[v].label;
      video.frames = videos[v].frames;
      video.shard = number;
      video.offset = static_cast<std::int64_t>(shard.position());
      video.frames_per_second = 25;
      video.splits = videos[v].splits;
      video.place = static_cast<std::int64_t>(v);
      video.skipped = video.frames == 0;
      std::vector<std::uint8_t> frame(static_cast<std::size_t>(format.frame_bytes()));
      for (std::int64_t t = 0; t < video.frames; ++t) {
        for (std::size_t i = 0; i < frame.size(); ++i) frame[i] = made_byte(v, t, static_cast<std::int64_t>(i));
        shard.append(frame);
      }
      if (video.frames > 0)
        shard.end_tensor(videos[v].name, std::vector{video.frames, format.height, format.width, format.channels});
      index.add(video, videos[v].name, videos[v].name + ".avi", video.skipped ? "is empty" : "");
    }
    const SafetensorsStream::Written written = shard.finish();
    index.shards.push_back({number, static_cast<std::int64_t>(written.size), written.header_hash});
  }
  write_set_index(folder, index);
  return index;
}

}  // namespace dvd::testing
