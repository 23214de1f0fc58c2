// Updates by hand from what fits and what does not: an update works or is refused with a line, and has then changed
// and counted nothing.
#include <doctest/doctest.h>

#include <algorithm>
#include <array>

#include "dvd/training/trainer.hpp"
#include "support/fuzz.hpp"

namespace {

using namespace dvd;
using dvd::testing::attempt;
using dvd::testing::Fuzz;
using dvd::testing::tries;

using Gan = DvdGan<float>;

constexpr Index batch = 2, classes = 3;

DvdGanConfig small(Index condition_frames) {
  return {.frames = 2,
          .resolution = 16,
          .channels = 1,
          .classes = classes,
          .latent_dim = 4,
          .embed_dim = 3,
          .spatial_frames = 2,
          .condition_frames = condition_frames};
}

bool are_labels(const Labels& labels, Index videos) {
  return static_cast<Index>(labels.size()) == videos &&
         std::ranges::all_of(labels, [](Index label) { return label >= 0 && label < classes; });
}

FrameIndices draw_frames(Fuzz& fuzz) {
  FrameIndices frames{batch, 2, {0, 1, 1, 1}};
  if (fuzz.chance(8)) frames = {batch, 1, {1, 0}};
  if (fuzz.chance(4)) frames.values.pop_back();
  if (fuzz.chance(4)) frames.values[0] = fuzz.one_of<Index>({-1, 2, INT64_MAX, INT64_MIN});
  if (fuzz.chance(4)) frames.count = fuzz.one_of<Index>({-1, 0, 3, INT64_MAX, INT64_MIN, Index{1} << 62});
  if (fuzz.chance(4)) frames.videos = fuzz.one_of<Index>({-1, 0, 1, 3, INT64_MAX, INT64_MIN});
  return frames;
}

bool are_frames(const FrameIndices& frames, Index videos) {
  return frames.videos == videos && (frames.count == 1 || frames.count == 2) &&
         static_cast<Index>(frames.values.size()) == videos * frames.count &&
         std::ranges::all_of(frames.values, [](Index frame) { return frame >= 0 && frame < 2; });
}

// How many videos there are, or none.
Index videos_of(const ConstTensorView<float>& videos, Index frames) {
  if (!videos || videos.shape().rank() != 5) return 0;
  return videos.shape() == Shape{frames, videos.extent(1), 16, 16, 3} ? videos.extent(1) : 0;
}
Index latents_of(const ConstTensorView<float>& z) {
  return z && z.shape().rank() == 2 && z.extent(1) == 4 ? z.extent(0) : 0;
}

// An update, which the optimizer counts exactly if it works.
template <class Update>
void check_update(const std::string& name, Gan& gan, Trainer<Gan>& trainer, bool fits, const Update& update) {
  const auto counts = [&] {
    return std::array{trainer.steps(), trainer.generator_optimizer().steps(),
                      trainer.discriminator_optimizer().steps()};
  };
  const auto before = counts();
  const auto done = attempt(name, gan, fits, [&] {
    StepReport report;
    update(report);
    return report;
  });
  if (done) {
    CHECK_FALSE(done->skipped);
    CHECK(counts() != before);
  } else {
    CHECK(counts() == before);
  }
}

void fuzz_updates(Index given) {
  const DvdGanConfig config = small(given);
  Fuzz fuzz(concat("updates, ", given, " frames given"));
  Gan gan(config);
  Trainer trainer(gan);
  for (int i = 0; i < tries(40); ++i) {
    DiscriminatorInputs<float> inputs;
    inputs.real = fuzz.chance(80) ? fuzz.exact_view<float>({given + 2, batch, 16, 16, 3})
                                  : fuzz.view<float>({given + 2, batch, 16, 16, 3});
    inputs.z = fuzz.chance(80) ? fuzz.exact_view<float>({batch, 4}) : fuzz.view<float>({batch, 4});
    inputs.real_labels = fuzz.labels(batch, classes);
    inputs.labels = fuzz.labels(batch, classes);
    inputs.real_frames = draw_frames(fuzz);
    inputs.frames = draw_frames(fuzz);
    const Index real = videos_of(inputs.real, given + 2), fake = latents_of(inputs.z);
    const bool fits = real > 0 && fake > 0 && (given == 0 || real == fake) && are_labels(inputs.real_labels, real) &&
                      are_labels(inputs.labels, fake) && are_frames(inputs.real_frames[0], real) &&
                      are_frames(inputs.frames[0], fake) && inputs.real_frames[0].count == inputs.frames[0].count;
    check_update("an update of the discriminators", gan, trainer, fits,
                 [&](StepReport& report) { trainer.discriminator_update(inputs, report); });

    GeneratorInputs<float> of_generator{inputs.z, inputs.labels, inputs.frames};
    if (fuzz.chance(given > 0 ? 95 : 5)) {
      const Shape right{std::max<Index>(given, 1), batch, 16, 16, 3};
      of_generator.condition = fuzz.chance(80) ? fuzz.exact_view<float>(right) : fuzz.view<float>(right);
    }
    const bool generator_fits =
        fake > 0 && are_labels(of_generator.labels, fake) && are_frames(of_generator.frames[0], fake) &&
        (given > 0 ? videos_of(of_generator.condition, given) == fake : !of_generator.condition);
    check_update("an update of the generator", gan, trainer, generator_fits,
                 [&](StepReport& report) { trainer.generator_update(of_generator, report); });
    if (!fuzz.chance(20)) continue;
    std::vector<DiscriminatorInputs<float>> parts;
    for (Index count = fuzz.below(3); count > 0; --count) parts.push_back(inputs);
    check_update("an update in parts", gan, trainer, fits && !parts.empty(),
                 [&](StepReport& report) { trainer.discriminator_update(parts, report); });
  }
}

TEST_CASE("a count of frames that overflows, times the videos, to the number of indices is refused") {
  const Labels labels{0, 1, 2, 0};
  const FrameIndices frames{4, (Index{1} << 62) + 1, {0, 1, 1, 0}};
  const GeneratorInputs<float> inputs{Tensor<float>::zeros({4, 4}), labels, frames};
  const ExpectedInputs expected{Gan(small(0)).networks().sizes(), 1};
  CHECK_THROWS_WITH_AS(check_inputs(expected, inputs), doctest::Contains("an update expects"), ArgumentError);
}

TEST_CASE("updates of a model that makes videos from nothing") { fuzz_updates(0); }
TEST_CASE("updates of a model that continues videos") { fuzz_updates(1); }

}  // namespace
