// ConvGRUs other than DVD-GAN's.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include "dvd/layers/conv_gru.hpp"
#include "dvd/layers/unnormalized.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// The unit of Ballas, Yao, Pal, Courville 2016: weights as they are, the candidate a tanh; see ConvolutionalGRU.
/// (Their u is the share of the candidate, not of the state before: it is 1 - u here.)
template <Scalar T, Device D = Cpu>
using PlainConvGRU = ConvolutionalGRU<GruCandidate::tanh, Unnormalized, T, D>;

/// Spectrally normalised, the candidate a tanh.
template <Scalar T, Device D = Cpu>
using TanhConvGRU = ConvolutionalGRU<GruCandidate::tanh, SpectralNorm, T, D>;

static_assert(RecurrentUnit<PlainConvGRU<float>> && RecurrentUnit<TanhConvGRU<float>>);

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
