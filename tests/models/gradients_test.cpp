// The gradients of the whole networks against central differences.
#include <doctest/doctest.h>

#include "dvd/device/cpu.hpp"
#include "dvd/layers/tsru.hpp"
#include "dvd/models/generator_networks.hpp"
#include "dvd/models/spatial_discriminator.hpp"
#include "dvd/models/temporal_discriminator.hpp"
#include "support/gradient_check.hpp"

namespace {

using namespace dvd;
using dvd::testing::check_gradients;
using dvd::testing::check_pass;
using dvd::testing::Doubles;
using dvd::testing::random_tensor;

using Inputs = std::vector<Doubles>;

const Random random_weights(1);
constexpr int samples = 8;  // elements of every tensor; a network has some fifty

DvdGanConfig small(Index frames) {
  return {.frames = frames,
          .resolution = 16,
          .channels = 1,
          .classes = 3,
          .latent_dim = 4,
          .embed_dim = 3,
          .spatial_frames = 2};
}

// One stage, from a base with odd sides; grey; without classes.
DvdGanConfig unconditional(Index frames) {
  return {.frames = frames,
          .height = 10,
          .width = 14,
          .image_channels = 1,
          .channels = 1,
          .classes = 0,
          .latent_dim = 4,
          .spatial_frames = 2};
}

// Two stages, from a base with an odd side; four channels; multipliers of its own.
DvdGanConfig rectangular(Index frames) {
  return {.frames = frames,
          .height = 20,
          .width = 16,
          .image_channels = 4,
          .channels = 1,
          .classes = 3,
          .latent_dim = 4,
          .embed_dim = 3,
          .spatial_frames = 2,
          .generator_multipliers = {3, 2, 2},
          .discriminator_multipliers = {2, 3, 3}};
}

// Shape of `frames` frames of two videos.
Shape two_videos(const DvdGanConfig& config, Index frames) {
  return {frames, 2, config.image_height(), config.image_width(), config.image_channels};
}

// Labels of two videos; none where there are no classes.
Labels labels_of(const DvdGanConfig& config, const Labels& labels) { return config.classes > 0 ? labels : Labels(); }

TEST_CASE("projection head") {
  for (const Index classes : {0, 1, 4}) {
    ProjectionHead<double> head(5, classes, random_weights);
    const Doubles x = random_tensor({3, 4, 2, 3, 5}, Random(2));
    const Labels labels = classes == 0 ? Labels() : classes == 1 ? Labels{0, 0, 0, 0} : Labels{3, 1, 1, 0};
    ProjectionHead<double>::Cache cache;
    check_gradients("projection head", {{x},
                                        contents(head),
                                        [&](const Inputs& inputs, Pass pass, bool keep) {
                                          return head.forward(inputs[0], labels, pass, keep ? &cache : nullptr);
                                        },
                                        [&](const Doubles& dy, Gradients gradients) {
                                          return std::vector{head.backward(dy, cache, gradients)};
                                        }});
  }
}

void check_generator(const DvdGanConfig& config, bool with_states) {
  Generator<double> network(config, random_weights);
  const Doubles z = random_tensor({2, config.latent_dim}, Random(2));
  const Labels labels = labels_of(config, {2, 0});
  Inputs all_inputs{z};
  if (with_states)
    for (std::size_t i = 0; i < network.stages.size(); ++i)
      all_inputs.push_back(random_tensor(network.state_shape(i, 2), Random(3).stream(i)));
  Generator<double>::Cache cache;
  check_gradients(
      "generator",
      {all_inputs, contents(network),
       [&](const Inputs& inputs, Pass pass, bool keep) {
         return network.forward(inputs[0], labels, pass, keep ? &cache : nullptr, {inputs.begin() + 1, inputs.end()});
       },
       [&](const Doubles& dy, Gradients gradients) {
         const auto result = network.backward(dy, cache, gradients);
         std::vector<Doubles> all{result.z};
         if (with_states) all.insert(all.end(), result.states.begin(), result.states.end());
         return all;
       },
       false},
      samples);
}

TEST_CASE("generator") {
  check_generator(small(2), false);
  DvdGanConfig nearest = small(2);
  nearest.upsample = Upsampling::nearest;
  check_generator(nearest, true);
  check_generator(unconditional(2), false);
  check_generator(unconditional(2), true);
  check_generator(rectangular(2), true);
}

TEST_CASE("generator of other numbers of frames than its configuration's") {
  for (const bool recompute : {false, true})
    for (const Index frames : {1, 4}) {
      const DvdGanConfig config = unconditional(2);
      Generator<double> network(config, random_weights);
      network.recompute = recompute;
      const Doubles z = random_tensor({2, config.latent_dim}, Random(2));
      Generator<double>::Cache cache;
      check_pass(concat("generator of ", frames, " frames"),
                 {{z},
                  contents(network),
                  [&](const Inputs& inputs, Pass pass, bool keep) {
                    return network.forward(inputs[0], {}, pass, keep ? &cache : nullptr, {}, frames);
                  },
                  [&](const Doubles& dy, Gradients gradients) {
                    return std::vector{network.backward(dy, cache, gradients).z};
                  },
                  false},
                 Pass::evaluate());
    }
}

void check_prediction(DvdGanConfig config) {
  config.condition_frames = 3;
  using Networks = GeneratorNetworks<Generator<double>>;
  Networks networks(config, random_weights);
  const Doubles z = random_tensor({2, config.latent_dim}, Random(2)),
                condition = random_tensor(two_videos(config, 3), Random(4), 0.5);
  const Labels labels = labels_of(config, {2, 0});
  Networks::Cache cache;
  check_gradients("generator that predicts",
                  {{z, condition},
                   contents(networks),
                   [&](const Inputs& inputs, Pass pass, bool keep) {
                     return networks.generate(inputs[0], labels, inputs[1], pass, keep ? &cache : nullptr);
                   },
                   [&](const Doubles& dy, Gradients gradients) {
                     const auto result = networks.backward(dy, cache, gradients);
                     return std::vector{result.z, result.condition};
                   },
                   false},
                  samples);
}

TEST_CASE("generator with a conditioning stack") {
  check_prediction(small(2));
  check_prediction(unconditional(2));
  check_prediction(rectangular(2));
}

void check_attention(const DvdGanConfig& config) {
  using Network = Generator<double, Cpu, TSRU<double>, SeparableAttention<double>>;
  Network network(config, random_weights);
  const Doubles z = random_tensor({2, config.latent_dim}, Random(2));
  const Labels labels = labels_of(config, {2, 0});
  Network::Cache cache;
  check_gradients(
      "generator",
      {{z},
       contents(network),
       [&](const Inputs& inputs, Pass pass, bool keep) {
         return network.forward(inputs[0], labels, pass, keep ? &cache : nullptr);
       },
       [&](const Doubles& dy, Gradients gradients) { return std::vector{network.backward(dy, cache, gradients).z}; },
       false},
      samples);

  const Doubles video = random_tensor(two_videos(config, 4), Random(2), 0.5);
  const FrameIndices frames{2, 2, {0, 2, 1, 3}};
  using Spatial = SpatialDiscriminator<double, Cpu, SelfAttention<double>>;
  Spatial spatial(config, random_weights);
  Spatial::Cache spatial_cache;
  check_gradients("spatial discriminator",
                  {{video},
                   contents(spatial),
                   [&](const Inputs& inputs, Pass pass, bool keep) {
                     return spatial.forward({inputs[0], labels, frames}, pass, keep ? &spatial_cache : nullptr);
                   },
                   [&](const Doubles& dy, Gradients gradients) {
                     return std::vector{spatial.backward(dy, spatial_cache, gradients)};
                   }},
                  samples);
  using Temporal = TemporalDiscriminator<double, Cpu, RandomHalfCrop<double>, SeparableAttention<double>>;
  Temporal temporal(config, random_weights);
  Temporal::Cache temporal_cache;
  check_gradients("temporal discriminator",
                  {{video},
                   contents(temporal),
                   [&](const Inputs& inputs, Pass pass, bool keep) {
                     return temporal.forward({inputs[0], labels}, pass, keep ? &temporal_cache : nullptr);
                   },
                   [&](const Doubles& dy, Gradients gradients) {
                     return std::vector{temporal.backward(dy, temporal_cache, gradients)};
                   }},
                  samples);
}

TEST_CASE("networks with attention and a TSRU") {
  check_attention(small(2));
  check_attention(unconditional(2));
}

void check_spatial(const DvdGanConfig& config) {
  SpatialDiscriminator<double> network(config, random_weights);
  const Doubles video = random_tensor(two_videos(config, 3), Random(2), 0.5);
  const Labels labels = labels_of(config, {1, 2});
  const FrameIndices frames{2, 2, {0, 2, 1, 2}};
  SpatialDiscriminator<double>::Cache cache;
  check_gradients(
      "spatial discriminator",
      {{video},
       contents(network),
       [&](const Inputs& inputs, Pass pass, bool keep) {
         return network.forward({inputs[0], labels, frames}, pass, keep ? &cache : nullptr);
       },
       [&](const Doubles& dy, Gradients gradients) { return std::vector{network.backward(dy, cache, gradients)}; }},
      samples);
}

TEST_CASE("spatial discriminator") {
  check_spatial(small(3));
  check_spatial(unconditional(3));
  check_spatial(rectangular(3));
}

template <class Network>
void check_temporal(const DvdGanConfig& config) {
  Network network(config, random_weights);
  const Doubles video = random_tensor(two_videos(config, config.frames), Random(2), 0.5);
  const Labels labels = labels_of(config, {1, 2});
  typename Network::Cache cache;
  check_gradients(
      "temporal discriminator",
      {{video},
       contents(network),
       [&](const Inputs& inputs, Pass pass, bool keep) {
         return network.forward({inputs[0], labels}, pass, keep ? &cache : nullptr);
       },
       [&](const Doubles& dy, Gradients gradients) { return std::vector{network.backward(dy, cache, gradients)}; }},
      samples);
}

TEST_CASE("temporal discriminator") {
  for (const Index frames : {1, 5, 8})  // of which remain one, one and two
    check_temporal<TemporalDiscriminator<double>>(small(frames));
  for (const Index frames : {1, 5}) {  // of which, in one stage, remain one and two
    check_temporal<TemporalDiscriminator<double>>(unconditional(frames));
    check_temporal<TemporalDiscriminator<double>>(rectangular(frames));
  }
  check_temporal<TemporalDiscriminator<double, Cpu, QuarterDownsampler<double>>>(rectangular(5));
  check_temporal<TemporalDiscriminator<double, Cpu, NoDownsampler<double>>>(unconditional(5));
}

}  // namespace
