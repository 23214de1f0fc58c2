// A frame sampler that has no `draw`.
// expect: FrameSampling
// expect: draw
#include "dvd/device/cpu.hpp"
#include "dvd/models/dvd_gan.hpp"

struct FirstFrames {
  static dvd::FrameIndices first(dvd::Index videos, dvd::Index count) {
    dvd::FrameIndices frames{videos, count, {}};
    for (dvd::Index video = 0; video < videos; ++video)
      for (dvd::Index t = 0; t < count; ++t) frames.values.push_back(t);
    return frames;
  }
#ifdef LEGAL
  static dvd::FrameIndices draw(const dvd::Random&, dvd::Index videos, dvd::Index, dvd::Index count) {
    return first(videos, count);
  }
#endif
};

struct Parts : dvd::DvdGanParts<float> {
  using Sampler = FirstFrames;
};

using Gan = dvd::DvdGan<float, dvd::Cpu, Parts>;
