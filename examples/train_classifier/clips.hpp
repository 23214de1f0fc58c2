// Moving shapes of all sizes and lengths, as the classifier sees them.
#pragma once

#include <algorithm>
#include <cmath>
#include <dvd/data/moving_shapes.hpp>
#include <dvd/io/clip_tensor.hpp>
#include <dvd/metrics/class_accuracy.hpp>
#include <dvd/metrics/shapes_features.hpp>
#include <span>

namespace examples {

/// Clips as the network takes them, and their classes.
struct ClassifiedClips {
  dvd::Tensor<float> videos;
  dvd::Labels labels;
};

/// The size of a clip: heights of 8 to 128 pixels and lengths of 2 to 64 frames, both as often small as large (that is,
/// their logarithms are uniform); every second clip as much as twice as wide as high, or as high as wide, and every
/// fourth grey.
inline dvd::MovingShapesOptions random_size(const dvd::Random& random) {
  constexpr double least_side = 8, most_side = 128;
  const auto geometric = [&](std::uint64_t index, double low, double high) {
    return low * std::exp(random.uniform(index) * std::log(high / low));
  };
  const auto whole = [](double value) { return static_cast<std::int64_t>(std::lround(value)); };
  const double height = geometric(0, least_side, most_side);
  const bool square = random.uniform(1) < 0.5;
  const double width = square ? height : std::clamp(height * geometric(2, 0.5, 2), least_side, most_side);
  return {.frames = whole(geometric(3, 2, 64)),
          .height = whole(height),
          .width = whole(width),
          .image_channels = random.uniform(4) < 0.25 ? 1 : 3};
}

/// `count` clips, each a function of the stream and its place alone, whatever the number of threads.
inline ClassifiedClips draw_clips(const dvd::Random& random, dvd::Index count) {
  const dvd::ClipSize& size = dvd::shapes_clip_size;
  const dvd::Index frame = size.height * size.width * size.channels;
  ClassifiedClips result{dvd::Tensor<float>(dvd::Shape{size.frames, count, size.height, size.width, size.channels}),
                         dvd::Labels(static_cast<std::size_t>(count))};
  dvd::cpu::parallel_calls(count, [&](dvd::Index i) {
    const dvd::Random own = random.stream(static_cast<std::uint64_t>(i));
    const dvd::LabelledClip drawn = dvd::MovingShapes(random_size(own.stream("size"))).draw(own);
    result.labels[static_cast<std::size_t>(i)] = drawn.label;
    const dvd::Tensor<float> video =
        dvd::fit_videos(dvd::to_tensor<float>(std::span(&drawn.clip, 1)), dvd::shapes_clip_size);
    for (dvd::Index t = 0; t < size.frames; ++t)
      std::copy_n(video.data() + t * frame, frame, result.videos.data() + (t * count + i) * frame);
  });
  return result;
}

/// How many of `count` fresh clips of one size, as many of each class, a network puts into the right class.
inline double accuracy_of(dvd::FeatureNetwork& network, const dvd::MovingShapesOptions& size, dvd::Index count,
                          const dvd::Random& random) {
  constexpr dvd::Index most_at_once = 48;
  const dvd::MovingShapes shapes(size);
  dvd::FeatureRows logits{network.classes(), {}};
  dvd::Labels labels;
  for (dvd::Index first = 0; first < count; first += most_at_once) {
    std::vector<dvd::Clip> clips(static_cast<std::size_t>(std::min(most_at_once, count - first)));
    for (std::size_t i = 0; i < clips.size(); ++i) labels.push_back((first + static_cast<dvd::Index>(i)) % 12);
    dvd::cpu::parallel_calls(static_cast<dvd::Index>(clips.size()), [&](dvd::Index i) {
      const dvd::Index number = first + i;
      clips[static_cast<std::size_t>(i)] =
          shapes.draw(random.stream(static_cast<std::uint64_t>(number)), number % 12).clip;
    });
    const dvd::ClipFeatures said = network(dvd::to_tensor<float>(std::span<const dvd::Clip>(clips)));
    logits.values.insert(logits.values.end(), said.logits.values.begin(), said.logits.values.end());
  }
  return dvd::class_accuracy(logits, labels);
}

}  // namespace examples
