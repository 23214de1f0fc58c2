// Augmentation in front of all discriminators.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include "dvd/layers/augmentation.hpp"
#include "dvd/models/video_gan.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// What discriminators are given of a batch: its videos augmented, or as they are where nothing is switched on.
template <Scalar T, Device D>
VideoBatch<T, D> augmented(const Augmentation<T, D>& augmentation, VideoBatch<T, D> batch, const Pass& pass,
                           typename Augmentation<T, D>::Cache* cache = nullptr) {
  if (augmentation.options().any()) batch.videos = augmentation.forward(batch.videos, pass, cache);
  return batch;
}

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
