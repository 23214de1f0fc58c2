// I3D, the network behind FVD and DVD-GAN's own scores: Carreira and Zisserman, "Quo Vadis, Action Recognition? A New
// Model and the Kinetics Dataset", CVPR 2017 (arXiv 1705.07750), its RGB stream. Forward only.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <algorithm>
#include <array>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "dvd/layers/pool.hpp"
#include "dvd/metrics/feature_network.hpp"
#include "dvd/metrics/i3d_unit.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// I3D:
///
///     Conv3d_1a_7x7 (7x7x7, stride 2), MaxPool3d_2a_3x3, Conv3d_2b_1x1, Conv3d_2c_3x3, MaxPool3d_3a_3x3, Mixed_3b,
///     Mixed_3c, MaxPool3d_4a_3x3, Mixed_4b .. Mixed_4f, MaxPool3d_5a_2x2, Mixed_5b, Mixed_5c,
///     an average over 2x7x7 without padding, a linear map to the classes, an average over time
///
/// Every convolution has no bias, a norm by running statistics and a ReLU; a Mixed block joins four branches, b0, b1,
/// b2 and b3. Padding is TensorFlow's SAME, which depends on sizes. Parameters and buffers have pytorch-i3d's names and
/// layouts, 287 in all (its `num_batches_tracked` are none), and are zeros, and ones for the norms', until they are
/// assigned; norms are folded into the convolutions when a clip comes. Visiting the network forgets that: visit it to
/// change weights, and again to change them once more.
///
/// On the CPU clips go through one at a time, so that what is said of one does not depend on the others, and memory is
/// that of one: in float some 2.5 MB a frame of 224x224, beside 170 MB of weights.
template <Scalar T, Device D = Cpu>
class I3d {
 public:
  using scalar_type = T;
  using device_type = D;
  using View = ConstTensorView<T, D>;

  static constexpr Index dimensions = 1024;             ///< of features
  static constexpr Index least_frames = 9;              ///< for one average over time; with 17, two
  static constexpr Index least_size = 193, size = 224;  ///< heights and widths that end in 7x7 pixels

  /// What the network says of N clips.
  struct Output {
    Tensor<T, D> features;  ///< `[N, 1024]`: what was averaged, averaged over time
    Tensor<T, D> logits;    ///< `[N, classes]`, averaged over time
  };

  /// Is shown the result of every part after its ReLU or pool, by the names above.
  using Watch = std::function<void(std::string_view name, const View& result)>;

  /// `epsilon`: what the norms add to a variance; 1e-3 in the network that was published. Throws ArgumentError for less
  /// than one class and an epsilon that is not above 0.
  explicit I3d(Index classes = 400, double epsilon = 1e-3)
      : classes_(at_least_one(classes)),
        epsilon_(epsilon),
        first_(3, 64, {.kernel = 7, .stride = 2, .padding = same_padding}),
        second_(64, 64, {.kernel = 1}),
        third_(64, 192, {.kernel = 3, .padding = same_padding}),
        logits_(dimensions, classes) {
    require(epsilon > 0 && is_finite(epsilon), "the epsilon of I3D's norms is above 0, not ", epsilon);
    Index inputs = 192;
    for (std::size_t i = 0; i < widths.size(); ++i) {
      mixed_.emplace_back(inputs, widths[i]);
      inputs = mixed_.back().outputs();
    }
  }

  Index classes() const { return classes_; }
  double epsilon() const { return epsilon_; }

  /// Videos `[T, N, H, W, 3]`, RGB with values in [-1, 1]. Throws ArgumentError unless there are 9 frames or more and
  /// heights and widths are from 193 to 224: the network's last average is of 7x7 pixels.
  Output operator()(const View& x) {
    const Shape& shape = x.shape();
    require(shape.rank() == 5 && shape.size() > 0 && shape[4] == 3,
            "I3D expects videos [T, N, H, W, 3] with no extent of 0, not ", shape);
    require(shape[0] >= least_frames, "I3D looks at clips of ", least_frames, " frames or more, not of ", shape[0]);
    require(std::min(shape[2], shape[3]) >= least_size && std::max(shape[2], shape[3]) <= size,
            "I3D looks at heights and widths from ", least_size, " to ", size, ", not ", shape[2], "x", shape[3],
            " (resize the clips to ", size, "x", size, ")");
    const Index clips = shape[1], together = clips_together(shape);
    Output result{Tensor<T, D>(Shape{clips, dimensions}), Tensor<T, D>(Shape{clips, classes_})};
    for (Index first = 0; first < clips; first += together) {
      const Index count = std::min(together, clips - first);
      const Tensor<T, D> features = pooled(count == clips ? trunk(x) : trunk(detail::some_clips(x, first, count)));
      result.features.slice(first, count).copy_from(features);
      logits_.run(features.reshaped({1, count, 1, 1, dimensions}), result.logits.slice(first, count).data());
    }
    return result;
  }

