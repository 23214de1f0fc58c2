// What scores ask of a network that looks at clips.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <algorithm>
#include <string>

#include "dvd/core/is_finite.hpp"
#include "dvd/core/tensor.hpp"
#include "dvd/device/cpu.hpp"
#include "dvd/metrics/feature_rows.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// What a network says of a batch of clips, a row each.
struct ClipFeatures {
  FeatureRows features;  ///< what distances are measured between
  FeatureRows logits;    ///< of its classes; probabilities are their softmax
};

/// A network that looks at clips, with all that is done to them before. One of one's own does for every score.
class FeatureNetwork {
 public:
  virtual ~FeatureNetwork() = default;

  /// Videos `[T, N, H, W, 3]`, RGB with values in [-1, 1], of any height and width; a row of features and one of logits
  /// for each of the N. Throws ArgumentError for clips that it cannot look at: too short, values that are not finite.
  virtual ClipFeatures operator()(const ConstTensorView<float>& videos) = 0;

  /// For people, such as "I3D, Kinetics-400 from scratch".
  virtual std::string description() const = 0;
  /// Tells one set of weights from another: 16 hexadecimal digits, the hash of what their file holds.
  virtual std::string weights_hash() const = 0;
  virtual Index dimensions() const = 0;  ///< of features
  virtual Index classes() const = 0;     ///< of logits
};

namespace detail {

/// Throws ArgumentError unless these are RGB videos of finite values.
inline void check_videos(const char* network, const ConstTensorView<float>& videos) {
  const Shape& shape = videos.shape();
  require(videos && shape.rank() == 5 && shape.size() > 0 && shape[4] == 3, network,
          " expects videos [T, N, H, W, 3] with no extent of 0, not ", shape);
  const float* const end = videos.data() + videos.size();
  const float* const odd = std::find_if_not(videos.data(), end, is_finite<float>);
  if (odd == end) return;
  const Index picture = (odd - videos.data()) / (shape[2] * shape[3] * shape[4]);
  throw ArgumentError(concat(network, " got a clip with a value that is not finite: in frame ", picture / shape[1],
                             " of clip ", picture % shape[1], " of the batch (expected values in [-1, 1])"));
}

/// Clips `first` .. `first + count - 1` of videos `[T, N, ...]`.
template <Scalar T, DeviceMemory D>
Tensor<T, D> some_clips(const ConstTensorView<T, D>& videos, Index first, Index count) {
  const Shape& shape = videos.shape();
  Shape part{shape[0], count};
  for (int axis = 2; axis < shape.rank(); ++axis) part.append(shape[axis]);
  Tensor<T, D> result(part);
  const Index clip = part.size() / (shape[0] * count);
  D::copy_rows(shape[0], 1, count * clip, videos.data() + first * clip, shape[1] * clip, 0, result.data(), count * clip,
               0);
  return result;
}

/// The same numbers on the device, as T.
template <Scalar T, DeviceMemory D>
Tensor<T, D> on_device(const ConstTensorView<float>& values) {
  if constexpr (std::same_as<T, float>) {
    return Tensor<T, D>(values.shape(), std::span(values.data(), static_cast<std::size_t>(values.size())));
  } else {
    std::vector<T> converted(static_cast<std::size_t>(values.size()));
    std::transform(values.data(), values.data() + values.size(), converted.begin(),
                   [](float value) { return static_cast<T>(value); });
    return Tensor<T, D>(values.shape(), converted);
  }
}

/// Appends the rows of a tensor `[N, dimensions]`.
template <Scalar T, DeviceMemory D>
void append_rows(const Tensor<T, D>& tensor, FeatureRows& rows) {
  rows.dimensions = tensor.extent(1);
  for (const T value : tensor.to_vector()) rows.values.push_back(static_cast<double>(value));
}

}  // namespace detail

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
