// A layer whose weight cannot be made ready, under spectral normalisation.
// expect: WeightedLayer
// expect: packed_weight
#include "dvd/layers/linear.hpp"
#include "dvd/layers/spectral_norm.hpp"

struct Unpacked : dvd::Linear<float> {
  using dvd::Linear<float>::Linear;
#ifndef LEGAL
  void packed_weight() = delete;
#endif
};

using Layer = dvd::SpectralNorm<Unpacked>;
