// For tests of layers of one's own: gradients against central differences in double, and the promises that every
// backward pass makes.
//
//     MyLayer<double> layer(5, 3, dvd::Random(1));
//     dvd::testing::check_gradients("my layer", layer, dvd::testing::random_tensor({4, 5}, dvd::Random(2)));
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <algorithm>
#include <cmath>
#include <concepts>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "dvd/core/error.hpp"
#include "dvd/testing/differentiable.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::testing {

/// What is wrong with the gradients of a network as it is, in passes of one kind: a line for each finding.
///
/// That is what differs from central differences, in up to `samples` elements of every input and parameter, by more
/// than 2e-7 of the largest element of that gradient; and what backward passes promise: gradients of parameters are
/// added to what is there, those of inputs do not depend on what was in their memory, what is not asked for is not
/// touched, nothing that goes in is changed, and a gradient of another shape than the result's is refused.
class GradientCheck {
 public:
  /// Of the largest gradient of the tensor, or of a thousandth of the largest at all: some gradients are 0.
  static constexpr double tolerance = 2e-7;

  GradientCheck(std::string name, Differentiable network, Pass pass, int samples = 24)
      : name_(std::move(name)), network_(std::move(network)), pass_(pass), samples_(samples) {
    for (auto& [buffer_name, buffer] : network_.contents.buffers) buffers_.push_back(buffer->value);
    for (auto& [parameter_name, parameter] : network_.contents.parameters) parameter->gradient = {};
    const Tensor<double> y = forward(true);
    upstream_ = random_tensor(y.shape(), Random(99));
    poison();
    expect(same_bits(y, forward(false)), "a pass without a cache gives another result");
    restore();
    network_.forward(network_.inputs, pass_, true);  // the cache that backward passes use from here on
    const std::vector<Tensor<double>> inputs = network_.inputs;
    const Tensor<double> upstream = upstream_;
    if (!find_gradients()) return;
    check_promises();
    check_refusal(y.shape());
    expect(same_bits(upstream, upstream_), "the upstream gradient changed");
    for (std::size_t i = 0; i < inputs.size(); ++i)
      expect(same_bits(inputs[i], network_.inputs[i]), "input ", i, " changed");
    check_differences();
  }

  std::vector<std::string> findings() const { return findings_; }

 private:
  template <class... Parts>
  void expect(bool condition, const Parts&... finding) {
    if (!condition) findings_.push_back(concat(name_, ": ", finding...));
  }

  Tensor<double> forward(bool keep) {
    restore();
    return network_.forward(network_.inputs, pass_, keep);
  }

  std::vector<Tensor<double>> backward(Gradients gradients) {
    poison();
    return network_.backward(upstream_, gradients);
  }

  void restore() {
    for (std::size_t i = 0; i < buffers_.size(); ++i) network_.contents.buffers[i].buffer->value.copy_from(buffers_[i]);
  }

  /// Fills memory that is free, such as new tensors are made of, with what is no number.
  static void poison() {
    std::vector<Tensor<double>> taken;
    for (Index size = Index{1} << 16; size > 4; size /= 2)
      for (int i = 0; i < 4; ++i)
        taken.push_back(Tensor<double>::full(Shape{size}, std::numeric_limits<double>::quiet_NaN()));
  }

  /// The gradients that a backward pass leaves where there were none. Returns whether all are there.
  bool find_gradients() {
    const std::size_t before = findings_.size();
    const std::vector<Tensor<double>>& inputs = network_.inputs;
    input_gradients_ = backward(Gradients::all);
    expect(input_gradients_.size() == inputs.size(), "there are gradients of ", input_gradients_.size(), " of ",
           inputs.size(), " inputs");
    for (std::size_t i = 0; i < std::min(inputs.size(), input_gradients_.size()); ++i) {
      expect(input_gradients_[i] && input_gradients_[i].shape() == inputs[i].shape(), "the gradient of input ", i,
             " has shape ", input_gradients_[i].shape(), " instead of ", inputs[i].shape());
    }
    for (const auto& [parameter_name, parameter] : network_.contents.parameters) {
      expect(parameter->gradient && parameter->gradient.shape() == parameter->value.shape(), "the gradient of ",
             parameter_name, " is missing, or has another shape");
      parameter_gradients_.push_back(parameter->gradient);
    }
    return findings_.size() == before;
  }

  void check_promises() {
    auto& parameters = network_.contents.parameters;
    std::vector<Tensor<double>> priors;
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      priors.push_back(random_tensor(parameters[i].parameter->value.shape(), Random(7).stream(i)));
      parameters[i].parameter->gradient = priors.back();
    }

    const std::vector<Tensor<double>> again = backward(Gradients::inputs);
    for (std::size_t i = 0; i < again.size(); ++i)
      expect(same_bits(again[i], input_gradients_[i]), "other gradient of input ", i, " without the parameters'");
    for (std::size_t i = 0; i < parameters.size(); ++i)
      expect(same_bits(parameters[i].parameter->gradient, priors[i]), "the gradient of ", parameters[i].name,
             " changed though only the inputs' were asked for");

