// What updates of a GAN are made from, as its networks tell it.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <cstddef>
#include <string>
#include <type_traits>

#include "dvd/models/video_gan.hpp"
#include "dvd/training/regularizer.hpp"
#include "dvd/training/score_gradients.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// What an update of a GAN must fit.
struct ExpectedInputs {
  VideoSizes sizes;
  std::size_t samplers = 0;                ///< discriminators that sample frames
  bool real_videos_for_generator = false;  ///< whether an update of the generator takes real videos
  bool real_videos_apart = false;          ///< whether a discriminator has a regularizer, which sees them alone
  /// For a generator with a regularizer the videos that an update makes of each real one, which it is compared with; 0
  /// without one.
  Index samples = 0;
  Index shards = 0;  ///< of this rank, where ranks share a batch; 0 where nobody does
};

/// That of a GAN whose discriminators are trained by `Loss` unless they name their own. Throws ArgumentError where the
/// generator's regularizer has nothing to compare with.
template <VideoGan Gan, AnyGanLoss Loss>
ExpectedInputs expected_inputs(Gan& gan) {
  using Networks = std::remove_cvref_t<decltype(gan.networks())>;
  ExpectedInputs expected{gan.networks().sizes()};
  gan.for_each_discriminator([&]<class X>(const std::string&, X&) {
    expected.samplers += FrameSamplingDiscriminator<X>;
    expected.real_videos_for_generator |= PairedGanLoss<LossOf<X, Loss>>;
    if constexpr (detail::NamesRegularizer<X>) {
      static_assert(DiscriminatorRegularizer<detail::RegularizerOf<X>, X>,
                    "what a discriminator calls its regularizer is no DiscriminatorRegularizer for it");
      expected.real_videos_apart = true;
    }
  });
  if constexpr (detail::NamesRegularizer<Networks>) {
    static_assert(GeneratorRegularizer<detail::RegularizerOf<Networks>, Networks>,
                  "what a generator calls its regularizer is no GeneratorRegularizer for it");
    detail::with_regularizer(gan.networks(), [&](const auto& regularizer) {
      expected.samples = regularizer.samples();
      require(expected.samples >= 1, "a regularizer of a generator compares at least one video with a true one, not ",
              expected.samples);
      require(expected.sizes.given_something(), "the generator's regularizer compares what is made with what really ",
              "follows, but this generator is given nothing of a real video: no frames and no vectors");
    });
  }
  return expected;
}

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
