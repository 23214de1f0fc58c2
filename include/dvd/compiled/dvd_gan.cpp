// Compiles DVD-GAN for float, its training and its pictures: a source of dvd::compiled, whose kernels it uses.
#ifndef DVD_COMPILED
#define DVD_COMPILED
#endif
#include "dvd/dvdgan.hpp"

template class dvd::DvdGan<float>;
template class dvd::Updates<dvd::DvdGan<float>, dvd::HingeLoss, dvd::Adam<float>, dvd::Adam<float>>;
template class dvd::Trainer<dvd::DvdGan<float>>;
template void dvd::write_png_grid(const std::filesystem::path&, const dvd::Tensor<float>&, dvd::ColorMap);
