// Where an update went wrong.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <array>
#include <string>
#include <vector>

#include "dvd/core/finite.hpp"
#include "dvd/training/inputs.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// Names where the first value arose that is not finite, in an update whose gradients are not: a weight that was so
/// before; else a layer's result, for which the forward passes run again (and move buffers); else a gradient.
/// `networks` are the contents of generator, spatial and temporal discriminator.
template <class Gan, class Batch>
std::string find_fault(
    Gan& gan,
    const std::array<const Contents<FullPrecision<typename Gan::scalar_type>, typename Gan::device_type>*, 3>& networks,
    const std::vector<Batch>& parts) {
  for (const auto* network : networks)
    if (const std::string name = first_non_finite(*network); !name.empty()) return name + ": its values";
  LayerWatch watch;
  for (const Batch& part : parts) {
    Pass pass = pass_for(part, parts);
    pass.watch = &watch;
    const auto videos = part.judged(gan.generate(part.z, part.labels, part.condition, pass));
    gan.spatial.forward(videos, part.judged_labels, part.judged_frames, pass);
    gan.temporal.forward(videos, part.judged_labels, pass);
  }
  for (const auto* network : networks)
    if (const std::string name = watch.first(*network); !name.empty())
      return name.substr(0, name.rfind(".weight")) + ": its result";
  for (const auto* network : networks)
    if (const std::string name = first_non_finite_buffer(*network); !name.empty()) return name + ": its statistics";
  for (std::size_t i = networks.size(); i-- > 0;)
    if (const std::string name = first_non_finite_gradient(*networks[i]); !name.empty()) return name + ": its gradient";
  return "scores, or norms of gradients, too large for a number";
}

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