    const std::vector<Tensor<double>> unwanted = backward(Gradients::parameters);
    if (network_.empty_unless_wanted)
      for (const Tensor<double>& gradient : unwanted)
        expect(!gradient, "an input's gradient though only the parameters' were asked for");
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      Tensor<double> rest = parameters[i].parameter->gradient;
      for (Index k = 0; k < rest.size(); ++k) rest.data()[k] -= priors[i].data()[k] + parameter_gradients_[i].data()[k];
      expect(largest(rest) <= 1e-12 * (largest(priors[i]) + largest(parameter_gradients_[i])), "the gradient of ",
             parameters[i].name, " is not added");
    }
  }

  void check_refusal(const Shape& y) {
    std::vector<Tensor<double>> before;
    for (auto& [parameter_name, parameter] : network_.contents.parameters) before.push_back(parameter->gradient);
    bool refused = false;
    try {
      const Shape other = y.rank() > 0 ? y.with_first(y[0] + 1) : Shape{2};
      network_.backward(Tensor<double>::full(other, 1), Gradients::all);
    } catch (const Error&) {
      refused = true;
    }
    expect(refused, "a gradient of another shape than the result's ", y, " is not refused");
    for (std::size_t i = 0; i < before.size(); ++i)
      expect(same_bits(before[i], network_.contents.parameters[i].parameter->gradient), "the gradient of ",
             network_.contents.parameters[i].name, " changed in a backward pass that was refused");
  }

  void check_differences() {
    double overall = 0;
    for (const auto* gradients : {&input_gradients_, &parameter_gradients_})
      for (const Tensor<double>& gradient : *gradients) overall = std::max(overall, largest(gradient));
    for (std::size_t i = 0; i < network_.inputs.size(); ++i)
      check_tensor(concat("input ", i), network_.inputs[i], input_gradients_[i], overall);
    for (std::size_t i = 0; i < parameter_gradients_.size(); ++i)
      check_tensor(network_.contents.parameters[i].name, network_.contents.parameters[i].parameter->value,
                   parameter_gradients_[i], overall);
    restore();
  }

  void check_tensor(const std::string& tensor, const TensorView<double>& value, const ConstTensorView<double>& gradient,
                    double overall) {
    const double scale = std::max({largest(gradient), 1e-3 * overall, std::numeric_limits<double>::min()});
    const Random random = Random(5).stream(tensor);
    const Index count = std::min<Index>(value.size(), samples_);
    for (Index i = 0; i < count; ++i) {
      // All elements of a small tensor, random ones of a large one.
      const Index at = count == value.size() ? i : random.below(static_cast<std::uint64_t>(i), value.size());
      double nearest = std::numeric_limits<double>::infinity(), found = 0;
      // A kink of a ReLU within one step's reach lies outside a shorter one's, where rounding is coarser.
      for (const double step : {1e-5, 1e-6, 1e-7}) {
        const double numeric = difference(value.data()[at], step);
        const double error = std::abs(numeric - gradient.data()[at]) / scale;
        if (error < nearest) nearest = error, found = numeric;
        if (nearest <= tolerance) break;
      }
      expect(nearest <= tolerance, "the gradient of ", tensor, "[", at, "] is ", gradient.data()[at],
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
    const Tensor<double> y = forward(false);
    double sum = 0;
    for (Index i = 0; i < y.size(); ++i) sum += y.data()[i] * upstream_.data()[i];
    return sum;
  }

  std::string name_;
  Differentiable network_;
  Pass pass_;
  int samples_;
  Tensor<double> upstream_;
  std::vector<Tensor<double>> buffers_, input_gradients_, parameter_gradients_;
  std::vector<std::string> findings_;
};

/// Checks passes of both kinds of a network, which is given generic weights. Throws dvd::Error with a line for each
/// finding; see GradientCheck.
inline void check_gradients(const std::string& name, Differentiable network, int samples = 24) {
  randomize(network.contents, Random(3));
  std::vector<std::string> findings =
      GradientCheck(name + ", evaluating", network, Pass::evaluate(), samples).findings();
  converge(network.contents);
  for (const std::string& finding : GradientCheck(name + ", training", network, Pass::train(), samples).findings())
    findings.push_back(finding);
  if (findings.empty()) return;
  std::string lines = findings.front();
  for (std::size_t i = 1; i < findings.size(); ++i) lines += '\n' + findings[i];
  throw Error(lines);
}

/// The same for a layer, which stays as it is, at an input x. A backward pass whose cache no forward pass has filled
/// must also be refused.
template <Layer L>
requires std::same_as<typename L::scalar_type, double>
void check_gradients(const std::string& name, const L& layer, const ConstTensorView<double>& x, int samples = 24) {
  L copy = clone(layer);
  check_gradients(name, differentiable(copy, x), samples);
  const Tensor<double> y = copy.forward(x, Pass::evaluate());
  try {
    copy.backward(y, typename L::Cache(), Gradients::all);
  } catch (const Error&) {
    return;
  }
  throw Error(name + ": a backward pass with a cache that no forward pass has filled is not refused");
}

}  // namespace dvd::testing

#include "dvd/core/macros_end.hpp"
