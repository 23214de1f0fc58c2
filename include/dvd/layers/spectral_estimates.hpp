// The largest singular values of weights, estimated for a whole network at once.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <concepts>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "dvd/core/parameter.hpp"
#include "dvd/core/pass.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// What a pass knows of a weight W `[out, rest]`: sigma `[1]`, close to its largest singular value, the vectors u
/// `[out]` and v `[rest]` of sigma = u^T W v, W / sigma as kernels read it and, where a filter fits all sizes, as a
/// convolution's filter.
template <Scalar T, DeviceMemory D>
struct SpectralEstimate {
  PreciseTensorView<T, D> sigma, u, v;
  ConstTensorView<T, D> packed;
  std::optional<FilterOf<D, T>> filter;
};

namespace detail {

/// Makes the estimates of all spectral norms that it visits, whose layers compute in T or in FullPrecision<T>: each
/// step for all of them together.
template <Scalar T, DeviceMemory D>
class SpectralVisit {
 public:
  using P = FullPrecision<T>;

  template <class Member>
  void operator()(const std::string&, const Member&) {}

  template <class L>
  void normalized(const L& layer, Buffer<P, D>& buffer, bool filter_ahead) {
    using U = typename L::scalar_type;
    if constexpr (std::same_as<U, T> || std::same_as<U, P>) {
      const Tensor<P, D>& weight = layer.weight.value;
      Tensor<P, D>& u = buffer.value;
      const Index rows = u.size(), columns = weight.size() / rows;
      Tensor<P, D> sigma(Shape{1}), now(u.shape()), v(Shape{columns});
      matrices_.push_back({rows, columns, weight.data(), u.data(), v.data(), sigma.data()});
      copies_.push_back({rows, u.data(), now.data()});
      auto estimate = std::make_shared<SpectralEstimate<U, D>>();
      if constexpr (requires(Tensor<U, D> & packed) { layer.packing(sigma, packed); }) {
        Tensor<U, D> packed;
        ToPack<U> to_pack{layer.packing(sigma, packed), estimate};
        estimate->packed = packed;
        if constexpr (requires { layer.wants_filter(); })
          if (filter_ahead && layer.wants_filter()) {
            to_pack.wants_filter = true;
            to_pack.bias = layer.bias.value.data();
            to_pack.pool = layer.pools();
          }
        std::get<std::vector<ToPack<U>>>(work_).push_back(std::move(to_pack));
      } else {
        others_.push_back([&layer, estimate] { estimate->packed = layer.packed_weight(estimate->sigma); });
      }
      estimate->sigma = sigma;
      estimate->u = now;
      estimate->v = v;
      estimates_.emplace_back(&layer.weight, std::move(estimate));
    }
  }

  /// The estimates, and the addresses of the weights that they are of.
  std::vector<std::pair<const void*, std::shared_ptr<const void>>> make(Pass pass) {
    D::power_iterations(matrices_, pass.power_iteration);
    D::copy_arrays(copies_, nullptr);  // a later pass moves u before this one's gradient is asked for
    std::apply([](auto&... work) { (pack(work), ...); }, work_);
    for (const auto& pack_other : others_) pack_other();
    return std::move(estimates_);
  }

 private:
  /// What is to be made for a layer that computes in U.
  template <Scalar U>
  struct ToPack {
    WeightToPack<U> weight;
    std::shared_ptr<SpectralEstimate<U, D>> estimate;
    bool wants_filter = false;
    const P* bias = nullptr;  ///< that goes with the filter
    bool pool = false;        ///< whether the filter's outputs are averaged
  };
  using AllWork = std::conditional_t<std::same_as<T, P>, std::tuple<std::vector<ToPack<T>>>,
                                     std::tuple<std::vector<ToPack<T>>, std::vector<ToPack<P>>>>;

  template <Scalar U>
  static void pack(std::vector<ToPack<U>>& work) {
    if (work.empty()) return;
    if constexpr (D::pairs_products) place_in_one_array(work);
    std::vector<WeightToPack<U>> weights;
    std::vector<PackedWeight<U>> packed;
    std::vector<SpectralEstimate<U, D>*> filtered;
    for (const ToPack<U>& each : work) {
      const WeightToPack<U>& w = each.weight;
      weights.push_back(w);
      if (!each.wants_filter) continue;
      packed.push_back({w.outputs, w.inputs, w.taps, w.packed, each.bias, each.pool});
      filtered.push_back(each.estimate.get());
    }
    D::pack_weights(weights);
    if constexpr (D::filters_fit_all_sizes) {
      auto filters = D::filters(packed);
      for (std::size_t i = 0; i < filters.size(); ++i) filtered[i]->filter = std::move(filters[i]);
    }
  }

  /// Packed weights are to lie one behind the other, as they are visited.
  template <Scalar U>
  static void place_in_one_array(std::vector<ToPack<U>>& work) {
    constexpr Index step = 64 / static_cast<Index>(sizeof(U));  // each as well aligned as an array of its own
    const auto room = [](const ToPack<U>& each) { return (each.estimate->packed.size() + step - 1) / step * step; };
    Index size = 0;
    for (const ToPack<U>& each : work) size += room(each);
    Tensor<U, D> all(Shape{size});
    Index first = 0;
    for (ToPack<U>& each : work) {
      const TensorView<U, D> place = all.slice(first, each.estimate->packed.size());
      each.weight.packed = place.data();
      each.estimate->packed = place.reshaped(each.estimate->packed.shape());
      first += room(each);
    }
  }

  std::vector<SpectralArrays<P>> matrices_;
  std::vector<ArrayPair<P>> copies_;
  AllWork work_;
  std::vector<std::function<void()>> others_;
  std::vector<std::pair<const void*, std::shared_ptr<const void>>> estimates_;
};

}  // namespace detail

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
    detail::SpectralVisit<typename Network::scalar_type, typename Network::device_type> visit;
    network.visit("", visit);
    estimates_ = visit.make(pass);
  }

  /// The pass with these estimates, unless it has some already. They must outlive it.
  Pass in(Pass pass) const {
    if (!pass.estimates) pass.estimates = this;
    return pass;
  }

  /// That of a layer that computes in T, by its weight; null where there is none.
  template <Scalar T, DeviceMemory D>
  std::shared_ptr<const SpectralEstimate<T, D>> find(const Parameter<FullPrecision<T>, D>& weight) const {
    const void* const address = &weight;
    for (const auto& [key, estimate] : estimates_)
      if (key == address) return std::static_pointer_cast<const SpectralEstimate<T, D>>(estimate);
    return nullptr;
  }

  /// That of one layer, its weight seen as a matrix of as many rows as u has elements.
  template <class L, Scalar P, DeviceMemory D>
  static std::shared_ptr<const SpectralEstimate<typename L::scalar_type, D>> estimate(const L& layer, Buffer<P, D>& u,
                                                                                      Pass pass) {
    using T = typename L::scalar_type;
    detail::SpectralVisit<T, D> visit;
    visit.normalized(layer, u, false);
    return std::static_pointer_cast<const SpectralEstimate<T, D>>(visit.make(pass).front().second);
  }

 private:
  std::vector<std::pair<const void*, std::shared_ptr<const void>>> estimates_;  ///< and the addresses of the weights
};

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
