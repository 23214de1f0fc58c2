// A data set that draws something else than clips.
// expect: ClipSource
// expect: TrainingClip
#include "dvd/device/cpu.hpp"
#include "dvd/training/trainer.hpp"

struct Data {
#ifdef LEGAL
  dvd::FloatClip draw(const dvd::Random&) const { return dvd::FloatClip(2, 16, 16); }
#else
  std::vector<float> draw(const dvd::Random&) const { return std::vector<float>(1536); }
#endif
};

template <dvd::ClipSource Source>
void train_on(dvd::Trainer<dvd::DvdGan<float>>& trainer, Source& data) {
  trainer.step(data);
}

void train(dvd::Trainer<dvd::DvdGan<float>>& trainer, Data& data) { train_on(trainer, data); }
