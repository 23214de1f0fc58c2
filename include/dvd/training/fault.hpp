// Where an update went wrong.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <string>
#include <vector>

#include "dvd/core/finite.hpp"
#include "dvd/training/update_batch.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// Names where the first value arose that is not finite, in an update whose gradients are not: a weight that was so
/// before; else a layer's result, for which the forward passes run again (and move buffers); else a gradient.
/// `networks` are the contents of the generator and of the discriminators, in their order.
template <VideoGan Gan, class T = typename Gan::scalar_type, class D = typename Gan::device_type>
std::string find_fault(Gan& gan, const std::vector<const Contents<FullPrecision<T>, D>*>& networks,
                       const std::vector<UpdateBatch<T, D>>& parts) {
  for (const auto* network : networks)
    if (const std::string name = first_non_finite(*network); !name.empty()) return name + ": its values";
  LayerWatch watch;
  for (const UpdateBatch<T, D>& part : parts) {
    Pass pass = pass_for(part, parts);
    pass.watch = &watch;
    VideoBatch<T, D> videos = part.videos(gan.networks().generate(part.z, part.conditions, pass));
    std::size_t sampler = 0;
    gan.for_each_discriminator([&](const std::string&, auto& discriminator) {
      using Discriminator = std::remove_reference_t<decltype(discriminator)>;
      if constexpr (FrameSamplingDiscriminator<Discriminator>) videos.frames = part.frames(sampler++);
      discriminator.forward(videos, pass);
    });
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
