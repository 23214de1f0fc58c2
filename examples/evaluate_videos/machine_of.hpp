// The definition behind machine.hpp.
#pragma once

#include "../common/score_networks.hpp"
#include "generator.hpp"
#include "machine.hpp"

namespace examples {

template <class T, class D>
Machine machine() {
  return {[](const ClipMakerOptions& options) { return open_generator<T, D>(options); }, open_score_network<D>};
}

}  // namespace examples
