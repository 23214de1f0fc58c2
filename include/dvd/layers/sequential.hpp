// Layers one after the other.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <utility>
#include <vector>

#include "dvd/layers/layer.hpp"
#include "dvd/layers/recording_key.hpp"
#include "dvd/layers/replay.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

namespace detail {

/// One member of a pack, told apart from equal types by its position. A pack of such bases costs the compiler a tenth
/// of the symbols of nested networks and a twentieth of a std::tuple's.
template <int Position, class Value>
struct Indexed {
  Value value;
};

template <int Position, class Value>
Value& at(Indexed<Position, Value>& indexed) {
  return indexed.value;
}
template <int Position, class Value>
const Value& at(const Indexed<Position, Value>& indexed) {
  return indexed.value;
}

template <class Positions, class... Values>
struct Pack;
template <int... Positions, class... Values>
struct Pack<std::integer_sequence<int, Positions...>, Values...> : Indexed<Positions, Values>... {
  Pack() = default;
  explicit Pack(Values... values) requires(sizeof...(Values) > 0) : Indexed<Positions, Values>{std::move(values)}... {}
};

template <class... Values>
using PackOf = Pack<std::make_integer_sequence<int, sizeof...(Values)>, Values...>;

}  // namespace detail

/// Layers applied in order: `Sequential net(Conv2D<float>(3, 8, 3, random), ReLU<float>(), AvgPool<float>())`. Its
/// parameters are named by position: "0.weight", "0.bias", ... All layers have the scalar and device of the first.
template <Layer First, Layer... Rest>
requires((std::same_as<typename First::scalar_type, typename Rest::scalar_type> && ...) &&
         (std::same_as<typename First::device_type, typename Rest::device_type> && ...)) class Sequential {
 public:
  using scalar_type = typename First::scalar_type;
  using device_type = typename First::device_type;
  using View = ConstTensorView<scalar_type, device_type>;
  using Result = Tensor<scalar_type, device_type>;

  static constexpr bool draws_at_random = (detail::draws_at_random<First> || ... || detail::draws_at_random<Rest>);

  struct Cache {
    detail::PackOf<typename First::Cache, typename Rest::Cache...> parts;
  };

  explicit Sequential(First first, Rest... rest) : layers_(std::move(first), std::move(rest)...) {}

  /// Layer number `Position`, counted from 0.
  template <int Position>
  auto& get() {
    return detail::at<Position>(layers_);
  }

  /// Where a layer refuses what those before it make, their buffers are as they were.
  Result forward(const View& x, Pass pass, Cache* cache = nullptr) {
    using Before = Replay<scalar_type, device_type>;
    const Before before = pass.batch_statistics || pass.power_iteration ? Before(*this) : Before();
    try {
      return forward_from<0>(x, pass, cache);
    } catch (...) {
      before.undo(*this);
      if (cache) *cache = {};
      throw;
    }
  }

  /// The gradient of x, empty unless wanted.
  Result backward(const View& dy, const Cache& cache, Gradients gradients) {
    return backward_from<count - 1>(dy, cache, gradients);
  }

  /// See settings_of.
  std::vector<double> settings() const { return settings_of_all(std::make_integer_sequence<int, count>{}); }

  template <class F>
  void visit(const std::string& prefix, F& f) {
    visit_all(prefix, f, std::make_integer_sequence<int, count>{});
  }

 private:
  static constexpr int count = 1 + sizeof...(Rest);

  template <int Position>
  Result forward_from(const View& x, Pass pass, Cache* cache) {
    Result y = get<Position>().forward(x, pass, cache ? &detail::at<Position>(cache->parts) : nullptr);
    if constexpr (Position + 1 < count)
      return forward_from<Position + 1>(y, pass, cache);
    else
      return y;
  }

  template <int Position>
  Result backward_from(const View& dy, const Cache& cache, Gradients gradients) {
    // Between layers the input's gradient is always needed.
    const Gradients here = Position > 0 ? with_inputs(gradients) : gradients;
    Result dx = get<Position>().backward(dy, detail::at<Position>(cache.parts), here);
    if constexpr (Position > 0)
      return backward_from<Position - 1>(dx, cache, gradients);
    else
      return dx;
  }

  template <int... Positions>
  std::vector<double> settings_of_all(std::integer_sequence<int, Positions...>) const {
    return settings_of(detail::at<Positions>(layers_)...);
  }

  template <class F, int... Positions>
  void visit_all(const std::string& prefix, F& f, std::integer_sequence<int, Positions...>) {
    (get<Positions>().visit(prefix + std::to_string(Positions) + ".", f), ...);
  }

  detail::PackOf<First, Rest...> layers_;
};

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
