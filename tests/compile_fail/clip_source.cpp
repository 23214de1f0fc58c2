// A data set that does not name its classes.
// expect: ClipSource
// expect: class_names
#include "dvd/device/cpu.hpp"
#include "dvd/training/trainer.hpp"

struct Data {
  dvd::LabelledClip draw(const dvd::Random&) const { return {dvd::Clip(2, 16, 16), 0}; }
  dvd::Index classes() const { return 1; }
#ifdef LEGAL
  std::vector<std::string> class_names() const { return {"only"}; }
#endif
};

void train(dvd::Trainer<dvd::DvdGan<float>>& trainer, Data& data) { trainer.step(data); }
