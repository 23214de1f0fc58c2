// Gradients of weights, from those of their packed forms, for a whole network at once.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "dvd/layers/layer.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// What layers leave of a backward pass over a network: gradients of packed weights, which `finish` adds to those of
/// the weights. Each layer would do so itself otherwise; but done together they take a GPU a few launches, not a few a
/// weight.
class WeightGradients {
 public:
  WeightGradients() = default;
  // Backward passes point to it.
  WeightGradients(const WeightGradients&) = delete;
  WeightGradients& operator=(const WeightGradients&) = delete;

  /// The same gradients, left here where that serves the device. This must outlive the backward pass.
  Gradients in(Gradients gradients) {
    gradients.together = this;
    return gradients;
  }

  /// Keeps `kept`, what a gradient is in and depends on, until it is finished.
  template <Device D, class T, class... Kept>
  void add(const WeightGradientToUnpack<T>& gradient, const Kept&... kept) {
    List<T, D>& list = list_of<T, D>();
    // Two gradients of one weight are added one after the other.
    if (std::any_of(list.gradients.begin(), list.gradients.end(),
                    [&](const auto& other) { return other.dweight == gradient.dweight; }))
      list.finish();
    list.gradients.push_back(gradient);
    (list.kept.push_back(std::make_shared<Kept>(kept)), ...);
  }

  /// To be called after the backward pass.
  void finish() {
    for (const auto& [kind, list] : lists_) list->finish();
  }

 private:
  struct AnyList {
    virtual ~AnyList() = default;
    virtual void finish() = 0;
  };

  /// Of layers that compute in T.
  template <class T, Device D>
  struct List final : AnyList {
    std::vector<WeightGradientToUnpack<T>> gradients;
    std::vector<std::shared_ptr<const void>> kept;

    void finish() override {
      D::unpack_weight_gradients(gradients);
      gradients.clear();
      kept.clear();
    }
  };

  template <class T, Device D>
  static constexpr char kind_of = 0;  ///< its address tells T and D

  template <class T, Device D>
  List<T, D>& list_of() {
    for (const auto& [kind, list] : lists_)
      if (kind == &kind_of<T, D>) return static_cast<List<T, D>&>(*list);
    auto made = std::make_unique<List<T, D>>();
    List<T, D>& list = *made;
    lists_.emplace_back(&kind_of<T, D>, std::move(made));
    return list;
  }

  std::vector<std::pair<const void*, std::unique_ptr<AnyList>>> lists_;
};

/// Adds to the gradient of a layer's weight what follows from that of the packed one, or leaves it to be added with
/// those of other layers.
template <WeightedLayer L, class View, class PreciseView>
void add_weight_gradient(L& layer, const View& dpacked, const View& packed, const PreciseView& sigma,
                         const PreciseView& u, const PreciseView& v, Gradients gradients) {
  using D = typename L::device_type;
  if constexpr (D::unpacks_together && requires { layer.unpacking(dpacked, packed, sigma, u, v); })
    if (gradients.together)
      return gradients.together->template add<D>(layer.unpacking(dpacked, packed, sigma, u, v), dpacked, packed, sigma,
                                                 u, v);
  layer.add_weight_gradient(dpacked, packed, sigma, u, v);
}

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
