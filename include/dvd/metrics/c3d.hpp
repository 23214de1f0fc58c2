// C3D, the network behind UCF-101's Inception Score: Tran et al., "Learning Spatiotemporal Features with 3D
// Convolutional Networks", ICCV 2015 (arXiv 1412.0767), as Chainer computes it for TGAN (Saito, Matsumoto, Saito, ICCV
// 2017). Forward only.
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
#include "dvd/metrics/frozen_convolution.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// C3D:
///
///     conv1a, pool1 (1x2x2), conv2a, pool2, conv3a, conv3b, pool3, conv4a, conv4b, pool4, conv5a, conv5b, pool5
///     (2x2x2), and linear maps fc6, fc7 and fc8
///
/// Convolutions are 3x3x3 with zero padding, bias and ReLU; fc6 and fc7 have a ReLU, fc8 gives the logits. Pools take
/// maxima and cover all of their input, as `ceil_mode` does, so that 7x7 pixels become 4x4. Parameters have Chainer's
/// names with dots, `conv1a.W`, `conv1a.b`, and its layouts: fc6 takes its 8192 inputs channel by channel, in each by
/// time, row and column. They are zeros until they are assigned. Visiting the network forgets what was made of them:
/// visit it to change weights, and again to change them once more.
///
/// On the CPU clips go through the convolutions one at a time, so that what is said of one does not depend on the
/// others, and memory is that of one: in float 700 MB, nearly all of it weights.
template <Scalar T, Device D = Cpu>
class C3d {
 public:
  using scalar_type = T;
  using device_type = D;
  using P = FullPrecision<T>;
  using View = ConstTensorView<T, D>;

  static constexpr Index dimensions = 4096;                   ///< of fc6 and fc7
  static constexpr Index least_frames = 9, most_frames = 16;  ///< that end in one
  static constexpr Index least_size = 97, most_size = 112;    ///< heights and widths that end in 4x4 pixels

  /// What the network says of N clips.
  struct Output {
    Tensor<T, D> fc6, fc7;  ///< `[N, 4096]`, after their ReLUs
    Tensor<T, D> fc8;       ///< `[N, classes]`: logits
  };

  /// Is shown the result of every convolution and pool, by the names above, some clips at a time.
  using Watch = std::function<void(std::string_view name, const View& result)>;

  /// Throws ArgumentError for less than one class.
  explicit C3d(Index classes = 101) : classes_(classes) {
    require(classes > 0, "C3D has at least one class, not ", classes);
    Index inputs = 3;
    for (const auto& [name, outputs, pool] : parts) {
      units_.push_back(Unit(name, inputs, outputs, {.kernel = 3, .padding = 1}, true));
      inputs = outputs;
    }
    units_.push_back(Unit("fc6", last_pixels * inputs, dimensions, {.kernel = 1}, true));
    units_.back().positions = last_pixels;
    units_.push_back(Unit("fc7", dimensions, dimensions, {.kernel = 1}, true));
    units_.push_back(Unit("fc8", dimensions, classes, {.kernel = 1}, false));
  }

  Index classes() const { return classes_; }

