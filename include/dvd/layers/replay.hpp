// Running a forward pass a second time, to the bit, instead of keeping what it computed.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <utility>
#include <vector>

#include "dvd/core/parameter.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// The buffers of a layer (power iterations' u, running statistics) as they were before a forward pass: with the same
/// parameters and input, the pass that `again` runs computes the same bits, and leaves the buffers as it found them.
/// Trades a second forward pass for the memory of its cache (Chen et al. 2016, "Training Deep Nets with Sublinear
/// Memory Cost").
template <Scalar T, Device D = Cpu>
class Replay {
 public:
  using P = FullPrecision<T>;

  Replay() = default;

  /// To be made before the pass.
  template <class Layer>
  explicit Replay(Layer& layer) : before_(copies(layer)) {}

  /// Calls `pass`, which runs the forward pass on `layer` again.
  template <class Layer, class F>
  void again(Layer& layer, const F& pass) const {
    const std::vector<Tensor<P, D>> now = copies(layer);
    restore(layer, before_, nullptr);
    pass();
    restore(layer, now, nullptr);
  }

  /// Puts the buffers back as they were, as if the pass had not been; not so if a number on the device is given and is
  /// other than 0.
  template <class Layer>
  void undo(Layer& layer, const P* unless = nullptr) const {
    restore(layer, before_, unless);
  }

 private:
  template <class Layer>
  static std::vector<Tensor<P, D>> copies(Layer& layer) {
    std::vector<Tensor<P, D>> result;
    std::vector<ArrayPair<P>> arrays;
    for (const auto& [name, buffer] : contents(layer).buffers) {
      result.emplace_back(buffer->value.shape());
      arrays.push_back({buffer->value.size(), buffer->value.data(), result.back().data()});
    }
    D::copy_arrays(arrays, nullptr);
    return result;
  }

  template <class Layer>
  static void restore(Layer& layer, const std::vector<Tensor<P, D>>& values, const P* unless) {
    const auto all = contents(layer);
    std::vector<ArrayPair<P>> arrays;
    for (std::size_t i = 0; i < values.size(); ++i)
      arrays.push_back({values[i].size(), values[i].data(), all.buffers[i].buffer->value.data()});
    D::copy_arrays(arrays, unless);
  }

  std::vector<Tensor<P, D>> before_;
};

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
