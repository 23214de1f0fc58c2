// Clips to train on that cost nothing.
#pragma once

#include <dvd/data/memory_clips.hpp>
#include <dvd/models/config.hpp>
#include <string>
#include <vector>

namespace benchmarks {

using dvd::Index;

/// Random clips: a step takes none of the time that others need to make or decode theirs.
inline dvd::MemoryClips random_clips(const dvd::DvdGanConfig& config) {
  constexpr Index count = 16;
  std::vector<dvd::Clip> clips;
  std::vector<std::int64_t> labels;
  const dvd::Random random = dvd::Random(0).stream("clips");
  for (Index n = 0; n < count; ++n) {
    const dvd::Random own = random.stream(static_cast<std::uint64_t>(n));
    clips.emplace_back(config.frames, config.image_height(), config.image_width());
    for (std::size_t k = 0; k < clips.back().pixels.size(); ++k)
      clips.back().pixels[k] = static_cast<std::uint8_t>(own.bits(k));
    labels.push_back(n % config.classes);
  }
  std::vector<std::string> names;
  for (Index c = 0; c < config.classes; ++c) names.push_back(dvd::concat("class ", c));
  return dvd::MemoryClips(std::move(clips), labels, names);
}

}  // namespace benchmarks
