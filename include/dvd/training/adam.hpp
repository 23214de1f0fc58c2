// Adam, the optimizer of DVD-GAN, and AdamW.
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
    const T rates[] = {static_cast<T>(learning_rate()), static_cast<T>(correction1), static_cast<T>(correction2)};
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

  /// That of the update to come.
  double learning_rate() const { return learning_rate_factor_ * options_.learning_rate; }

  /// What the learning rate is multiplied with from the next update on; 1 at first.
  void scale_learning_rate(double factor) { learning_rate_factor_ = factor; }

  /// Updates so far.
  Index steps() const { return steps_; }
  void set_steps(Index steps) { steps_ = steps; }

  /// What it updates.
  const std::vector<NamedParameter<T, D>>& parameters() const { return parameters_; }
  /// One entry a parameter, in their order.
  std::vector<Moments>& moments() { return moments_; }

  /// Calls `f(name, tensor)` for the moments of every parameter, under PyTorch's names.
  template <class F>
  void visit(F&& f) {
    for (std::size_t i = 0; i < parameters_.size(); ++i) {
      f(parameters_[i].name + ".exp_avg", moments_[i].average);
      f(parameters_[i].name + ".exp_avg_sq", moments_[i].average_square);
    }
  }

 private:
  Options options_;
  std::vector<NamedParameter<T, D>> parameters_;
  std::vector<Moments> moments_;
  Tensor<T, D> rates_{Shape{3}};  ///< learning rate and both corrections
  double learning_rate_factor_ = 1;
  Index steps_ = 0;
};

/// Settings of AdamW.
struct AdamWOptions {
  double learning_rate = 1e-4;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  double weight_decay = 0.01;
};

/// Adam with decoupled weight decay (Loshchilov and Hutter, "Decoupled Weight Decay Regularization", ICLR 2019):
///
///     w -= lr * weight_decay * w,  then a step of Adam
template <Scalar T, Device D = Cpu>
class AdamW : public Adam<T, D> {
 public:
  using Options = AdamWOptions;

  AdamW(const Contents<T, D>& contents, const Options& options)
      : Adam<T, D>(contents, {options.learning_rate, options.beta1, options.beta2, options.epsilon}),
        weight_decay_(options.weight_decay) {
    require(options.weight_decay >= 0 && is_finite(options.weight_decay), "AdamW's weight decay must not be negative, ",
            "as ", options.weight_decay, " is");
  }

  void advance() {
    Adam<T, D>::advance();
    const T kept[] = {static_cast<T>(1 - this->learning_rate() * weight_decay_)};
    kept_.assign(kept);
  }

  void step(const ConstTensorView<T, D>& apply) {
    std::vector<MutableArray<T>> weights;
    for (const auto& [name, parameter] : this->parameters())
      weights.push_back({parameter->value.size(), parameter->value.data()});
    D::scale_arrays(weights, kept_.data(), apply.data());
    Adam<T, D>::step(apply);
  }

 private:
  double weight_decay_;
  Tensor<T, D> kept_{Shape{1}};  ///< what an update leaves of a weight, before Adam
};

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
