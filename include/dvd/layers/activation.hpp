// Pointwise nonlinearities.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include "dvd/layers/layer.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// A function of every element on its own, for any shape, whose derivative can be told from its result. `Function`
/// names the device's kernels; see the aliases ReLU, Sigmoid and Tanh. Throws ArgumentError for an empty x.
template <class Function, Scalar T, Device D = Cpu>
class Activation {
 public:
  using scalar_type = T;
  using device_type = D;
  using View = ConstTensorView<T, D>;

  struct Cache {
    View y;
  };

  Tensor<T, D> forward(const View& x, Pass, Cache* cache = nullptr) const {
    require(bool{x}, Function::name, " expects a tensor, not an empty one");
    Tensor<T, D> y(x.shape());
    Function::template forward<D>(x.size(), x.data(), y.data());
    if (cache) cache->y = y;
    return y;
  }

  /// The gradient of x, empty unless wanted.
  Tensor<T, D> backward(const View& dy, const Cache& cache, Gradients gradients) const {
    check_filled(Function::name, cache.y);
    check_gradient(Function::name, dy, cache.y.shape());
    if (!wants_inputs(gradients)) return {};
    Tensor<T, D> dx(dy.shape());
    Function::template backward<D>(dy.size(), cache.y.data(), dy.data(), dx.data());
    return dx;
  }

  template <class F>
  void visit(const std::string&, F&) {}
};

namespace detail {

struct ReLUKernels {
  static constexpr const char* name = "a ReLU";
  template <class D, class T>
  static void forward(Index size, const T* x, T* y) {
    D::relu(size, x, y);
  }
  template <class D, class T>
  static void backward(Index size, const T* y, const T* dy, T* dx) {
    D::relu_backward(size, y, dy, dx);
  }
};

struct SigmoidKernels {
  static constexpr const char* name = "a sigmoid";
  template <class D, class T>
  static void forward(Index size, const T* x, T* y) {
    D::sigmoid(size, x, y);
  }
  template <class D, class T>
  static void backward(Index size, const T* y, const T* dy, T* dx) {
    D::sigmoid_backward(size, y, dy, dx);
  }
};

struct TanhKernels {
  static constexpr const char* name = "a tanh";
  template <class D, class T>
  static void forward(Index size, const T* x, T* y) {
    D::tanh(size, x, y);
  }
  template <class D, class T>
  static void backward(Index size, const T* y, const T* dy, T* dx) {
    D::tanh_backward(size, y, dy, dx);
  }
};

}  // namespace detail

/// y = max(x, 0)
template <Scalar T, Device D = Cpu>
using ReLU = Activation<detail::ReLUKernels, T, D>;

/// y = 1 / (1 + exp(-x))
template <Scalar T, Device D = Cpu>
using Sigmoid = Activation<detail::SigmoidKernels, T, D>;

/// y = tanh(x)
template <Scalar T, Device D = Cpu>
using Tanh = Activation<detail::TanhKernels, T, D>;

static_assert(Layer<ReLU<float>> && Layer<Sigmoid<float>> && Layer<Tanh<float>>);

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
