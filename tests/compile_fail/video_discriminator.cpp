// A discriminator that has no backward pass, for a Gan.
// expect: VideoDiscriminator
// expect: backward
#include "dvd/models/gan.hpp"
#include "support/gan_archetypes.hpp"

struct Judge : dvd::testing::ArchetypeDiscriminator {
#ifndef LEGAL
  void backward() = delete;
#endif
};

using Named = dvd::NamedDiscriminator<Judge>;
