// The largest singular values of weights, estimated for a whole network at once.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <memory>
#include <utility>
#include <vector>

#include "dvd/core/parameter.hpp"
#include "dvd/core/pass.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// What a pass knows of a weight W `[out, rest]`: sigma `[1]`, close to its largest singular value, and the vectors
/// u `[out]` and v `[rest]` of sigma = u^T W v.
template <Scalar P, DeviceMemory D>
struct SpectralEstimate {
  ConstTensorView<P, D> sigma, u, v;
};

/// The estimates for a pass over a network, which its spectral norms find in `Pass::estimates`. Each would make its own
/// estimate otherwise, to the same bits; but made together they take a GPU a few launches, not a few a weight.
class SpectralEstimates {
 public:
  /// None.
  SpectralEstimates() = default;

  /// For all spectrally normalised weights that a visit of `network` comes to, unless the pass has estimates already. A
  /// training pass advances their u. They are good for one pass, and for repeating it or parts of it.
  template <class Network>
  SpectralEstimates(Network& network, Pass pass) {
    if (pass.estimates) return;
    const auto weights = contents(network).normalized_parameters;
    const auto estimates = estimate(weights, pass);
    for (std::size_t i = 0; i < weights.size(); ++i) estimates_.emplace_back(weights[i].weight, estimates[i]);
  }

  /// The pass with these estimates, unless it has some already. They must outlive it.
  Pass in(Pass pass) const {
    if (!pass.estimates) pass.estimates = this;
    return pass;
  }

  /// That of a weight; null where there is none.
  template <Scalar P, DeviceMemory D>
  std::shared_ptr<const SpectralEstimate<P, D>> find(const Parameter<P, D>& weight) const {
    const void* const address = &weight;
    for (const auto& [key, estimate] : estimates_)
      if (key == address) return std::static_pointer_cast<const SpectralEstimate<P, D>>(estimate);
    return nullptr;
  }

  /// Estimates for `weights`, each seen as a matrix of as many rows as its u has elements.
  template <Scalar P, DeviceMemory D>
  static std::vector<std::shared_ptr<const SpectralEstimate<P, D>>> estimate(
      const std::vector<NormalizedParameter<P, D>>& weights, Pass pass) {
    std::vector<std::shared_ptr<const SpectralEstimate<P, D>>> estimates;
    std::vector<SpectralArrays<P>> matrices;
    std::vector<ArrayPair<P>> copies;
    for (const auto& [parameter, buffer] : weights) {
      const Tensor<P, D>& weight = parameter->value;
      Tensor<P, D>& u = buffer->value;
      const Index rows = u.size(), columns = weight.size() / rows;
      Tensor<P, D> sigma(Shape{1}), now(u.shape()), v(Shape{columns});
      matrices.push_back({rows, columns, weight.data(), u.data(), v.data(), sigma.data()});
      copies.push_back({rows, u.data(), now.data()});
      estimates.push_back(std::make_shared<const SpectralEstimate<P, D>>(SpectralEstimate<P, D>{sigma, now, v}));
    }
    D::power_iterations(matrices, pass.power_iteration);
    D::copy_arrays(copies, nullptr);  // a later pass moves u before this one's gradient is asked for
    return estimates;
  }

 private:
  std::vector<std::pair<const void*, std::shared_ptr<const void>>> estimates_;  ///< and the addresses of the weights
};

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
