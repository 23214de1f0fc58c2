// The gradients of the whole networks against central differences.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
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

TEST_CASE("projection head") {
  for (const Index classes : {1, 4}) {
    ProjectionHead<double> head(5, classes, random_weights);
    const Doubles x = random_tensor({3, 4, 2, 3, 5}, Random(2));
    const Labels labels = classes == 1 ? Labels{0, 0, 0, 0} : Labels{3, 1, 1, 0};
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
  const Labels labels{2, 0};
  Inputs all_inputs{z};
  if (with_states)
    for (std::size_t i = 0; i < network.stages.size(); ++i) {
      const Index size = Index{4} << i;
      all_inputs.push_back(random_tensor({2, size, size, config.generator_widths()[i]}, Random(3).stream(i)));
    }
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
}

TEST_CASE("generator with a conditioning stack") {
  DvdGanConfig config = small(2);
  config.condition_frames = 3;
  using Networks = GeneratorNetworks<Generator<double>>;
  Networks networks(config, random_weights);
  const Doubles z = random_tensor({2, config.latent_dim}, Random(2)),
                condition = random_tensor({3, 2, 16, 16, 3}, Random(4), 0.5);
  const Labels labels{2, 0};
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

TEST_CASE("networks with attention and a TSRU") {
  using Network = Generator<double, Cpu, TSRU<double>, SeparableAttention<double>>;
  const DvdGanConfig config = small(2);
  Network network(config, random_weights);
  const Doubles z = random_tensor({2, config.latent_dim}, Random(2));
  const Labels labels{2, 0};
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

  const Doubles video = random_tensor({4, 2, 16, 16, 3}, Random(2), 0.5);
  const FrameIndices frames{2, 2, {0, 2, 1, 3}};
  using Spatial = SpatialDiscriminator<double, Cpu, SelfAttention<double>>;
  Spatial spatial(config, random_weights);
  Spatial::Cache spatial_cache;
  check_gradients("spatial discriminator",
                  {{video},
                   contents(spatial),
                   [&](const Inputs& inputs, Pass pass, bool keep) {
                     return spatial.forward(inputs[0], labels, frames, pass, keep ? &spatial_cache : nullptr);
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
                     return temporal.forward(inputs[0], labels, pass, keep ? &temporal_cache : nullptr);
                   },
                   [&](const Doubles& dy, Gradients gradients) {
                     return std::vector{temporal.backward(dy, temporal_cache, gradients)};
                   }},
                  samples);
}

TEST_CASE("spatial discriminator") {
  SpatialDiscriminator<double> network(small(3), random_weights);
  const Doubles video = random_tensor({3, 2, 16, 16, 3}, Random(2), 0.5);
  const Labels labels{1, 2};
  const FrameIndices frames{2, 2, {0, 2, 1, 2}};
  SpatialDiscriminator<double>::Cache cache;
  check_gradients(
      "spatial discriminator",
      {{video},
       contents(network),
       [&](const Inputs& inputs, Pass pass, bool keep) {
         return network.forward(inputs[0], labels, frames, pass, keep ? &cache : nullptr);
       },
       [&](const Doubles& dy, Gradients gradients) { return std::vector{network.backward(dy, cache, gradients)}; }},
      samples);
}

TEST_CASE("temporal discriminator") {
  for (const Index frames : {1, 5, 8}) {  // of which remain one, one and two
    TemporalDiscriminator<double> network(small(frames), random_weights);
    const Doubles video = random_tensor({frames, 2, 16, 16, 3}, Random(2), 0.5);
    const Labels labels{1, 2};
    TemporalDiscriminator<double>::Cache cache;
    check_gradients(
        "temporal discriminator",
        {{video},
         contents(network),
         [&](const Inputs& inputs, Pass pass, bool keep) {
           return network.forward(inputs[0], labels, pass, keep ? &cache : nullptr);
         },
         [&](const Doubles& dy, Gradients gradients) { return std::vector{network.backward(dy, cache, gradients)}; }},
        samples);
  }
}

}  // namespace
