// The optimizer.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <cmath>
#include <vector>

#include "dvd/core/is_finite.hpp"
#include "dvd/core/parameter.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// Settings of Adam; the defaults are DVD-GAN's for the generator.
struct AdamOptions {
  double learning_rate = 1e-4;
  double beta1 = 0;
  double beta2 = 0.999;
  double epsilon = 1e-8;
};

/// Adam with bias-corrected moments and epsilon outside the square root (Kingma and Ba 2015):
///
///     m = beta1 m + (1 - beta1) g,  v = beta2 v + (1 - beta2) g^2,
///     w -= lr * (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + epsilon)
template <Scalar T, Device D = Cpu>
class Adam {
 public:
  using Options = AdamOptions;

  /// The running moments of one parameter, both of its shape.
  struct Moments {
    Tensor<T, D> average, average_square;
  };

  /// An optimizer of these parameters, which must stay where they are.
  Adam(const Contents<T, D>& contents, const Options& options) : options_(options), parameters_(contents.parameters) {
    require(options.learning_rate >= 0 && is_finite(options.learning_rate), "a learning rate must not be negative, as ",
            options.learning_rate, " is");
    require(options.beta1 >= 0 && options.beta1 < 1 && options.beta2 >= 0 && options.beta2 < 1,
            "Adam's betas must be at least 0 and below 1, not ", options.beta1, " and ", options.beta2);
    require(options.epsilon > 0, "Adam's epsilon must be positive, not ", options.epsilon);
    for (const auto& [name, parameter] : parameters_)
      moments_.push_back(
          {Tensor<T, D>::zeros(parameter->value.shape()), Tensor<T, D>::zeros(parameter->value.shape())});
  }

  // Two optimizers of the same parameters would be one too many.
  Adam(const Adam&) = delete;
  Adam& operator=(const Adam&) = delete;

  /// Counts an update, and makes ready what depends on its number.
  void advance() {
    ++steps_;
    const double correction1 = 1 - std::pow(options_.beta1, static_cast<double>(steps_));
    const double correction2 = 1 - std::pow(options_.beta2, static_cast<double>(steps_));
    const T rates[] = {static_cast<T>(learning_rate_factor_ * options_.learning_rate), static_cast<T>(correction1),
                       static_cast<T>(correction2)};
    rates_.assign(rates);
  }

  /// One update from the parameters' gradients, unless the number `apply` is 0; a parameter without a gradient counts
  /// as having gradient 0. Kernels alone: the same work every time.
  void step(const ConstTensorView<T, D>& apply) {
    std::vector<AdamArrays<T>> arrays;
    for (std::size_t i = 0; i < parameters_.size(); ++i) {
      Parameter<T, D>& parameter = *parameters_[i].parameter;
      arrays.push_back({parameter.value.size(), parameter.accumulator().data(), parameter.value.data(),
                        moments_[i].average.data(), moments_[i].average_square.data()});
    }
    D::adam(arrays, static_cast<T>(options_.beta1), static_cast<T>(options_.beta2), static_cast<T>(options_.epsilon),
            rates_.data(), apply.data());
  }

  /// What the learning rate is multiplied with from the next update on; 1 at first.
  void scale_learning_rate(double factor) { learning_rate_factor_ = factor; }

  /// Updates so far.
  Index steps() const { return steps_; }
  void set_steps(Index steps) { steps_ = steps; }

  const std::vector<NamedParameter<T, D>>& parameters() const { return parameters_; }
  /// One entry a parameter, in their order.
  std::vector<Moments>& moments() { return moments_; }

 private:
  Options options_;
  std::vector<NamedParameter<T, D>> parameters_;
  std::vector<Moments> moments_;
  Tensor<T, D> rates_{Shape{3}};  ///< learning rate and both corrections
  double learning_rate_factor_ = 1;
  Index steps_ = 0;
};

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
