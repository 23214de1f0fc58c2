// A GAN without a moving average, in a Trainer.
// expect: VideoGan
// expect: average
#include "dvd/training/trainer.hpp"
#include "support/gan_archetypes.hpp"

struct Gan {
  using scalar_type = float;
  using device_type = dvd::Cpu;

  dvd::testing::ArchetypeGenerator generator;
#ifdef LEGAL
  dvd::testing::ArchetypeGenerator average;
#endif
  dvd::testing::ArchetypeDiscriminator discriminator;

  dvd::testing::ArchetypeGenerator& networks() { return generator; }

  template <class F>
  void for_each_discriminator(F&& f) {
    f("only", discriminator);
  }

  template <class F>
  void visit(const std::string& prefix, F& f) {
    generator.visit(prefix, f);
  }
};

using Trainer = dvd::Trainer<Gan>;
