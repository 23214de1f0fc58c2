// The training run that a fuzz target goes on with and a seed is a checkpoint of.
#pragma once

#include "dvd/dvdgan.hpp"

namespace fuzz {

inline dvd::DvdGanConfig tiny_config() {
  return {.frames = 2, .resolution = 8, .channels = 1, .classes = 3, .latent_dim = 4, .embed_dim = 2};
}

struct TinyTraining {
  dvd::DvdGan<float> gan{tiny_config()};
  dvd::Trainer<dvd::DvdGan<float>> trainer{gan, {.batch = 1}};
};

}  // namespace fuzz
