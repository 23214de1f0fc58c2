// The weight of a convolution in the form that its kernels read.
//
// Three methods compute a convolution, and what is fastest depends on sizes alone:
//
//   rows      1x1: one matrix product over all pixels;
//   direct    3x3 with few input channels (the first layer of a discriminator) or too few tiles: 9 multiplications an
//             output, straight from a band of the image;
//   winograd  every other 3x3: 2.25 multiplications an output, or 1.56 where outputs are pooled or inputs repeated; see
//             cpu/winograd_forms.hpp.
//
// A filter is the weight made ready for one of them, which takes time: one that is used for every frame is made once.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include "dvd/core/convolution.hpp"
#include "dvd/device/cpu/memory.hpp"
#include "dvd/device/cpu/parallel.hpp"
#include "dvd/device/cpu/product.hpp"
#include "dvd/device/cpu/transpose.hpp"
#include "dvd/device/cpu/winograd.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::cpu {

enum class Method { rows, direct, winograd, winograd_pooled, winograd_repeated };

/// Tiles of 4x4 pixels in a frame of the whole batch.
inline Index tiles_of(const ConvolutionSize& size) {
  const Index images = size.kernel_frames == 1 ? size.frames * size.batch : size.batch;
  return images * ((size.height + 3) / 4) * ((size.width + 3) / 4);
}

/// Winograd's multiplications are a quarter where whole tiles are needed, and more than the direct ones for images of
/// 2x2 pixels. Products of a few channels end when they have hardly begun. A few tiles use the
/// transformed weights too seldom to pay for their size, four times the plain ones', where no cache holds them: there
/// alone the method, and with it the rounding, depends on how many images there are.
inline Method method_for(const ConvolutionSize& size) {
  if (size.kernel == 1) return Method::rows;
  const Index computed = (size.height + 3) / 4 * ((size.width + 3) / 4) * winograd::points<winograd::Plain>;
  const bool saves = 2 * computed <= 9 * size.height * size.width;
  const bool fits = size.width <= 1024;  // a row of tiles is multiplied at once
  const bool pays = size.inputs * size.outputs <= 150'000 || tiles_of(size) >= 8;
  if (size.inputs < 8 || !saves || !fits || !pays) return Method::direct;
  if (size.pool) return Method::winograd_pooled;
  return size.upsample == Upsampling::nearest ? Method::winograd_repeated : Method::winograd;
}

/// Matrices of a kernel's frame: one a point.
inline Index points_of(Method method) {
  switch (method) {
    case Method::winograd:
      return winograd::points<winograd::Plain>;
    case Method::winograd_pooled:
      return winograd::points<winograd::Pooled>;
    case Method::winograd_repeated:
      return winograd::points<winograd::Repeated>;
    default:
      return 1;
  }
}

/// A weight made ready; as long as it lives, it may be used for any number of convolutions of its channels and method.
template <class T>
class Filter {
 public:
  using value_type = T;

  /// Makes `weight` [frames, taps of a frame, inputs, outputs] ready. What a frame of the kernel becomes are matrices
  /// [panels, depth, panel_width], one after the other: one of the depth of all taps or, for winograd, one a point.
  Filter(Method method, Index frames, Index inputs, Index outputs, const T* weight)
      : method_(method),
        frames_(frames),
        matrices_(points_of(method)),
        depth_(method == Method::direct ? 9 * inputs : inputs),
        outputs_(outputs),
        panel_width_(std::min(outputs, panel_columns<T>)),
        values_(frames_ * matrices_ * matrix()) {
    if (method == Method::winograd)
      transform<winograd::Plain>(weight);
    else if (method == Method::winograd_pooled)
      transform<winograd::Pooled>(weight);
    else if (method == Method::winograd_repeated)
      transform<winograd::Repeated>(weight);
    else
      copy_panels(weight);
  }

  Method method() const { return method_; }

  /// Whether it is the filter, of the same weight, for a convolution of this size as well.
  bool fits(const ConvolutionSize& size) const {
    return method_ == method_for(size) && frames_ == size.kernel_frames + size.pool_frames - 1;
  }

  /// Distance between panels and between the matrices of points.
  Index panel() const { return depth_ * panel_width_; }
  Index matrix() const {
    // A line more where there are several: powers of two apart they would share few places in the cache.
    constexpr Index line = 64 / static_cast<Index>(sizeof(T));
    return (outputs_ + panel_width_ - 1) / panel_width_ * panel() + (matrices_ > 1 ? line : 0);
  }
  Index panel_width() const { return panel_width_; }

  /// The matrices of one frame of the kernel, from output `first` on, which must begin a panel.
  const T* frame(Index tap, Index first = 0) const {
    return values_.data() + tap * matrices_ * matrix() + first / panel_columns<T> * panel();
  }

 private:
  template <class Form>
  void transform(const T* weight) {
    // A panel's inputs one after the other, so that every point's matrix is written in order.
    const Index panels = (outputs_ + panel_width_ - 1) / panel_width_, all = frames_ * panels * depth_;
    parallel_chunks(all, std::clamp<Index>(2048 / panel_width_, 1, depth_), [&](Index begin, Index end) {
      for (Index i = begin; i < end; ++i) {
        const Index tap = i / (panels * depth_), column = i / depth_ % panels * panel_width_, input = i % depth_;
        winograd::transform_weight<Form, 3>(std::min(panel_width_, outputs_ - column),
                                            weight + (tap * 9 * depth_ + input) * outputs_ + column, depth_ * outputs_,
                                            place(tap, 0, input, column), matrix());
      }
    });
  }

  void copy_panels(const T* weight) {
    parallel_chunks(frames_ * matrices_ * depth_, std::max<Index>(1, 8192 / outputs_), [&](Index begin, Index end) {
      for (Index i = begin; i < end; ++i)
        for (Index column = 0; column < outputs_; column += panel_width_)
          std::memcpy(place(0, i / depth_, i % depth_, column), weight + i * outputs_ + column,
                      static_cast<std::size_t>(std::min(panel_width_, outputs_ - column)) * sizeof(T));
    });
  }

  T* place(Index tap, Index index, Index input, Index column) const {
    return values_.data() + (tap * matrices_ + index) * matrix() + column / panel_width_ * panel() +
           input * panel_width_;
  }

  Method method_;
  Index frames_, matrices_, depth_, outputs_, panel_width_;
  Scratch<T> values_;
};

/// mirrored = factor * weight, [taps, inputs, outputs] -> [taps in reverse, outputs, inputs]: what turns the gradient
/// of a convolution's outputs into that of its inputs.
template <class T>
void mirror_weight(Index taps, Index inputs, Index outputs, T factor, const T* weight, T* mirrored) {
  constexpr Index some = 16;  // inputs
  const Index across = (inputs + some - 1) / some;
  parallel_chunks(taps * across, std::max<Index>(1, 8192 / (some * outputs)), [=](Index begin, Index end) {
    for (Index task = begin; task < end; ++task) {
      const Index tap = task / across, first = task % across * some;
      T* const to = mirrored + (taps - 1 - tap) * inputs * outputs + first;
      for_columns<T>(
          std::min(some, inputs - first), outputs,
          [=](Index input) { return weight + (tap * inputs + first + input) * outputs; },
          [=](Index output, Index input, const auto& values)
              __attribute__((always_inline)) { store(to + output * inputs + input, values * factor); });
    }
  });
}

}  // namespace dvd::cpu

#include "dvd/core/macros_end.hpp"
