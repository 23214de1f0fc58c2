// What follows from weights alone, made once where weights no longer change.
//
// A training pass makes it anew, because an update has moved the weights: sigmas and packed weights
// (SpectralEstimates), the weights of several gates put together, and filters, which on the CPU are the larger part of
// a small batch's work. A network that only evaluates can keep all of it.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <algorithm>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "dvd/core/convolution.hpp"
#include "dvd/layers/spectral_estimates.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// What passes over a network whose weights stay have in common. Sigmas and packed weights are made with it, anything
/// else when a pass first wants it: a filter depends on the sizes that it is for.
///
///     const dvd::PreparedWeights prepared(network);
///     auto y = network.forward(x, prepared.pass());
///
/// Any number of threads may use it at once. What one of them makes the others wait for, if they want the same. Passes
/// with it are not to be recorded (see Recording in core/device.hpp): whoever records has the device to itself, and
/// could wait for what another thread makes on it.
class PreparedWeights {
 public:
  /// Of `network`, which has to stay where it is, with the weights that it has, as long as passes come with this.
  template <class Network>
  explicit PreparedWeights(Network& network) : estimates_(network, Pass::evaluate()) {}

  // Passes point to it.
  PreparedWeights(const PreparedWeights&) = delete;
  PreparedWeights& operator=(const PreparedWeights&) = delete;

  /// A pass by running statistics, which finds here what was made before and leaves here what it makes.
  Pass pass() const {
    Pass result = Pass::evaluate();
    result.estimates = &estimates_;
    result.prepared = this;
    return result;
  }

  /// An X that `make()` makes of the weights of the layer at address `layer`: made once for each layer and type. What
  /// `make` throws comes out, and the next call tries again.
  template <class X, class Make>
  std::shared_ptr<const X> once(const void* layer, const Make& make) const {
    Slot& slot = slot_of<X>(layer);
    const std::lock_guard lock(slot.mutex);
    if (!slot.made) slot.made = std::make_shared<X>(make());
    return std::static_pointer_cast<const X>(slot.made);
  }

  /// The filter of a packed weight, which is one that is kept here, for a convolution of this size: made once for all
  /// sizes that a filter fits.
  template <Scalar T, DeviceMemory D>
  FilterOf<D, T> filter(const ConvolutionSize& size, const ConstTensorView<T, D>& packed) const {
    if (!packed.keeper()) return D::filter(size, packed.data());  // another weight may come to lie there
    Slot& slot = slot_of<Filters<T, D>>(packed.data());
    const std::lock_guard lock(slot.mutex);
    if (!slot.made) slot.made = std::make_shared<Filters<T, D>>(Filters<T, D>{packed, {}});
    auto& filters = static_cast<Filters<T, D>*>(slot.made.get())->made;
    const auto found = std::find_if(filters.begin(), filters.end(), [&](const FilterOf<D, T>& each) {
      if constexpr (D::filters_fit_all_sizes)
        return true;
      else
        return each.fits(size);
    });
    return found != filters.end() ? *found : filters.emplace_back(D::filter(size, packed.data()));
  }

 private:
  /// Something that is made once. Who makes it holds the mutex, and may want other slots meanwhile, of parts of the
  /// layer; kernels that compute on other threads want none.
  struct Slot {
    std::mutex mutex;
    std::shared_ptr<void> made;
  };

  template <Scalar T, DeviceMemory D>
  struct Filters {
    ConstTensorView<T, D> packed;  ///< that no other weight may take its place
    std::vector<FilterOf<D, T>> made;
  };

  template <class X>
  static constexpr char kind_of = 0;  ///< its address tells X

  template <class X>
  Slot& slot_of(const void* address) const {
    const std::lock_guard lock(mutex_);
    return slots_[{address, &kind_of<X>}];
  }

  SpectralEstimates estimates_;
  mutable std::mutex mutex_;
  mutable std::map<std::pair<const void*, const void*>, Slot> slots_;
};

/// An X made of the weights of the layer at address `layer`: the one that the pass keeps, or a new one.
template <class X, class Make>
std::shared_ptr<const X> made_once(Pass pass, const void* layer, const Make& make) {
  return pass.prepared ? pass.prepared->once<X>(layer, make) : std::make_shared<const X>(make());
}

/// The filter of a packed weight for a convolution of this size: one that the pass keeps, or a new one. Of a weight
/// that is packed anew at every pass it would keep each: pack it by `made_once`.
template <Scalar T, DeviceMemory D>
FilterOf<D, T> filter_for(Pass pass, const ConvolutionSize& size, const ConstTensorView<T, D>& packed) {
  return pass.prepared ? pass.prepared->filter(size, packed) : D::filter(size, packed.data());
}

/// The filter that the pass keeps for what `layer` makes of x by a packed weight; none where it keeps none, or the
/// layer has none: its kernels then make it. A layer that can be given one says by `filter_size(x)` which convolution
/// it is.
template <class L, class Input>
auto kept_filter(const L& layer, Pass pass,
                 const ConstTensorView<typename L::scalar_type, typename L::device_type>& packed, const Input& x) {
  using T = typename L::scalar_type;
  using D = typename L::device_type;
  std::optional<FilterOf<D, T>> filter;
  if constexpr (requires { layer.filter_size(x); })
    if (pass.prepared)
      if (const std::optional<ConvolutionSize> size = layer.filter_size(x))
        filter = pass.prepared->filter(*size, packed);
  return filter;
}

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
