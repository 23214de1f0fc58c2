// On the CPU.
#include "score_networks_of.hpp"

namespace examples {
template std::unique_ptr<dvd::FeatureNetwork> open_score_network<dvd::Cpu>(const dvd::Protocol&, const std::string&,
                                                                           bool);
}
