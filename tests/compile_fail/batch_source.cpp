// A source of ready batches that gives none.
// expect: BatchSource
// expect: batch
#include "dvd/training/trainer.hpp"

struct Batches {
  std::vector<dvd::LabelledClip> clips;
#ifdef LEGAL
  std::vector<dvd::LabelledClip> batch(dvd::Index) { return clips; }
#endif
};

template <dvd::BatchSource Data>
void train_on(dvd::Trainer<dvd::DvdGan<float>>& trainer, Data& data) {
  trainer.step(data);
}

void train(dvd::Trainer<dvd::DvdGan<float>>& trainer, Batches& data) { train_on(trainer, data); }
