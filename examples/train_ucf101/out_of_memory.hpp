// What to do where a batch does not fit into a GPU.
#pragma once

#include <algorithm>
#include <dvd/core/shape.hpp>
#include <dvd/device/cuda/memory.hpp>
#include <string>

namespace examples {

/// Names the batch above which none would fit, in the proportion of the memory that is there to what was wanted: an
/// estimate on the high side, since what the rest of the step would have wanted is not known, so that at most half a
/// batch is proposed. Empty where that is no smaller batch. `micro_batch` 0 means that batches are not put through in
/// parts.
inline std::string smaller_batch(const dvd::cuda::OutOfMemory& error, dvd::Index batch, dvd::Index micro_batch) {
  const dvd::Index at_once = micro_batch > 0 ? std::min(batch, micro_batch) : batch;
  const double part = static_cast<double>(error.available) / std::max(static_cast<double>(error.needed), 1.0);
  const auto most =
      std::max(static_cast<dvd::Index>(static_cast<double>(at_once) * std::min(part, 1.0)), dvd::Index{1});
  if (most >= at_once) return "";
  const dvd::Index proposed = std::min(most, std::max(at_once / 2, dvd::Index{1}));
  return dvd::concat("; by an estimate a batch of at most ", most, " would fit: go on with --resume and --batch ",
                     proposed, " or --micro-batch ", proposed);
}

}  // namespace examples
