// An optimizer whose learning rate cannot be scaled.
// expect: OptimizerFor
// expect: scale_learning_rate
#include "dvd/training/trainer.hpp"

struct Fixed : dvd::Adam<float> {
  using dvd::Adam<float>::Adam;
#ifndef LEGAL
  void scale_learning_rate() = delete;
#endif
};

using Trainer = dvd::Trainer<dvd::DvdGan<float>, dvd::HingeLoss, Fixed>;
