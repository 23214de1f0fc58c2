// How windows are described to layers: kernels, strides, paddings and dilations for each axis, and what follows from
// them for an input.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <array>

#include "dvd/core/windows.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// A number for each axis that windows slide along: one for all of them, or height and width, or time, height and
/// width.
class PerAxis {
 public:
  constexpr PerAxis() = default;  ///< none
  // Not explicit: `.kernel = 4` is to be a kernel.
  constexpr PerAxis(Index all) : values_{all, all, all}, count_(1) {}
  constexpr PerAxis(Index height, Index width) : values_{0, height, width}, count_(2) {}
  constexpr PerAxis(Index time, Index height, Index width) : values_{time, height, width}, count_(3) {}

  constexpr bool empty() const { return count_ == 0; }

  /// Those of time, height and width; in two dimensions, time's is `time`. Throws ArgumentError where their number does
  /// not fit, and for what is not within `least` .. `most`.
  std::array<Index, 3> values(const char* what, int dimensions, Index time, Index least,
                              Index most = Index{1} << 20) const {
    require(count_ == 1 || count_ == dimensions, what, " in ", dimensions, " dimensions: one number or ", dimensions,
            " are expected, not ", count_);
    std::array<Index, 3> all = values_;
    if (dimensions == 2) all[0] = time;
    for (std::size_t axis = dimensions == 2 ? 1 : 0; axis < 3; ++axis)
      require(all[axis] >= least && all[axis] <= most, what, " is ", least, " to ", most, ", not ", all[axis]);
    return all;
  }

 private:
  std::array<Index, 3> values_{};
  int count_ = 0;
};

/// As much padding as there must be for ceil(extent / stride) windows along each axis, as TensorFlow's "SAME" has it:
/// half of it before and half behind, the odd one behind.
struct SamePadding {};
inline constexpr SamePadding same_padding;

/// Zeros around the input: as many at both ends of an axis, or `same_padding`.
class Padding : public PerAxis {
 public:
  using PerAxis::PerAxis;
  constexpr Padding(SamePadding) : PerAxis(0), same_(true) {}

  constexpr bool same() const { return same_; }

 private:
  bool same_ = false;
};

/// The windows that options describe, over inputs of any size: `[..., H, W, C]` in two dimensions, where all leading
/// axes are images, and `[T, N, H, W, C]` in three.
class WindowOptions {
 public:
  /// `layer` is for messages. Throws ArgumentError for numbers that make no windows.
  /// With `ceil_mode` an end that is too short for a window gets one, too, if it begins in front of the padding behind.
  WindowOptions(const char* layer, int dimensions, const PerAxis& kernel, const PerAxis& stride, const Padding& padding,
                const PerAxis& dilation, bool ceil_mode = false)
      : layer_(layer), dimensions_(dimensions), same_(padding.same()), ceil_mode_(ceil_mode) {
    const auto kernels = kernel.values("a kernel", dimensions, 1, 1),
               strides = stride.values("a stride", dimensions, 1, 1),
               paddings = padding.values("a padding", dimensions, 0, 0),
               dilations = dilation.values("a dilation", dimensions, 1, 1);
    for (std::size_t i = 0; i < 3; ++i) {
      axes_[i].kernel = kernels[i];
      axes_[i].stride = strides[i];
      axes_[i].padding = paddings[i];
      axes_[i].dilation = dilations[i];
    }
    constexpr Index most = Index{1} << 30;
    require(kernels[1] * kernels[2] <= most && kernels[0] <= most / (kernels[1] * kernels[2]), layer,
            "'s kernel has at most 2^30 elements, not ", kernels[0], "x", kernels[1], "x", kernels[2]);
  }

  const char* layer() const { return layer_; }
  int dimensions() const { return dimensions_; }
  bool same() const { return same_; }
  /// Time, height and width; inputs and outputs are not known yet.
  const std::array<WindowAxis, 3>& axes() const { return axes_; }

  /// The kernel as the last axes of a weight.
  void append_kernel(Shape& shape) const {
    for (const WindowAxis& axis : axes_)
      if (dimensions_ == 3 || &axis != &axes_[0]) shape.append(axis.kernel);
  }

  /// The windows over an input of `channels` channels, or of any number, 0. Throws ArgumentError unless its shape fits
  /// and has room for one.
  WindowSize over(const Shape& x, Index channels) const {
    WindowSize size = sizes(x, channels);
    for (WindowAxis* axis : {&size.time, &size.height, &size.width}) {
      const Index extent = (axis->kernel - 1) * axis->dilation + 1;
      if (same_) {
        axis->outputs = (axis->inputs + axis->stride - 1) / axis->stride;
        axis->padding = std::max<Index>((axis->outputs - 1) * axis->stride + extent - axis->inputs, 0) / 2;
      } else {
        const Index room = axis->inputs + 2 * axis->padding - extent;
        const Index most = ceil_mode_ ? room + axis->stride - 1 : room;  // where the last window may begin
        require(most >= 0, layer_, "'s kernel reaches over ", extent, " positions, more than the ", axis->inputs,
                " of an axis of ", x, " with ", axis->padding, " of padding at both ends");
        axis->outputs = most / axis->stride + 1;
        if (ceil_mode_ && (axis->outputs - 1) * axis->stride >= axis->inputs + axis->padding) --axis->outputs;
        axis->overhang = std::max<Index>((axis->outputs - 1) * axis->stride - room, 0);
      }
    }
    return size;
  }

  /// What has this many frames, rows, columns and channels and is otherwise as x.
  Shape resized(const Shape& x, Index frames, Index height, Index width, Index channels) const {
    Shape result;
    if (dimensions_ == 3)
      result = {frames, x[1]};
    else
      for (int axis = 0; axis + 3 < x.rank(); ++axis) result.append(x[axis]);
    result.append(height);
    result.append(width);
    result.append(channels);
    return result;
  }
  /// The same, of windows.
  Shape windows(const Shape& x, const WindowSize& size, Index channels) const {
    return resized(x, size.time.outputs, size.height.outputs, size.width.outputs, channels);
  }

  /// An input's batch, channels and extents, the windows' number being open.
  WindowSize sizes(const Shape& x, Index channels) const {
    const bool fits = (dimensions_ == 2 ? x.rank() >= 3 : x.rank() == 5) && x.size() > 0;
    const std::string wanted = channels > 0 ? concat(channels) : "C";
    require(fits && (channels == 0 || x[-1] == channels), layer_, " expects an input ",
            dimensions_ == 2 ? "[..., H, W, " : "[T, N, H, W, ", wanted, "] with no extent of 0, not ", x);
    const Index frames = dimensions_ == 2 ? 1 : x[0];
    WindowSize size{x.size() / (frames * x[-3] * x[-2] * x[-1]), x[-1], axes_[0], axes_[1], axes_[2]};
    size.time.inputs = frames;
    size.height.inputs = x[-3];
    size.width.inputs = x[-2];
    return size;
  }

 private:
  const char* layer_;
  int dimensions_;
  bool same_, ceil_mode_;
  std::array<WindowAxis, 3> axes_;
};

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
