// The definition behind score_networks.hpp.
#pragma once

#include <dvd/metrics/c3d_features.hpp>
#include <dvd/metrics/i3d_features.hpp>
#include <dvd/metrics/shapes_features.hpp>
#include <dvd/metrics/shapes_weights.hpp>

#include "score_networks.hpp"

namespace examples {

template <class D>
std::unique_ptr<dvd::FeatureNetwork> open_score_network(const dvd::Protocol& protocol, const std::string& weights,
                                                        bool force) {
  if (protocol.network == dvd::ScoreNetwork::shapes) {
    if (weights.empty()) return std::make_unique<dvd::ShapesFeatures<float, D>>(dvd::shapes_classifier());
    return std::make_unique<dvd::ShapesFeatures<float, D>>(dvd::SafetensorsFile(weights), weights);
  }
  const std::string wanted(dvd::word_for(protocol.network));
  dvd::require(!weights.empty(), "the protocol ", protocol.name, " needs the weights of ", wanted,
               "; give --weights F (of train_ucf101: --evaluate-weights F), a file that convert_weights has written "
               "(docs/scores.md says from what)");
  if (protocol.network == dvd::ScoreNetwork::c3d_ucf101)
    return std::make_unique<dvd::C3dFeatures<float, D>>(
        weights,
        dvd::C3dFeaturesOptions{.input = protocol.preprocessing == dvd::Preprocessing::tgan ? dvd::C3dInput::tgan
                                                                                            : dvd::C3dInput::tganv2});
  auto network = std::make_unique<dvd::I3dFeatures<float, D>>(
      weights, dvd::I3dFeaturesOptions{.resize = protocol.preprocessing == dvd::Preprocessing::half_pixel
                                                     ? dvd::ResizeRule::half_pixel
                                                     : dvd::ResizeRule::corner_origin});
  dvd::require(force || "i3d " + network->variant() == wanted, weights, " holds ", network->description(), " (",
               network->variant(), "), and the protocol ", protocol.name, " needs ", wanted,
               "; its scores could not be compared with any of that name (--force computes them all the same)");
  return network;
}

}  // namespace examples