  /// Videos `[T, N, H, W, 3]`: BGR in 0 .. 255, less the mean clip. Throws ArgumentError unless there are 9 to 16
  /// frames and heights and widths are from 97 to 112, of which fc6 has what it takes.
  Output operator()(const View& x, const Watch& watch = {}) {
    const Shape& shape = x.shape();
    require(shape.rank() == 5 && shape.size() > 0 && shape[4] == 3,
            "C3D expects videos [T, N, H, W, 3] with no extent of 0, not ", shape);
    require(shape[0] >= least_frames && shape[0] <= most_frames, "C3D looks at clips of ", least_frames, " to ",
            most_frames, " frames, not of ", shape[0]);
    require(std::min(shape[2], shape[3]) >= least_size && std::max(shape[2], shape[3]) <= most_size,
            "C3D looks at heights and widths from ", least_size, " to ", most_size, ", not ", shape[2], "x", shape[3]);
    const Index clips = shape[1], together = clips_together(shape);
    Tensor<T, D> pooled(Shape{1, clips, 1, 1, units_[parts.size()].convolution.inputs()});
    const Index row = pooled.size() / clips;
    for (Index first = 0; first < clips; first += together) {
      const Index count = std::min(together, clips - first);
      const Tensor<T, D> last =
          convolved(count == clips ? x : View(detail::some_clips(x, first, count)), watch);  // [1, count, 4, 4, 512]
      D::copy_rows(1, 1, count * row, last.data(), 0, 0, pooled.data() + first * row, 0, 0);
    }
    const auto linear = [&](std::size_t i, const Tensor<T, D>& input) {
      return units_[parts.size() + i].run(input.reshaped({1, clips, 1, 1, input.size() / clips}));
    };
    const Tensor<T, D> fc6 = linear(0, pooled), fc7 = linear(1, fc6), fc8 = linear(2, fc7);
    const auto rows = [&](const Tensor<T, D>& y) { return y.reshaped({clips, y.size() / clips}).clone(); };
    return {rows(fc6), rows(fc7), rows(fc8)};
  }

  template <class F>
  void visit(const std::string& prefix, F& f) {
    for (Unit& unit : units_) {
      unit.convolution.forget();
      f(concat(prefix, unit.name, ".W"), unit.weight);
      f(concat(prefix, unit.name, ".b"), unit.bias);
    }
  }

 private:
  static constexpr Index last_pixels = 16;  ///< of pool5: 4x4

  /// A convolution, and the pool behind it or null.
  struct Part {
    const char* name;
    Index outputs;
    const char* pool;
  };
  static constexpr std::array<Part, 8> parts = {{{"conv1a", 64, "pool1"},
                                                 {"conv2a", 128, "pool2"},
                                                 {"conv3a", 256, nullptr},
                                                 {"conv3b", 256, "pool3"},
                                                 {"conv4a", 512, nullptr},
                                                 {"conv4b", 512, "pool4"},
                                                 {"conv5a", 512, nullptr},
                                                 {"conv5b", 512, "pool5"}}};

  /// A convolution or, with a kernel of 1 and vectors for pixels, a linear map.
  struct Unit {
    const char* name;
    FrozenConvolution<T, D> convolution;
    Parameter<P, D> weight, bias;
    Index positions = 1;  ///< see FrozenWeights

    Unit(const char* called, Index inputs, Index outputs, const ConvolutionOptions& options, bool rectify)
        : name(called),
          convolution(inputs, outputs, options, rectify),
          weight(convolution.taps() == 1 ? Shape{outputs, inputs} : convolution.weight_shape()),
          bias(Shape{outputs}) {}

    Tensor<T, D> run(const View& x) {
      return convolution.run(x, [&] { return FrozenWeights<T, D>{weight.value, bias.value, positions}; });
    }
  };

  /// As many clips as have their largest array in what the device has for columns, which on a CPU is none.
  static Index clips_together(const Shape& x) {
    const Index largest = x[0] * x[2] * x[3] * 64 * static_cast<Index>(sizeof(T));
    return std::clamp<Index>(D::columns_bytes / largest, 1, x[1]);
  }

  Tensor<T, D> convolved(const View& x, const Watch& watch) {
    View input = x;
    Tensor<T, D> y;
    for (std::size_t i = 0; i < parts.size(); ++i) {
      y = units_[i].run(input);
      if (watch) watch(parts[i].name, y);
      if (parts[i].pool) {
        const PerAxis windows = i == 0 ? PerAxis(1, 2, 2) : PerAxis(2);
        y = MaxPool3D<T, D>({.kernel = windows, .ceil_mode = true}).forward(y, Pass::evaluate());
        if (watch) watch(parts[i].pool, y);
      }
      input = y;
    }
    return y;
  }

  Index classes_;
  std::vector<Unit> units_;
};

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
