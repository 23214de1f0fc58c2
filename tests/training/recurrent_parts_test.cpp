// DVD-GANs with other recurrent units train, and recomputing what they computed changes no bit.
#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include "dvd/data/moving_shapes.hpp"
#include "dvd/device/cpu.hpp"
#include "dvd/layers/conv_lstm.hpp"
#include "dvd/layers/plain_conv_gru.hpp"
#include "dvd/training/trainer.hpp"

namespace {

using namespace dvd;

struct WithConvLSTM : DvdGanParts<float> {
  using Recurrent = ConvLSTM<float>;
};
struct WithPlainConvGRU : DvdGanParts<float> {
  using Recurrent = PlainConvGRU<float>;
};

// All parameters after two steps.
template <class Parts>
std::vector<std::vector<float>> trained(const DvdGanConfig& config, bool recompute) {
  using Gan = DvdGan<float, Cpu, Parts>;
  Gan gan(config, 7);
  gan.generator.recompute = recompute;
  const auto all = contents(gan.networks());
  std::vector<std::vector<float>> before, after;
  for (const auto& [name, parameter] : all.parameters) before.push_back(parameter->value.to_vector());
  MovingShapes data({.frames = config.video_frames(), .resolution = config.resolution});
  Trainer<Gan> trainer(gan, {.batch = 2, .seed = 3});
  for (int step = 0; step < 2; ++step) {
    const StepReport report = trainer.step(data);
    CHECK_FALSE(report.skipped);
    CHECK(std::isfinite(report.generator_loss));
  }
  for (const auto& [name, parameter] : all.parameters) {
    after.push_back(parameter->value.to_vector());
    CHECK_MESSAGE(after.back() != before[after.size() - 1], name);
  }
  return after;
}

const DvdGanConfig small = {.frames = 3,
                            .resolution = 16,
                            .channels = 1,
                            .classes = 12,
                            .latent_dim = 6,
                            .embed_dim = 5,
                            .spatial_frames = 2,
                            .condition_frames = 2};

TEST_CASE("a ConvLSTM, whose first state comes from the frames before") {
  CHECK(trained<WithConvLSTM>(small, false) == trained<WithConvLSTM>(small, true));
}

TEST_CASE("a ConvGRU with weights as they are") {
  DvdGanConfig config = small;
  config.condition_frames = 0;
  CHECK(trained<WithPlainConvGRU>(config, false) == trained<WithPlainConvGRU>(config, true));
}

}  // namespace
