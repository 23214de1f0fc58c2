// What a network says of clips, asked by all ranks.
#pragma once

#include <dvd/metrics/feature_sample.hpp>

#include "spread.hpp"

namespace examples {

/// What the network of `sampler` says of `count` clips, `batch` at a time: on rank 0 the sample that one process would
/// gather, to the last bit; on the others an empty one. `make(first, some)` makes clips number first .. first + some -
/// 1, `[T, some, H, W, C]`, and their classes, or none, as a pair; `show(done)` is told on rank 0 how far they are.
/// What one rank throws, all throw.
template <class Make, class Show>
dvd::FeatureSample spread_sample(Ranks& ranks, dvd::FeatureSampler sampler, dvd::Index count, dvd::Index batch,
                                 const Make& make, const Show& show) {
  spread_batches(
      ranks, count, batch,
      [&](dvd::Index first, dvd::Index some) {
        const auto [videos, labels] = make(first, some);
        dvd::ClipFeatures said = sampler.look(videos);
        return std::tuple(std::move(said.features.values), std::move(said.logits.values), labels);
      },
      [&](auto made, dvd::Index done) {
        auto& [features, logits, labels] = made;
        const dvd::Index some = done - sampler.clips();
        const auto rows = [&](std::vector<double>& values) {
          const dvd::Index dimensions = static_cast<dvd::Index>(values.size()) / some;
          return dvd::FeatureRows{dimensions, std::move(values)};
        };
        sampler.add(dvd::ClipFeatures{rows(features), rows(logits)}, labels);
        show(done);
      });
  return sampler.take();
}

}  // namespace examples
