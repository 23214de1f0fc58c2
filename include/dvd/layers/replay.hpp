// Running a forward pass a second time, to the bit, instead of keeping what it computed.
#pragma once

#include <utility>
#include <vector>

#include "dvd/core/parameter.hpp"

namespace dvd {

/// The buffers of a layer (power iterations' u, running statistics) as they were before a forward pass: with the same
/// parameters and input, the pass that `again` runs computes the same bits, and leaves the buffers as it found them.
/// Trades a second forward pass for the memory of its cache (Chen et al. 2016, "Training Deep Nets with Sublinear
/// Memory Cost").
template <Scalar T, Device D = Cpu>
class Replay {
 public:
  Replay() = default;

  /// To be made before the pass.
  template <class Layer>
  explicit Replay(Layer& layer) : before_(copies(layer)) {}

  /// Calls `pass`, which runs the forward pass on `layer` again.
  template <class Layer, class F>
  void again(Layer& layer, const F& pass) const {
    const std::vector<Tensor<T, D>> now = copies(layer);
    restore(layer, before_);
    pass();
    restore(layer, now);
  }

  /// Puts the buffers back as they were, as if the pass had not been.
  template <class Layer>
  void undo(Layer& layer) const {
    restore(layer, before_);
  }

 private:
  template <class Layer>
  static std::vector<Tensor<T, D>> copies(Layer& layer) {
    std::vector<Tensor<T, D>> result;
    for (const auto& [name, buffer] : contents(layer).buffers) result.push_back(buffer->value.clone());
    return result;
  }

  template <class Layer>
  static void restore(Layer& layer, const std::vector<Tensor<T, D>>& values) {
    const Contents<T, D> all = contents(layer);
    for (std::size_t i = 0; i < values.size(); ++i) all.buffers[i].buffer->value.copy_from(values[i]);
  }

  std::vector<Tensor<T, D>> before_;
};

}  // namespace dvd
