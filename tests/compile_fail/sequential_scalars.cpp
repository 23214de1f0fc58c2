// Layers of different scalars in one Sequential.
// expect: same_as
// expect: scalar_type
#include "dvd/device/cpu.hpp"
#include "dvd/layers/activation.hpp"
#include "dvd/layers/sequential.hpp"

#ifdef LEGAL
using Network = dvd::Sequential<dvd::ReLU<double>, dvd::Tanh<double>>;
#else
using Network = dvd::Sequential<dvd::ReLU<double>, dvd::Tanh<float>>;
#endif
