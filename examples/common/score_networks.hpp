// The networks that score protocols name, with their weights, on a device.
#pragma once

#include <dvd/metrics/feature_network.hpp>
#include <dvd/metrics/protocol.hpp>
#include <memory>
#include <string>

namespace examples {

/// The network of a protocol with the weights of a file as convert_weights writes it; empty: those that come with the
/// library, of the network of moving shapes. Always in float: a score's digits are not to be saved on. Compiled for
/// each device in score_networks_*.cpp.
///
/// Throws ArgumentError where weights are missing, of another network or, unless `force`, of another training than the
/// protocol asks for; FileError where the file is damaged.
template <class D>
std::unique_ptr<dvd::FeatureNetwork> open_score_network(const dvd::Protocol& protocol, const std::string& weights,
                                                        bool force);

}  // namespace examples
