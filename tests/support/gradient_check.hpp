// Gradients against central differences, in double, and the promises every backward pass makes.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "dvd/core/parameter.hpp"
#include "dvd/device/cpu.hpp"

namespace dvd::testing {

using Doubles = Tensor<double>;

// A network under test. Inputs and parameters are changed in place; `forward(pass, keep)` returns y and, if `keep`,
// remembers what `backward(dy, gradients)` needs, which returns the gradients of the inputs.
struct Differentiable {
  std::vector<Doubles> inputs;
  Contents<double> contents;
  std::function<Doubles(Pass, bool)> forward;
  std::function<std::vector<Doubles>(const Doubles&, Gradients)> backward;
  bool empty_unless_wanted = true;  // whether inputs' gradients are, as layers promise
};

// A layer from one tensor to one tensor. Refers to `layer`.
template <class L>
Differentiable differentiable(L& layer, const Doubles& x) {
  const auto cache = std::make_shared<typename L::Cache>();
  return {{x},
          contents(layer),
          [&layer, cache, x](Pass pass, bool keep) { return layer.forward(x, pass, keep ? cache.get() : nullptr); },
          [&layer, cache](const Doubles& dy, Gradients gradients) {
            return std::vector{layer.backward(dy, *cache, gradients)};
          }};
}

inline Doubles random_tensor(Shape shape, const Random& random, double scale = 1) {
  Doubles result(shape);
  Cpu::random_normal(result.size(), random, scale, result.data());
  return result;
}

// Generic values: at the orthogonal weights and zero biases that layers start with, some mistakes would not show.
inline void randomize(Contents<double>& contents, const Random& random) {
  for (std::size_t i = 0; i < contents.parameters.size(); ++i) {
    Doubles& value = contents.parameters[i].parameter->value;
    const double fan = static_cast<double>(value.size() / value.extent(0));
    const double scale = value.shape().rank() > 1 ? 1.5 / std::sqrt(fan) : 0.2;
    value.copy_from(random_tensor(value.shape(), random.stream(i), scale));
  }
  for (auto& [name, buffer] : contents.buffers)
    if (name.ends_with("running_mean"))
      buffer->value.copy_from(random_tensor(buffer->value.shape(), random.stream(name), 0.3));
    else if (name.ends_with("running_var"))
      Cpu::random_uniform(buffer->value.size(), random.stream(name), 0.5, 2.0, buffer->value.data());
}

// Runs every power iteration to its end. The gradient of sigma = u^T W v holds u and v constant. That is the whole
// gradient where sigma is stationary in them, and for a pass that moves u this means at the singular vectors.
inline void converge(Contents<double>& contents) {
  for (auto& [name, buffer] : contents.buffers) {
    if (!name.ends_with("u")) continue;
    const std::string weight_name = name.substr(0, name.size() - 1) + "weight";
    for (auto& [other, parameter] : contents.parameters) {
      if (other != weight_name) continue;
      const Doubles& weight = parameter->value;
      const Index rows = weight.extent(0), columns = weight.size() / rows;
      Doubles v(Shape{columns}), sigma(Shape{1});
      for (int i = 0; i < 20000; ++i) {
        const Doubles before = buffer->value.clone();
        Cpu::power_iterations<double>({{rows, columns, weight.data(), buffer->value.data(), v.data(), sigma.data()}},
                                      true);
        double moved = 0;
        for (Index k = 0; k < rows; ++k) moved = std::max(moved, std::abs(before.data()[k] - buffer->value.data()[k]));
        if (moved < 1e-14) break;
      }
    }
  }
}

inline bool same_bits(const Doubles& a, const Doubles& b) {
  if (!a || !b) return !a && !b;
  return a.shape() == b.shape() &&
         std::memcmp(a.data(), b.data(), static_cast<std::size_t>(a.size()) * sizeof(double)) == 0;
}

inline double largest(const Doubles& x) {
  double result = 0;
  for (Index i = 0; i < x.size(); ++i) result = std::max(result, std::abs(x.data()[i]));
  return result;
}

// The check itself: of up to `samples` elements of every input and parameter.
class GradientCheck {
 public:
  // Of the largest gradient of the tensor (or a thousandth of the largest at all: some gradients are 0).
  static constexpr double tolerance = 2e-7;

  GradientCheck(std::string name, Differentiable network, Pass pass, int samples = 24)
      : name_(std::move(name)), network_(std::move(network)), pass_(pass), samples_(samples) {
    for (auto& [buffer_name, buffer] : network_.contents.buffers) buffers_.push_back(buffer->value.clone());
    for (auto& [parameter_name, parameter] : network_.contents.parameters) parameter->gradient = {};
    const Doubles y = forward(true);
    upstream_ = random_tensor(y.shape(), Random(99));
    CHECK_MESSAGE(same_bits(y, forward(false)), name_, ": a pass without a cache gives another result");
    restore();
    network_.forward(pass_, true);  // the cache that backward passes use from here on
    check_promises();
    check_differences();
  }

 private:
  Doubles forward(bool keep) {
    restore();
    return network_.forward(pass_, keep);
  }

  void restore() {
    for (std::size_t i = 0; i < buffers_.size(); ++i) network_.contents.buffers[i].buffer->value.copy_from(buffers_[i]);
  }

