// The largest singular values of weights, estimated for a whole network at once.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <memory>
#include <string>
#include <unordered_map>
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
    using P = FullPrecision<typename Network::scalar_type>;
    using D = typename Network::device_type;
    Found<P, D> found;
    network.visit("", found);
    const auto estimates = estimate(found.weights, found.us, pass);
    for (std::size_t i = 0; i < estimates.size(); ++i)
      estimates_[found.weights[i]] = std::make_shared<const SpectralEstimate<P, D>>(estimates[i]);
  }

  /// The pass with these estimates, unless it has some already. They must outlive it.
  Pass in(Pass pass) const {
    if (!pass.estimates) pass.estimates = this;
    return pass;
  }

  /// That of a weight; null where there is none.
  template <Scalar P, DeviceMemory D>
  const SpectralEstimate<P, D>* find(const Parameter<P, D>& weight) const {
    const auto found = estimates_.find(&weight);
    return found == estimates_.end() ? nullptr : static_cast<const SpectralEstimate<P, D>*>(found->second.get());
  }

  /// Estimates for `weights`, each seen as a matrix of as many rows as its u has elements.
  template <Scalar P, DeviceMemory D>
  static std::vector<SpectralEstimate<P, D>> estimate(const std::vector<const Parameter<P, D>*>& weights,
                                                      const std::vector<Buffer<P, D>*>& us, Pass pass) {
    std::vector<SpectralEstimate<P, D>> estimates;
    std::vector<SpectralArrays<P>> matrices;
    std::vector<ArrayPair<P>> copies;
    for (std::size_t i = 0; i < weights.size(); ++i) {
      const Tensor<P, D>& weight = weights[i]->value;
      Tensor<P, D>& u = us[i]->value;
      const Index rows = u.size(), columns = weight.size() / rows;
      Tensor<P, D> sigma(Shape{1}), now(u.shape()), v(Shape{columns});
      matrices.push_back({rows, columns, weight.data(), u.data(), v.data(), sigma.data()});
      copies.push_back({rows, u.data(), now.data()});
      estimates.push_back({sigma, now, v});
    }
    D::power_iterations(matrices, pass.power_iteration);
    D::copy_arrays(copies, nullptr);  // a later pass moves u before this one's gradient is asked for
    return estimates;
  }

 private:
  /// Visits a network for what its spectral norms show beside their contents.
  template <class P, class D>
  struct Found {
    std::vector<const Parameter<P, D>*> weights;
    std::vector<Buffer<P, D>*> us;

    void operator()(const std::string&, Parameter<P, D>&) {}
    void operator()(const std::string&, Buffer<P, D>&) {}
    void normalized(const Parameter<P, D>& weight, Buffer<P, D>& u) {
      weights.push_back(&weight);
      us.push_back(&u);
    }
  };

  std::unordered_map<const void*, std::shared_ptr<const void>> estimates_;  // by the address of the weight
};

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
