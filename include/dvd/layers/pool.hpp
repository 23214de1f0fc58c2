// Pooling of images and of videos over windows of any size. The fast averages of 2x2 pixels are in layers/avg_pool.hpp.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include "dvd/layers/layer.hpp"
#include "dvd/layers/window_options.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// What pooling slides over its input, channel by channel. n positions of an axis become
/// floor((n + 2 * padding - kernel) / stride) + 1 or, with `same_padding`, ceil(n / stride). As in PyTorch, the stride
/// is the kernel's size unless it is given, and the padding at most half of the kernel, so that every window sees
/// something.
///
/// With `ceil_mode`, as PyTorch's `ceil_mode` and Chainer's `cover_all`, the quotient is rounded up: an end that is too
/// short for a whole window gets one, too, unless that would begin behind the input, in the padding. What it has too
/// few of is as padding, which an average then does not count; `same_padding` covers all ends as it is.
///
///     MaxPool2D<float> overlapping({.kernel = 3, .stride = 2, .padding = 1});
struct PoolOptions {
  PerAxis kernel = 2;
  PerAxis stride = {};  ///< none: the kernel's size
  Padding padding = 0;
  bool ceil_mode = false;
};

namespace detail {

/// Throws ArgumentError for numbers that make no windows, or some that see padding alone.
inline WindowOptions pool_windows(const char* layer, int dimensions, const PoolOptions& options) {
  WindowOptions windows(layer, dimensions, options.kernel, options.stride.empty() ? options.kernel : options.stride,
                        options.padding, 1, options.ceil_mode);
  for (const WindowAxis& axis : windows.axes())
    require(axis.padding <= axis.kernel / 2, layer, "'s padding is at most half of its kernel of ", axis.kernel,
            ", not ", axis.padding);
  return windows;
}

}  // namespace detail

/// The largest value of every window: y[o, c] = max over taps k of x[o * stride + k - padding, c]; padding counts as
/// less than any number. The gradient goes to the first of equal ones. What is no number is larger than all, so that it
/// does not hide. MaxPool2D maps `[..., H, W, C]` to `[..., H', W', C]`, MaxPool3D `[T, N, H, W, C]` to
/// `[T', N, H', W', C]`. Throws ArgumentError for numbers that make no windows and inputs with no room for one.
template <int Dimensions, Scalar T, Device D = Cpu>
requires(Dimensions == 2 || Dimensions == 3) class MaxPool {
 public:
  using scalar_type = T;
  using device_type = D;
  using View = ConstTensorView<T, D>;

  static constexpr const char* name = "max pooling";  ///< for messages

  struct Cache {
    View x;
  };

  explicit MaxPool(const PoolOptions& options) : windows_(detail::pool_windows(name, Dimensions, options)) {}

  Tensor<T, D> forward(const View& x, Pass, Cache* cache = nullptr) const {
    const WindowSize size = windows_.over(x.shape(), 0);
    Tensor<T, D> y(windows_.windows(x.shape(), size, size.channels));
    D::max_windows(size, x.data(), y.data());
    if (cache) cache->x = x;
    return y;
  }

  /// The gradient of x, empty unless wanted.
  Tensor<T, D> backward(const View& dy, const Cache& cache, Gradients gradients) const {
    check_filled(name, cache.x);
    const Shape& shape = cache.x.shape();
    const WindowSize size = windows_.over(shape, 0);
    check_gradient(name, dy, windows_.windows(shape, size, size.channels));
    if (!wants_inputs(gradients)) return {};
    Tensor<T, D> dx(shape);
    D::max_windows_backward(size, cache.x.data(), dy.data(), dx.data());
    return dx;
  }

  template <class F>
  void visit(const std::string&, F&) {}

 private:
  WindowOptions windows_;
};

/// The average of every window: y[o, c] = sum over taps k of x[o * stride + k - padding, c], x being 0 outside, divided
/// by the number of taps or, unless `count_padding`, of those inside. (PyTorch counts the padding unless
/// `count_include_pad` is false; TensorFlow never does.) AvgPool2D maps `[..., H, W, C]` to `[..., H', W', C]`,
/// AvgPool3D `[T, N, H, W, C]` to `[T', N, H', W', C]`. Throws ArgumentError for numbers that make no windows and
/// inputs with no room for one.
template <int Dimensions, Scalar T, Device D = Cpu>
requires(Dimensions == 2 || Dimensions == 3) class AveragePool {
 public:
  using scalar_type = T;
  using device_type = D;
  using View = ConstTensorView<T, D>;

  static constexpr const char* name = "average pooling";  ///< for messages

  struct Cache {
    Shape shape;  ///< of x
  };

  explicit AveragePool(const PoolOptions& options, bool count_padding = true)
      : windows_(detail::pool_windows(name, Dimensions, options)), count_padding_(count_padding) {}

  Tensor<T, D> forward(const View& x, Pass, Cache* cache = nullptr) const {
    const WindowSize size = windows_.over(x.shape(), 0);
    Tensor<T, D> y(windows_.windows(x.shape(), size, size.channels));
    D::average_windows(size, count_padding_, x.data(), y.data());
    if (cache) cache->shape = x.shape();
    return y;
  }

  /// The gradient of x, empty unless wanted.
  Tensor<T, D> backward(const View& dy, const Cache& cache, Gradients gradients) const {
    require(cache.shape.rank() > 0, "the backward pass of ", name, " got a cache that no forward pass has filled");
    const WindowSize size = windows_.over(cache.shape, 0);
    check_gradient(name, dy, windows_.windows(cache.shape, size, size.channels));
    if (!wants_inputs(gradients)) return {};
    Tensor<T, D> dx(cache.shape);
    D::average_windows_backward(size, count_padding_, dy.data(), dx.data());
    return dx;
  }

  template <class F>
  void visit(const std::string&, F&) {}

 private:
  WindowOptions windows_;
  bool count_padding_;
};

/// Over images.
template <Scalar T, Device D = Cpu>
using MaxPool2D = MaxPool<2, T, D>;
template <Scalar T, Device D = Cpu>
using AvgPool2D = AveragePool<2, T, D>;

/// Over the frames of videos.
template <Scalar T, Device D = Cpu>
using MaxPool3D = MaxPool<3, T, D>;
template <Scalar T, Device D = Cpu>
using AvgPool3D = AveragePool<3, T, D>;

static_assert(Layer<MaxPool2D<float>> && Layer<MaxPool3D<float>> && Layer<AvgPool2D<float>> && Layer<AvgPool3D<float>>);

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
