// A loss without the generator's term.
// expect: GanLoss
// expect: generator
#include "dvd/device/cpu.hpp"
#include "dvd/models/dvd_gan.hpp"
#include "dvd/training/trainer.hpp"

struct Loss {
  template <class T>
  static std::pair<T, T> real(T score) {
    return {-score, -1};
  }
  template <class T>
  static std::pair<T, T> fake(T score) {
    return {score, 1};
  }
#ifdef LEGAL
  template <class T>
  static std::pair<T, T> generator(T score) {
    return {-score, -1};
  }
#endif
};

using Trainer = dvd::Trainer<dvd::DvdGan<float>, Loss>;
