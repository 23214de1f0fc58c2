// Where an update went wrong.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <string>
#include <vector>

#include "dvd/core/finite.hpp"
#include "dvd/training/augmented_videos.hpp"
#include "dvd/training/batch_parts.hpp"
#include "dvd/training/gan_networks.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// Names a weight that is not finite; empty if there is none. `networks` are the contents of the generator and of the
/// discriminators.
template <class P, class D>
std::string find_weight_fault(const std::vector<const Contents<P, D>*>& networks) {
  for (const auto* network : networks)
    if (const std::string name = first_non_finite(*network); !name.empty()) return name + ": its values";
  return {};
}

/// Names where the first value arose that is not finite, in an update of sound weights: a layer's result, for which the
/// forward passes of shard `shard` run again (and move buffers); else statistics. Empty if none is found, as where
/// gradients alone are not finite, or what regularizers compute, which are not run. `networks` are the contents of the
/// generator and of the discriminators of `gan`, in their order; `augmentation` is what the latter see videos through.
template <VideoGan Gan, class T = typename Gan::scalar_type, class D = typename Gan::device_type>
std::string find_fault(GanNetworks<Gan>& gan, const std::vector<const Contents<FullPrecision<T>, D>*>& networks,
                       const Augmentation<T, D>& augmentation, const BatchParts<T, D>& batch, Index shard,
                       const BatchExchange* exchange) {
  LayerWatch watch;
  for (Index number = 0; number < batch.parts(); ++number) {
    const UpdateBatch<T, D>& part = batch.at(number, shard);
    Pass pass = batch.pass(number, shard, exchange);
    pass.watch = &watch;
    VideoBatch<T, D> videos =
        augmented(augmentation, part.videos(gan.networks().generate(part.z, part.conditions, pass)), pass);
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
  return {};
}

/// Names the gradient that is not finite.
template <class P, class D>
std::string find_gradient_fault(const std::vector<const Contents<P, D>*>& networks) {
  for (std::size_t i = networks.size(); i-- > 0;)
    if (const std::string name = first_non_finite_gradient(*networks[i]); !name.empty()) return name + ": its gradient";
  return "scores, or norms of gradients, too large for a number";
}

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
