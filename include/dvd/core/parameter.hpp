// What a layer learns and what it remembers, and the one visitor over both.
//
// A layer with members has `template <class F> void visit(const std::string& prefix, F& f)`, which calls
// `f(prefix + name, parameter-or-buffer)` for all that it holds, in a fixed order. Optimizer, averaging, checkpoints
// and summaries are written on it.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <string>
#include <vector>

#include "dvd/core/device.hpp"
#include "dvd/core/tensor.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// Something that is learned: a value and, once a backward pass has run, the gradient of the loss. Layers of T hold
/// parameters and buffers of FullPrecision<T>: what changes a little at a time, over a long time, needs its digits.
template <Scalar T, DeviceMemory D = Cpu>
struct Parameter {
  Tensor<T, D> value;
  Tensor<T, D> gradient;

  Parameter() = default;
  explicit Parameter(Shape shape) : value(Tensor<T, D>::zeros(shape)) {}

  /// The gradient to add to; zeros at first.
  Tensor<T, D>& accumulator() {
    if (!gradient) gradient = Tensor<T, D>::zeros(value.shape());
    return gradient;
  }
};

/// Something that is remembered but not learned: a power iteration's u, running statistics.
template <Scalar T, DeviceMemory D = Cpu>
struct Buffer {
  Tensor<T, D> value;
};

template <class T, class D>
struct NamedParameter {
  std::string name;
  Parameter<T, D>* parameter;
};

template <class T, class D>
struct NamedBuffer {
  std::string name;
  Buffer<T, D>* buffer;
};

/// All that a layer or network holds, in the order of its `visit`. Points into the network: it must stay where it is.
template <Scalar T, DeviceMemory D = Cpu>
struct Contents {
  std::vector<NamedParameter<T, D>> parameters;
  std::vector<NamedBuffer<T, D>> buffers;

  void operator()(const std::string& name, Parameter<T, D>& parameter) { parameters.push_back({name, &parameter}); }
  void operator()(const std::string& name, Buffer<T, D>& buffer) { buffers.push_back({name, &buffer}); }

  /// Number of learned values.
  Index size() const {
    Index total = 0;
    for (const auto& [name, parameter] : parameters) total += parameter->value.size();
    return total;
  }

  /// Sets every gradient to zero.
  void clear_gradients() {
    std::vector<MutableArray<T>> gradients;
    for (auto& [name, parameter] : parameters)
      if (parameter->gradient) gradients.push_back({parameter->gradient.size(), parameter->gradient.data()});
    D::fill_arrays(gradients, T(0));
  }
};

/// The contents of `layer` under names that begin with `prefix`.
template <class Layer>
auto contents(Layer& layer, const std::string& prefix = "") {
  Contents<FullPrecision<typename Layer::scalar_type>, typename Layer::device_type> result;
  layer.visit(prefix, result);
  return result;
}

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
