// The whole model: sizes, sampling, truncation, standing statistics, names.
#include "dvd/models/dvd_gan.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <set>
#include <tuple>

#include "dvd/device/cpu.hpp"

namespace {

using namespace dvd;

constexpr DvdGanConfig small{.frames = 3, .resolution = 16, .channels = 1, .classes = 4, .latent_dim = 6};

TEST_CASE("widths by resolution") {
  const auto widths = [](Index resolution) {
    const DvdGanConfig config{.resolution = resolution, .channels = 2};
    return std::pair(config.generator_widths(), config.discriminator_widths());
  };
  using W = std::vector<Index>;
  CHECK(widths(16) == std::pair(W{16, 8, 4}, W{4, 8, 16}));
  CHECK(widths(32) == std::pair(W{16, 16, 8, 4}, W{4, 8, 16, 32}));
  CHECK(widths(64) == std::pair(W{16, 16, 16, 8, 4}, W{4, 8, 16, 32, 32}));
  CHECK(widths(128) == std::pair(W{16, 16, 16, 8, 4, 2}, W{2, 4, 8, 16, 32, 32}));
  CHECK(widths(256) == std::pair(W{16, 16, 16, 8, 8, 4, 2}, W{2, 4, 8, 16, 16, 32, 32}));
}

TEST_CASE("stages, and what they begin at, by height and width") {
  const auto stages = [](Index height, Index width) {
    const DvdGanConfig config{.height = height, .width = width};
    config.validate();
    return std::tuple(config.stages(), config.base_height(), config.base_width());
  };
  using S = std::tuple<Index, Index, Index>;
  CHECK(stages(8, 8) == S{1, 4, 4});
  CHECK(stages(10, 14) == S{1, 5, 7});
  CHECK(stages(16, 16) == S{2, 4, 4});
  CHECK(stages(20, 16) == S{2, 5, 4});
  CHECK(stages(100, 60) == S{2, 25, 15});
  CHECK(stages(240, 320) == S{4, 15, 20});
  CHECK(stages(256, 256) == S{6, 4, 4});
  CHECK(stages(8, 4096) == S{1, 4, 2048});
  CHECK(DvdGanConfig{.height = 100, .width = 60, .channels = 1}.generator_widths() == std::vector<Index>{8, 4, 2});
}

TEST_CASE("sizes that no model can have are refused in words") {
  const auto message = [](const DvdGanConfig& config) -> std::string {
    try {
      DvdGan<float> gan(config);
    } catch (const ArgumentError& error) {
      return error.what();
    }
    return "";
  };
  const std::string why =
      " (each further halving that height and width allow, down to 4 pixels, is a stage of the "
      "networks)";
  CHECK(message({.height = 9, .width = 32}) == "height must be even and between 8 and 4096, not 9" + why);
  CHECK(message({.resolution = 32, .width = 7}) == "width must be even and between 8 and 4096, not 7" + why);
  CHECK(message({.resolution = 6}) == "resolution must be even and between 8 and 4096, not 6" + why);
  CHECK(message({.height = 1024, .width = 512}) ==
        "generator_multipliers must be given for 7 stages (1024x512 pixels): 8 numbers");
  CHECK(message({.resolution = 16, .discriminator_multipliers = {1, 2, 3, 4}}) ==
        "discriminator_multipliers must be 3 numbers for 2 stages (16x16 pixels), not 4");
}

TEST_CASE("configurations that say the same are equal") {
  const DvdGanConfig square{.resolution = 16};
  CHECK(square == DvdGanConfig{.resolution = 64, .height = 16, .width = 16});
  CHECK(square == DvdGanConfig{.resolution = 16, .generator_multipliers = {8, 4, 2}});
  CHECK(!(square == DvdGanConfig{.resolution = 16, .width = 24}));
  CHECK(!(square == DvdGanConfig{.resolution = 16, .image_channels = 1}));
  CHECK(!(square == DvdGanConfig{.resolution = 16, .generator_multipliers = {8, 4, 1}}));
  CHECK(!(square == DvdGanConfig{.resolution = 16, .embed_dim = 7}));
  CHECK(DvdGanConfig{.classes = 0} == DvdGanConfig{.classes = 0, .embed_dim = 7});
}

TEST_CASE("configurations that make no sense are refused") {
  const auto refused = [](auto change) {
    DvdGanConfig config = small;
    change(config);
    CHECK_THROWS_AS(DvdGan<float>{config}, ArgumentError);
  };
  refused([](DvdGanConfig& c) { c.resolution = 15; });
  refused([](DvdGanConfig& c) { c.height = 6; });
  refused([](DvdGanConfig& c) { c.width = 9; });
  refused([](DvdGanConfig& c) { c.image_channels = 0; });
  refused([](DvdGanConfig& c) { c.frames = 0; });
  refused([](DvdGanConfig& c) { c.channels = -1; });
  refused([](DvdGanConfig& c) { c.classes = -1; });
  refused([](DvdGanConfig& c) { c.latent_dim = 0; });
  refused([](DvdGanConfig& c) { c.embed_dim = 0; });
  refused([](DvdGanConfig& c) { c.spatial_frames = 0; });
}

TEST_CASE("samples") {
  DvdGan<float> gan(small, 1), same(small, 1), other(small, 2);
  const auto video = gan.sample({.label = 2, .count = 3, .seed = 5});
  CHECK(video.shape() == Shape{3, 3, 16, 16, 3});
  for (const float value : video.to_vector()) REQUIRE(std::abs(value) <= 1);
  const auto values = video.to_vector();
  CHECK(values == gan.sample({.label = 2, .count = 3, .seed = 5}).to_vector());
  CHECK(values == same.sample({.label = 2, .count = 3, .seed = 5}).to_vector());
  CHECK(values != other.sample({.label = 2, .count = 3, .seed = 5}).to_vector());
  CHECK(values != gan.sample({.label = 2, .count = 3, .seed = 6}).to_vector());
  CHECK(values != gan.sample({.label = 1, .count = 3, .seed = 5}).to_vector());
  CHECK_THROWS_AS(gan.sample({.label = 4}), ArgumentError);
  CHECK_THROWS_AS(gan.sample({.label = -1}), ArgumentError);
  CHECK_THROWS_AS(gan.sample({.count = 0}), ArgumentError);
}

TEST_CASE("every sampled video is its own: the batch changes no bit") {
  DvdGan<float> gan(small, 1);
  const auto z = draw_latents<float>(small.latent_dim, {.count = 3});
  const auto together = gan.average.generator.forward(z, {0, 1, 2}, Pass::evaluate());
  const auto alone = gan.average.generator.forward(z.slice(1, 1), {1}, Pass::evaluate());
  for (Index t = 0; t < small.frames; ++t) CHECK(together[t][1].to_vector() == alone[t][0].to_vector());
}

TEST_CASE("latents and their truncation") {
  const auto deviation = [](const std::vector<double>& values) {
    double squares = 0;
    for (const double value : values) squares += value * value;
    return std::sqrt(squares / static_cast<double>(values.size()));
  };
  const auto draw = [](SampleOptions options) {
    options.count = 200;
    return draw_latents<double>(50, options).to_vector();
  };
  CHECK(deviation(draw({})) == doctest::Approx(1).epsilon(0.03));
  CHECK(deviation(draw({.truncation = 0.5})) == doctest::Approx(0.5).epsilon(0.03));
  CHECK(deviation(draw({.truncation = 0})) == 0);
  const auto cut = draw({.threshold = 0.5}), whole = draw({});
  std::size_t kept = 0;
  for (std::size_t i = 0; i < cut.size(); ++i) {
    REQUIRE(std::abs(cut[i]) <= 0.5);
    kept += cut[i] == whole[i];
    CHECK((cut[i] == whole[i]) == (std::abs(whole[i]) <= 0.5));  // only those above are drawn again
  }
  CHECK(static_cast<double>(kept) / static_cast<double>(cut.size()) == doctest::Approx(0.383).epsilon(0.05));
  CHECK_THROWS_AS(draw({.truncation = -1}), ArgumentError);
  CHECK_THROWS_AS(draw({.threshold = 1e-6}), ArgumentError);
  CHECK_THROWS_AS(draw({.threshold = -1}), ArgumentError);
  CHECK_THROWS_AS(draw({.first = -1}), ArgumentError);
}

TEST_CASE("a latent depends on its number, not on those that are drawn with it") {
  const auto draw = [](Index first, Index count) {
    return draw_latents<double>(5, {.count = count, .seed = 2, .threshold = 1, .first = first}).to_vector();
  };
  const std::vector<double> all = draw(0, 6), some = draw(2, 3);
  CHECK(std::equal(some.begin(), some.end(), all.begin() + 2 * 5));
}

TEST_CASE("standing statistics forget what was there before, and move nothing else") {
  DvdGan<double> gan(small, 1);
  auto& generator = gan.generator;
  const auto before = contents(generator);
  std::vector<std::vector<double>> values;
  for (const auto& [name, parameter] : before.parameters) values.push_back(parameter->value.to_vector());
  for (const auto& [name, buffer] : before.buffers)
    if (name.ends_with(".u")) values.push_back(buffer->value.to_vector());

  constexpr Index batches = 3;
  collect_standing_statistics(generator, batches, 4, 7);
  const auto average = generator.stages[0].block0.norm1.running_mean.value.to_vector();
  CHECK(average.size() == static_cast<std::size_t>(small.frames * small.generator_widths()[0]));
  for (const auto& [name, buffer] : before.buffers)
    for (const double value : buffer->value.to_vector()) REQUIRE(std::isfinite(value));
  std::size_t i = 0;
  for (const auto& [name, parameter] : before.parameters) CHECK(parameter->value.to_vector() == values[i++]);
  for (const auto& [name, buffer] : before.buffers)
    if (name.ends_with(".u")) CHECK(buffer->value.to_vector() == values[i++]);

  // Collected again from other starting values they are the same.
  for (const auto& [name, buffer] : before.buffers)
    if (name.ends_with("running_mean")) Cpu::fill(buffer->value.size(), 3.0, buffer->value.data());
  collect_standing_statistics(generator, batches, 4, 7);
  const auto again = generator.stages[0].block0.norm1.running_mean.value.to_vector();
  for (std::size_t k = 0; k < average.size(); ++k) CHECK(again[k] == doctest::Approx(average[k]));
  CHECK_THROWS_AS(collect_standing_statistics(generator, 0, 4, 7), ArgumentError);
}

TEST_CASE("names are unique and those of a checkpoint") {
  DvdGan<float> gan(small, 1);
  const auto all = contents(gan);
  std::set<std::string> names;
  for (const auto& [name, parameter] : all.parameters) CHECK(names.insert(name).second);
  for (const auto& [name, buffer] : all.buffers) CHECK(names.insert(name).second);
  for (const char* name :
       {"generator.embedding.weight", "generator.input.u", "generator.stages.1.gru.candidate.bias",
        "generator.stages.0.blocks.1.norm2.gain.u", "generator.stages.1.blocks.1.skip.weight",
        "generator.output.norm.running_var", "generator.output.conv.bias", "spatial.blocks.2.conv2.weight",
        "spatial.embedding.u", "temporal.blocks.0.skip.weight", "temporal.blocks.2.conv1.u", "temporal.linear.bias",
        "ema.generator.stages.0.blocks.0.norm1.running_mean"})
    CHECK_MESSAGE(names.contains(name), name);
  CHECK(!names.contains("generator.stages.0.blocks.0.skip.weight"));
}

TEST_CASE("a clone of the networks is a model of its own") {
  DvdGanConfig config = small;
  config.condition_frames = 2;
  DvdGan<float> gan(config, 1);
  const auto state = [](auto& network) {
    std::vector<std::vector<float>> values;
    const auto all = contents(network);
    for (const auto& [name, parameter] : all.parameters) values.push_back(parameter->value.to_vector());
    for (const auto& [name, buffer] : all.buffers) values.push_back(buffer->value.to_vector());
    return values;
  };
  auto networks = clone(gan.networks());
  auto spatial = clone(gan.spatial);
  auto temporal = gan.temporal;
  CHECK(state(networks) == state(gan.networks()));
  CHECK(state(gan.average) == state(gan.networks()));
  const auto before = std::tuple(state(networks), state(spatial), state(temporal), state(gan.average));
  for (auto& [name, parameter] : contents(gan.networks()).parameters) parameter->value.fill(0);
  for (auto& [name, buffer] : contents(gan.networks()).buffers) buffer->value.fill(1);
  for (auto& [name, parameter] : contents(gan.spatial).parameters) parameter->value.fill(0);
  for (auto& [name, parameter] : contents(gan.temporal).parameters) parameter->value.fill(0);
  CHECK(std::tuple(state(networks), state(spatial), state(temporal), state(gan.average)) == before);
  static_assert(!std::is_copy_constructible_v<DvdGan<float>>);
}

// Everything that a training pass and its gradients compute and leave behind, with sigmas from `estimates`.
std::vector<float> trained(const DvdGanConfig& config, bool recompute, const SpectralEstimates* estimates) {
  DvdGan<float> gan(config, 5);
  gan.generator.recompute = recompute;
  Pass pass = Pass::train();
  pass.estimates = estimates;
  const Labels labels{1, 0};
  Tensor<float> z = draw_latents<float>(config.latent_dim, {.count = 2, .seed = 3}), condition;
  if (config.condition_frames > 0)
    condition = Tensor<float>::zeros({config.condition_frames, 2, config.resolution, config.resolution, 3});
  typename DvdGan<float>::Networks::Cache cache;
  const Tensor<float> videos = gan.generate(z, labels, condition, pass, &cache);
  typename DvdGan<float>::TemporalType::Cache temporal;
  const Tensor<float> scores = gan.temporal.forward({videos, labels}, pass, &temporal);
  typename DvdGan<float>::SpatialType::Cache spatial;
  const FrameIndices frames{2, 2, {0, 1, 2, 0}};
  gan.spatial.backward(gan.spatial.forward({videos, labels, frames}, pass, &spatial), spatial, Gradients::all);
  const Tensor<float> dvideos = gan.temporal.backward(scores, temporal, Gradients::all);
  gan.networks().backward(dvideos, std::move(cache), Gradients::parameters);
  std::vector<float> all = videos.to_vector();
  const auto keep = [&](const Tensor<float>& tensor) {
    const std::vector<float> values = tensor.to_vector();
    all.insert(all.end(), values.begin(), values.end());
  };
  for (const auto& [name, parameter] : contents(gan).parameters)
    if (parameter->gradient) keep(parameter->gradient);
  for (const auto& [name, buffer] : contents(gan).buffers) keep(buffer->value);
  return all;
}

TEST_CASE("sigmas of a whole network at once are those that every layer finds for itself, to the bit") {
  const SpectralEstimates none;
  for (const Index condition_frames : {0, 2})
    for (const bool recompute : {false, true}) {
      DvdGanConfig config = small;
      config.condition_frames = condition_frames;
      const std::vector<float> together = trained(config, recompute, nullptr);
      CHECK(together.size() > 10000);
      CHECK(together == trained(config, recompute, &none));
      CHECK(together == trained(config, !recompute, nullptr));
    }
}

TEST_CASE("a discriminator's score of a video depends on that video alone") {
  const DvdGanConfig config = small;
  SpatialDiscriminator<float> spatial(config, Random(1));
  TemporalDiscriminator<float> temporal(config, Random(2));
  Tensor<float> videos(Shape{3, 2, 16, 16, 3});
  Cpu::random_normal(videos.size(), Random(3), 0.5f, videos.data());
  const auto sum = [](const Tensor<float>& scores) { return scores.to_vector(); };
  const FrameIndices frames{2, 2, {0, 1, 1, 2}};
  const auto s = sum(spatial.forward({videos, {1, 2}, frames}, Pass::evaluate()));
  const auto t = sum(temporal.forward({videos, {1, 2}}, Pass::evaluate()));
  for (Index step = 0; step < 3; ++step)  // the second video changes
    Cpu::random_normal(videos[step][1].size(), Random(4), 0.5f, videos[step][1].data());
  const auto s_other = sum(spatial.forward({videos, {1, 2}, frames}, Pass::evaluate()));
  const auto t_other = sum(temporal.forward({videos, {1, 2}}, Pass::evaluate()));
  CHECK(s[0] == s_other[0]);
  CHECK(s[1] != s_other[1]);
  CHECK(t[0] == t_other[0]);
  CHECK(t[1] != t_other[1]);
  CHECK_THROWS_AS(spatial.forward({videos, {1}, frames}, Pass::evaluate()), ArgumentError);
  CHECK_THROWS_AS(temporal.forward({videos, {1, 4}}, Pass::evaluate()), ArgumentError);
}

}  // namespace