  /// The result of the last part before the average, of videos of any extents, all at once.
  Tensor<T, D> trunk(const View& x, const Watch& watch = {}) {
    const auto watched = [&](const char* name, Tensor<T, D> y) {
      if (watch) watch(name, y);
      return y;
    };
    const auto unit = [&](I3dUnit<T, D>& of, const View& input) { return of(input, epsilon_); };
    const auto pool = [&](const PerAxis& kernel, const PerAxis& stride, const View& input) {
      return MaxPool3D<T, D>({.kernel = kernel, .stride = stride, .padding = same_padding})
          .forward(input, Pass::evaluate());
    };
    Tensor<T, D> y = watched("Conv3d_1a_7x7", unit(first_, x));
    y = watched("MaxPool3d_2a_3x3", pool({1, 3, 3}, {1, 2, 2}, y));
    y = watched("Conv3d_2b_1x1", unit(second_, y));
    y = watched("Conv3d_2c_3x3", unit(third_, y));
    y = watched("MaxPool3d_3a_3x3", pool({1, 3, 3}, {1, 2, 2}, y));
    for (std::size_t i = 0; i < mixed_.size(); ++i) {
      if (i == 2) y = watched("MaxPool3d_4a_3x3", pool(3, 2, y));
      if (i == 7) y = watched("MaxPool3d_5a_2x2", pool(2, 2, y));
      y = watched(mixed_names[i], mixed_[i](y, epsilon_));
    }
    return y;
  }

  template <class F>
  void visit(const std::string& prefix, F& f) {
    first_.visit(prefix + "Conv3d_1a_7x7.", f);
    second_.visit(prefix + "Conv3d_2b_1x1.", f);
    third_.visit(prefix + "Conv3d_2c_3x3.", f);
    for (std::size_t i = 0; i < mixed_.size(); ++i) mixed_[i].visit(concat(prefix, mixed_names[i], "."), f);
    logits_.visit(prefix + "logits.", f);
  }

 private:
  static constexpr std::array<const char*, 9> mixed_names = {"Mixed_3b", "Mixed_3c", "Mixed_4b", "Mixed_4c", "Mixed_4d",
                                                             "Mixed_4e", "Mixed_4f", "Mixed_5b", "Mixed_5c"};
  static constexpr std::array<I3dWidths, 9> widths = {{{64, 96, 128, 16, 32, 32},
                                                       {128, 128, 192, 32, 96, 64},
                                                       {192, 96, 208, 16, 48, 64},
                                                       {160, 112, 224, 24, 64, 64},
                                                       {128, 128, 256, 24, 64, 64},
                                                       {112, 144, 288, 32, 64, 64},
                                                       {256, 160, 320, 32, 128, 128},
                                                       {256, 160, 320, 32, 128, 128},
                                                       {384, 192, 384, 48, 128, 128}}};

  static Index at_least_one(Index classes) {
    require(classes > 0, "I3D has at least one class, not ", classes);
    return classes;
  }

  /// As many clips as have their largest array in what the device has for columns, which on a CPU is none.
  static Index clips_together(const Shape& x) {
    const Index largest = (x[0] + 1) / 2 * ((x[2] + 1) / 2) * ((x[3] + 1) / 2) * 64 * static_cast<Index>(sizeof(T));
    return std::clamp<Index>(D::columns_bytes / largest, 1, x[1]);
  }

  /// `[N, 1024]`: the average of `[T, N, 7, 7, 1024]` over 2x7x7, and over time.
  Tensor<T, D> pooled(const Tensor<T, D>& x) const {
    const Tensor<T, D> steps = AvgPool3D<T, D>({.kernel = {2, 7, 7}, .stride = 1}).forward(x, Pass::evaluate());
    const Index row = steps.extent(1) * dimensions;
    Tensor<T, D> mean(Shape{steps.extent(1), dimensions});
    D::sum_rows(1, steps.extent(0), row, steps.data(), row, mean.data(), false);
    D::scale(row, static_cast<T>(1 / static_cast<FullPrecision<T>>(steps.extent(0))), mean.data(), mean.data());
    return mean;
  }

  Index classes_;
  double epsilon_;
  I3dUnit<T, D> first_, second_, third_;
  std::vector<I3dMixed<T, D>> mixed_;
  I3dLogits<T, D> logits_;
};

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