  // Gradients of parameters are added to what is there, those of inputs are fresh, what is not asked for is not
  // touched, and nothing that goes in is changed. Leaves the gradients behind.
  void check_promises() {
    auto& parameters = network_.contents.parameters;
    std::vector<Doubles> inputs;
    for (const Doubles& input : network_.inputs) inputs.push_back(input.clone());
    const Doubles upstream = upstream_.clone();

    input_gradients_ = network_.backward(upstream_, Gradients::all);
    std::vector<Doubles> priors;
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      Parameter<double>& parameter = *parameters[i].parameter;
      REQUIRE_MESSAGE(parameter.gradient, name_, ": no gradient of ", parameters[i].name);
      parameter_gradients_.push_back(parameter.gradient.clone());
      priors.push_back(random_tensor(parameter.value.shape(), Random(7).stream(i)));
      parameter.gradient = priors.back().clone();
    }

    const std::vector<Doubles> again = network_.backward(upstream_, Gradients::inputs);
    for (std::size_t i = 0; i < again.size(); ++i)
      CHECK_MESSAGE(same_bits(again[i], input_gradients_[i]), name_, ": other gradient of input ", i,
                    " without the parameters'");
    for (std::size_t i = 0; i < parameters.size(); ++i)
      CHECK_MESSAGE(same_bits(parameters[i].parameter->gradient, priors[i]), name_, ": gradient of ",
                    parameters[i].name, " changed though only the inputs' were asked for");

    const std::vector<Doubles> unwanted = network_.backward(upstream_, Gradients::parameters);
    if (network_.empty_unless_wanted)
      for (const Doubles& gradient : unwanted)
        CHECK_MESSAGE(!gradient, name_, ": an input's gradient though only the parameters' were asked for");
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      const Doubles& sum = parameters[i].parameter->gradient;
      double difference = 0;
      for (Index k = 0; k < sum.size(); ++k)
        difference =
            std::max(difference, std::abs(sum.data()[k] - priors[i].data()[k] - parameter_gradients_[i].data()[k]));
      CHECK_MESSAGE(difference <= 1e-12 * (largest(priors[i]) + largest(parameter_gradients_[i])), name_,
                    ": gradient of ", parameters[i].name, " is not added");
    }

    CHECK_MESSAGE(same_bits(upstream, upstream_), name_, ": the upstream gradient changed");
    for (std::size_t i = 0; i < inputs.size(); ++i)
      CHECK_MESSAGE(same_bits(inputs[i], network_.inputs[i]), name_, ": input ", i, " changed");
  }

  void check_differences() {
    double overall = 0;
    for (const auto* gradients : {&input_gradients_, &parameter_gradients_})
      for (const Doubles& gradient : *gradients) overall = std::max(overall, largest(gradient));
    for (std::size_t i = 0; i < network_.inputs.size(); ++i)
      check_tensor(concat("input ", i), network_.inputs[i], input_gradients_[i], overall);
    for (std::size_t i = 0; i < parameter_gradients_.size(); ++i)
      check_tensor(network_.contents.parameters[i].name, network_.contents.parameters[i].parameter->value,
                   parameter_gradients_[i], overall);
    restore();
  }

  void check_tensor(const std::string& tensor, Doubles value, const Doubles& gradient, double overall) {
    REQUIRE_MESSAGE(gradient.shape() == value.shape(), name_, ": ", tensor);
    const double scale = std::max(largest(gradient), 1e-3 * overall);
    const Random random = Random(5).stream(tensor);
    const Index count = std::min<Index>(value.size(), samples_);
    for (Index i = 0; i < count; ++i) {
      // All elements of a small tensor, random ones of a large one.
      const Index at = count == value.size() ? i : random.below(static_cast<std::uint64_t>(i), value.size());
      double nearest = INFINITY, found = 0;
      // A kink of a ReLU within one step's reach lies outside a shorter one's, where rounding is coarser.
      for (const double step : {1e-5, 1e-6, 1e-7}) {
        const double numeric = difference(value.data()[at], step);
        const double error = std::abs(numeric - gradient.data()[at]) / scale;
        if (error < nearest) nearest = error, found = numeric;
        if (nearest <= tolerance) break;
      }
      CHECK_MESSAGE(nearest <= tolerance, name_, ": gradient of ", tensor, "[", at, "] is ", gradient.data()[at],
                    " but differences give ", found);
    }
  }

  double difference(double& element, double step) {
    const double before = element;
    element = before + step;
    const double above = loss();
    element = before - step;
    const double below = loss();
    element = before;
    return (above - below) / (2 * step);
  }

  double loss() {
    const Doubles y = forward(false);
    double sum = 0;
    for (Index i = 0; i < y.size(); ++i) sum += y.data()[i] * upstream_.data()[i];
    return sum;
  }

  std::string name_;
  Differentiable network_;
  Pass pass_;
  int samples_;
  Doubles upstream_;
  std::vector<Doubles> buffers_, input_gradients_, parameter_gradients_;
};

// Both kinds of passes of a network with generic weights.
inline void check_gradients(const std::string& name, Differentiable network, int samples = 24) {
  randomize(network.contents, Random(3));
  GradientCheck(name + ", evaluating", network, Pass::evaluate(), samples);
  converge(network.contents);
  GradientCheck(name + ", training", network, Pass::train(), samples);
}

}  // namespace dvd::testing
