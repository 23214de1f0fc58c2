// On a GPU.
#include <dvd/device/cuda.hpp>

#include "score_networks_of.hpp"

namespace examples {
template std::unique_ptr<dvd::FeatureNetwork> open_score_network<dvd::Cuda>(const dvd::Protocol&, const std::string&,
                                                                            bool);
}
