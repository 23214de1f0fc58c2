// Pointwise nonlinearities.
#pragma once

#include "dvd/layers/layer.hpp"

namespace dvd {

/// y = max(x, 0), for any shape.
template <Scalar T, Device D = Cpu>
class ReLU {
 public:
  using scalar_type = T;
  using device_type = D;

  struct Cache {
    Tensor<T, D> y;
  };

  Tensor<T, D> forward(const Tensor<T, D>& x, Pass, Cache* cache = nullptr) const {
    Tensor<T, D> y(x.shape());
    D::relu(x.size(), x.data(), y.data());
    if (cache) cache->y = y;
    return y;
  }

  Tensor<T, D> backward(const Tensor<T, D>& dy, const Cache& cache, Gradients gradients) const {
    if (!wants_inputs(gradients)) return {};
    Tensor<T, D> dx(dy.shape());
    D::relu_backward(dy.size(), cache.y.data(), dy.data(), dx.data());
    return dx;
  }

  template <class F>
  void visit(const std::string&, F&) {}
};

/// y = 1 / (1 + exp(-x)), for any shape.
template <Scalar T, Device D = Cpu>
class Sigmoid {
 public:
  using scalar_type = T;
  using device_type = D;

  struct Cache {
    Tensor<T, D> y;
  };

  Tensor<T, D> forward(const Tensor<T, D>& x, Pass, Cache* cache = nullptr) const {
    Tensor<T, D> y(x.shape());
    D::sigmoid(x.size(), x.data(), y.data());
    if (cache) cache->y = y;
    return y;
  }

  Tensor<T, D> backward(const Tensor<T, D>& dy, const Cache& cache, Gradients gradients) const {
    if (!wants_inputs(gradients)) return {};
    Tensor<T, D> dx(dy.shape());
    D::sigmoid_backward(dy.size(), cache.y.data(), dy.data(), dx.data());
    return dx;
  }

  template <class F>
  void visit(const std::string&, F&) {}
};

/// y = tanh(x), for any shape.
template <Scalar T, Device D = Cpu>
class Tanh {
 public:
  using scalar_type = T;
  using device_type = D;

  struct Cache {
    Tensor<T, D> y;
  };

  Tensor<T, D> forward(const Tensor<T, D>& x, Pass, Cache* cache = nullptr) const {
    Tensor<T, D> y(x.shape());
    D::tanh(x.size(), x.data(), y.data());
    if (cache) cache->y = y;
    return y;
  }

  Tensor<T, D> backward(const Tensor<T, D>& dy, const Cache& cache, Gradients gradients) const {
    if (!wants_inputs(gradients)) return {};
    Tensor<T, D> dx(dy.shape());
    D::tanh_backward(dy.size(), cache.y.data(), dy.data(), dx.data());
    return dx;
  }

  template <class F>
  void visit(const std::string&, F&) {}
};

static_assert(Layer<ReLU<float>> && Layer<Sigmoid<float>> && Layer<Tanh<float>>);

}  // namespace dvd
