// Which frames of a video the spatial discriminator looks at.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <algorithm>
#include <concepts>
#include <numeric>
#include <type_traits>
#include <vector>

#include "dvd/layers/layer.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// Frame indices `[N, k]`, row-major, ascending in every row.
struct FrameIndices {
  Index videos = 0;
  Index count = 0;
  std::vector<Index> values;

  Index operator()(Index video, Index j) const { return values[static_cast<std::size_t>(video * count + j)]; }
};

/// A rule that draws `count` ascending frame indices below `frames` for every one of `videos` videos. Those here throw
/// ArgumentError unless 1 <= count <= frames, and for less than no videos.
template <class S>
concept FrameSampling = requires(const Random& random, Index videos, Index frames, Index count) {
  { S::draw(random, videos, frames, count) } -> std::same_as<FrameIndices>;
};

namespace detail {
inline void check_draw(Index videos, Index frames, Index count) {
  require(videos >= 0 && count >= 1 && count <= frames, "cannot draw ", count, " of ", frames, " frames of ", videos,
          " videos");
}
}  // namespace detail

/// DVD-GAN's rule: uniformly without replacement, for every video on its own (section 3.2).
struct FrameSampler {
  static FrameIndices draw(const Random& random, Index videos, Index frames, Index count) {
    detail::check_draw(videos, frames, count);
    FrameIndices result{videos, count, {}};
    std::vector<Index> order(static_cast<std::size_t>(frames));
    for (Index video = 0; video < videos; ++video) {
      const Random own = random.stream(static_cast<std::uint64_t>(video));
      std::iota(order.begin(), order.end(), Index{0});
      for (Index j = 0; j < count; ++j)  // the first `count` steps of a Fisher-Yates shuffle
        std::swap(order[static_cast<std::size_t>(j)],
                  order[static_cast<std::size_t>(j + own.below(static_cast<std::uint64_t>(j), frames - j))]);
      std::sort(order.begin(), order.begin() + count);
      result.values.insert(result.values.end(), order.begin(), order.begin() + count);
    }
    return result;
  }
};

namespace detail {

/// Frames `step` apart, for every video from a random first one on.
inline FrameIndices evenly_spaced(const Random& random, Index videos, Index frames, Index count, Index step) {
  FrameIndices result{videos, count, {}};
  const Index places = frames - (count - 1) * step;
  for (Index video = 0; video < videos; ++video) {
    const Index first = random.below(static_cast<std::uint64_t>(video), places);
    for (Index j = 0; j < count; ++j) result.values.push_back(first + j * step);
  }
  return result;
}

}  // namespace detail

/// Consecutive frames, for every video from a random one on.
struct ConsecutiveFrames {
  static FrameIndices draw(const Random& random, Index videos, Index frames, Index count) {
    detail::check_draw(videos, frames, count);
    return detail::evenly_spaced(random, videos, frames, count, 1);
  }
};

/// Frames as far apart as fits, all equally, for every video from a random one on.
struct StridedFrames {
  static FrameIndices draw(const Random& random, Index videos, Index frames, Index count) {
    detail::check_draw(videos, frames, count);
    return detail::evenly_spaced(random, videos, frames, count, count > 1 ? (frames - 1) / (count - 1) : 1);
  }
};

static_assert(FrameSampling<FrameSampler> && FrameSampling<ConsecutiveFrames> && FrameSampling<StridedFrames>);

namespace detail {
inline std::vector<Index> frame_rows(const FrameIndices& frames) {
  const Index size = static_cast<Index>(frames.values.size());
  require(frames.videos >= 0 && frames.count >= 0 &&
              (frames.videos == 0 ? size == 0 : size % frames.videos == 0 && size / frames.videos == frames.count),
          "frame indices of ", frames.videos, " videos, ", frames.count, " of each, cannot be ", size);
  for (const Index frame : frames.values)
    require(frame >= 0 && frame <= Shape::max_size / frames.videos, "frame index ", frame, " is outside of any video");
  std::vector<Index> rows;
  if (size == 0) return rows;
  for (Index j = 0; j < frames.count; ++j)
    for (Index n = 0; n < frames.videos; ++n) rows.push_back(frames(n, j) * frames.videos + n);
  return rows;
}
}  // namespace detail

/// Chosen frames of videos, on a device. A handle: copies share their frames.
template <DeviceMemory D>
struct ChosenFrames {
  Index videos = 0;
  Index count = 0;
  Rows<D> rows;  ///< [count, videos]: of the videos' images `[T * N, H, W, C]`

  ChosenFrames() = default;
  /// Not explicit: indices serve wherever chosen frames are asked for.
  ChosenFrames(const FrameIndices& frames)
      : videos(frames.videos), count(frames.count), rows(detail::frame_rows(frames)) {}

  ChosenFrames(Index of_videos, Index a_video, const std::vector<Index>& values)
      : ChosenFrames(FrameIndices{of_videos, a_video, values}) {}

  /// How many frames were chosen of all videos.
  Index size() const { return rows.size(); }

  /// Other frames in place of these, for all that share them. Throws ArgumentError unless there are as many.
  void assign(const FrameIndices& frames) {
    require(frames.videos == videos && frames.count == count, frames.count, " frames of ", frames.videos,
            " videos cannot take the place of ", count, " of ", videos);
    rows.assign(detail::frame_rows(frames));
  }
};

/// The chosen frames of videos `[T, N, H, W, C]`, as `[k, N, H, W, C]`. Throws ArgumentError for frames that the videos
/// do not have.
template <AnyTensor X, class T = typename X::value_type, class D = typename X::device_type>
Tensor<T, D> select_frames(const X& video, const std::type_identity_t<ChosenFrames<D>>& frames) {
  const Shape& shape = video.shape();
  require(shape.rank() == 5 && video.size() > 0 && shape[1] == frames.videos && frames.count > 0, frames.count,
          " frames of each of ", frames.videos, " videos cannot be selected from shape ", shape);
  frames.rows.check_below(shape[0] * shape[1], "frame index", shape[1]);
  Tensor<T, D> selected(Shape{frames.count, shape[1], shape[2], shape[3], shape[4]});
  D::gather_rows(frames.rows.size(), shape[2] * shape[3] * shape[4], video.data(), frames.rows.data(), selected.data());
  return selected;
}

/// The gradient of the videos: that of the chosen frames in their places, 0 elsewhere.
template <AnyTensor X, class T = typename X::value_type, class D = typename X::device_type>
Tensor<T, D> select_frames_backward(const X& dselected, const std::type_identity_t<ChosenFrames<D>>& frames,
                                    Index total_frames) {
  const Shape& shape = dselected.shape();
  require(shape.rank() == 5 && dselected.size() > 0 && shape[0] == frames.count && shape[1] == frames.videos,
          "the gradient of ", frames.count, " frames of each of ", frames.videos, " videos cannot have shape ", shape);
  for (const Index row : frames.rows.values())
    require(row / shape[1] < total_frames, "frame index ", row / shape[1], " is not one of ", total_frames, " frames");
  auto dvideo = Tensor<T, D>::zeros(Shape{total_frames, shape[1], shape[2], shape[3], shape[4]});
  D::scatter_add_rows(frames.rows.size(), shape[2] * shape[3] * shape[4], dselected.data(), frames.rows.data(),
                      dvideo.data());
  return dvideo;
}

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
