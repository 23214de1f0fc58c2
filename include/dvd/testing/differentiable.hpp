// A network under test, and what it is given: generic weights, inputs, power iterations that have ended.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstring>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "dvd/core/parameter.hpp"
#include "dvd/core/random.hpp"
#include "dvd/device/cpu.hpp"
#include "dvd/layers/layer.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::testing {

/// A network under test, of any number of inputs. Its parameters and buffers are changed in place.
struct Differentiable {
  std::vector<Tensor<double>> inputs;
  Contents<double> contents;
  /// The result for some inputs; if `keep`, remembers what `backward` needs.
  std::function<Tensor<double>(const std::vector<Tensor<double>>& inputs, Pass, bool keep)> forward;
  /// The gradients of the inputs, after the forward pass that was remembered last.
  std::function<std::vector<Tensor<double>>(const Tensor<double>& dy, Gradients)> backward;
  bool empty_unless_wanted = true;  ///< whether the inputs' gradients are, as layers promise
};

/// A layer with its input. Refers to `layer`.
template <Layer L>
requires std::same_as<typename L::scalar_type, double> Differentiable differentiable(L& layer,
                                                                                     const ConstTensorView<double>& x) {
  const auto cache = std::make_shared<typename L::Cache>();
  return {{x.clone()},
          contents(layer),
          [&layer, cache](const std::vector<Tensor<double>>& inputs, Pass pass, bool keep) {
            return layer.forward(inputs[0], pass, keep ? cache.get() : nullptr);
          },
          [&layer, cache](const Tensor<double>& dy, Gradients gradients) {
            return std::vector{layer.backward(dy, *cache, gradients)};
          }};
}

/// Normally distributed, a function of the stream alone.
inline Tensor<double> random_tensor(const Shape& shape, const Random& random, double scale = 1) {
  Tensor<double> result(shape);
  Cpu::random_normal(result.size(), random, scale, result.data());
  return result;
}

/// Whether two tensors have the same shape and bits, or are both empty.
inline bool same_bits(const ConstTensorView<double>& a, const ConstTensorView<double>& b) {
  return bool{a} == bool{b} && a.shape() == b.shape() &&
         (a.size() == 0 || std::memcmp(a.data(), b.data(), static_cast<std::size_t>(a.size()) * sizeof(double)) == 0);
}

/// The largest absolute value; infinite where there is one that is no number.
inline double largest(const ConstTensorView<double>& x) {
  double result = 0;
  for (Index i = 0; i < x.size(); ++i)
    result =
        std::isnan(x.data()[i]) ? std::numeric_limits<double>::infinity() : std::max(result, std::abs(x.data()[i]));
  return result;
}

/// Generic values: at the orthogonal weights and zero biases that layers start with, some mistakes would not show.
inline void randomize(Contents<double>& contents, const Random& random) {
  for (std::size_t i = 0; i < contents.parameters.size(); ++i) {
    Tensor<double>& value = contents.parameters[i].parameter->value;
    const Index fan = value.size() / value.extent(0);
    const double scale = value.shape().rank() > 1 ? 1.5 / std::sqrt(static_cast<double>(fan)) : 0.2;
    value.copy_from(random_tensor(value.shape(), random.stream(i), scale));
  }
  for (auto& [name, buffer] : contents.buffers)
    if (name.ends_with("running_mean"))
      buffer->value.copy_from(random_tensor(buffer->value.shape(), random.stream(name), 0.3));
    else if (name.ends_with("running_var"))
      Cpu::random_uniform(buffer->value.size(), random.stream(name), 0.5, 2.0, buffer->value.data());
}

/// Runs every power iteration to its end. The gradient of sigma = u^T W v holds u and v constant. That is the whole
/// gradient where sigma is stationary in them, and for a pass that moves u this means at the singular vectors.
inline void converge(Contents<double>& contents) {
  for (auto& [name, buffer] : contents.buffers) {
    if (!name.ends_with("u")) continue;
    const std::string weight_name = name.substr(0, name.size() - 1) + "weight";
    for (auto& [other, parameter] : contents.parameters) {
      if (other != weight_name) continue;
      Tensor<double>& u = buffer->value;
      const Tensor<double>& weight = parameter->value;
      const Index rows = weight.extent(0), columns = weight.size() / rows;
      Tensor<double> v(Shape{columns}), sigma(Shape{1});
      for (int i = 0; i < 20000; ++i) {
        const Tensor<double> before = u;
        Cpu::power_iterations<double>({{rows, columns, weight.data(), u.data(), v.data(), sigma.data()}}, true);
        double moved = 0;
        for (Index k = 0; k < rows; ++k) moved = std::max(moved, std::abs(before.data()[k] - u.data()[k]));
        if (moved < 1e-14) break;
      }
    }
  }
}

}  // namespace dvd::testing

#include "dvd/core/macros_end.hpp"
