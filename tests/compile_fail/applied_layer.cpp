// A layer with a weight that it is not applied to, run under spectral normalisation.
// expect: AppliedLayer
// expect: apply_backward
#include "dvd/layers/convolution.hpp"
#include "dvd/layers/spectral_norm.hpp"

struct OneWay : dvd::Conv2D<float> {
  using dvd::Conv2D<float>::Convolution;
#ifndef LEGAL
  void apply_backward() = delete;
#endif
};

dvd::Tensor<float> run(dvd::SpectralNorm<OneWay>& layer, const dvd::Tensor<float>& x) {
  return layer.forward(x, dvd::Pass::evaluate());
}
