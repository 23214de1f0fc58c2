// Stochastic gradient descent.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <vector>

#include "dvd/core/is_finite.hpp"
#include "dvd/core/parameter.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// Settings of Sgd.
struct SgdOptions {
  double learning_rate = 1e-2;
  double momentum = 0.9;
  bool nesterov = false;    ///< looks ahead along the momentum (Nesterov 1983, in the form of Sutskever et al. 2013)
  double weight_decay = 0;  ///< times the weight, added to its gradient
};

/// Stochastic gradient descent with momentum, in PyTorch's form, without dampening:
///
///     g += weight_decay w,  v = momentum v + g,  w -= lr v, or lr (g + momentum v) with `nesterov`
template <Scalar T, Device D = Cpu>
class Sgd {
 public:
  using Options = SgdOptions;

  /// An optimizer of these parameters, which must stay where they are. Throws ArgumentError for settings that make no
  /// sense.
  Sgd(const Contents<T, D>& contents, const Options& options) : options_(options), parameters_(contents.parameters) {
    require(options.learning_rate >= 0 && is_finite(options.learning_rate), "a learning rate must not be negative, as ",
            options.learning_rate, " is");
    require(options.momentum >= 0 && options.momentum < 1, "momentum must be at least 0 and below 1, not ",
            options.momentum);
    require(options.weight_decay >= 0 && is_finite(options.weight_decay), "weight decay must not be negative, as ",
            options.weight_decay, " is");
    for (const auto& [name, parameter] : parameters_)
      velocities_.push_back(Tensor<T, D>::zeros(parameter->value.shape()));
  }

  // Two optimizers of the same parameters would be one too many.
  Sgd(const Sgd&) = delete;
  Sgd& operator=(const Sgd&) = delete;

  /// Counts an update, and makes ready what depends on its number.
  void advance() {
    ++steps_;
    const T rate[] = {static_cast<T>(learning_rate_factor_ * options_.learning_rate)};
    rate_.assign(rate);
  }

  /// One update from the parameters' gradients, unless the number `apply` is 0; a parameter without a gradient counts
  /// as having gradient 0. Kernels alone: the same work every time.
  void step(const ConstTensorView<T, D>& apply) {
    std::vector<MomentumArrays<T>> arrays;
    for (std::size_t i = 0; i < parameters_.size(); ++i) {
      Parameter<T, D>& parameter = *parameters_[i].parameter;
      arrays.push_back(
          {parameter.value.size(), parameter.accumulator().data(), parameter.value.data(), velocities_[i].data()});
    }
    D::momentum(arrays, static_cast<T>(options_.momentum), options_.nesterov, static_cast<T>(options_.weight_decay),
                rate_.data(), apply.data());
  }

  /// What the learning rate is multiplied with from the next update on; 1 at first.
  void scale_learning_rate(double factor) { learning_rate_factor_ = factor; }

  /// Updates so far.
  Index steps() const { return steps_; }
  void set_steps(Index steps) { steps_ = steps; }

  /// Calls `f(name, tensor)` for the velocity of every parameter, under PyTorch's name.
  template <class F>
  void visit(F&& f) {
    for (std::size_t i = 0; i < parameters_.size(); ++i) f(parameters_[i].name + ".momentum_buffer", velocities_[i]);
  }

 private:
  Options options_;
  std::vector<NamedParameter<T, D>> parameters_;
  std::vector<Tensor<T, D>> velocities_;
  Tensor<T, D> rate_{Shape{1}};
  double learning_rate_factor_ = 1;
  Index steps_ = 0;
};

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
