// What computes, on whichever device: the one border between the program and the types of elements and devices.
#pragma once

#include <functional>
#include <memory>

#include <dvd/metrics/feature_network.hpp>
#include <dvd/metrics/protocol.hpp>

#include "clip_maker.hpp"

namespace examples {

struct Machine {
  std::function<std::unique_ptr<ClipMaker>(const ClipMakerOptions&)> open_generator;
  /// The network of a protocol with the weights of a file (empty: those that come with the library, where there are
  /// any). Throws ArgumentError where weights are wanted and missing or, unless `force`, of another training.
  std::function<std::unique_ptr<dvd::FeatureNetwork>(const dvd::Protocol&, const std::string& weights, bool force)>
      open_network;
};

/// In machine_*.cpp.
template <class T, class D>
Machine machine();

}  // namespace examples
