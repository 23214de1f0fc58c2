// Models of other sizes than squares in RGB with classes, and videos of other lengths than the model's own.
#include <doctest/doctest.h>

#include <cmath>
#include <set>
#include <string>

#include "dvd/models/dvd_gan.hpp"
#include "dvd/models/prediction.hpp"
#include "dvd/models/recorded_generator.hpp"

namespace {

using namespace dvd;

using Values = std::vector<float>;

// Grey, one stage from a base with odd sides, without classes; and four channels, two stages, multipliers of its own.
const DvdGanConfig grey{.frames = 3,
                        .height = 10,
                        .width = 14,
                        .image_channels = 1,
                        .channels = 1,
                        .classes = 0,
                        .latent_dim = 6,
                        .spatial_frames = 2};
const DvdGanConfig wide{.frames = 3,
                        .height = 16,
                        .width = 28,
                        .image_channels = 4,
                        .channels = 1,
                        .classes = 4,
                        .latent_dim = 6,
                        .embed_dim = 3,
                        .spatial_frames = 2,
                        .generator_multipliers = {3, 2, 2},
                        .discriminator_multipliers = {2, 3, 3}};

DvdGanConfig predicting(DvdGanConfig config) {
  config.condition_frames = 2;
  return config;
}

Shape videos_of(const DvdGanConfig& config, Index frames, Index count) {
  return {frames, count, config.image_height(), config.image_width(), config.image_channels};
}

Tensor<float> random_videos(const DvdGanConfig& config, Index frames, Index count, std::uint64_t seed = 4) {
  Tensor<float> videos(videos_of(config, frames, count));
  Cpu::random_uniform(videos.size(), Random(seed), -1.0f, 1.0f, videos.data());
  return videos;
}

// Of `count` videos; none where there are no classes.
Labels labels_of(const DvdGanConfig& config, Index count) {
  Labels labels;
  for (Index n = 0; config.classes > 0 && n < count; ++n) labels.push_back(n % config.classes);
  return labels;
}

// Everything that a model holds.
template <class Network>
Values state_of(Network& network) {
  Values all;
  const auto add = [&](const Tensor<float>& tensor) {
    const Values values = tensor.to_vector();
    all.insert(all.end(), values.begin(), values.end());
  };
  const auto everything = contents(network);
  for (const auto& [name, parameter] : everything.parameters) add(parameter->value);
  for (const auto& [name, buffer] : everything.buffers) add(buffer->value);
  return all;
}

template <class Call>
std::string message_of(const Call& call) {
  try {
    call();
  } catch (const ArgumentError& error) {
    return error.what();
  }
  return "";
}

// Running statistics of each frame's own, as after training.
template <class Network>
void settle(Network& network) {
  std::uint64_t i = 0;
  for (auto& [name, buffer] : contents(network).buffers) {
    if (!name.ends_with("running_mean") && !name.ends_with("running_var")) continue;
    const bool mean = name.ends_with("mean");
    Cpu::random_uniform(buffer->value.size(), Random(5).stream(i++), mean ? -0.5f : 0.5f, mean ? 0.5f : 2.0f,
                        buffer->value.data());
  }
}

TEST_CASE("a whole model of any size generates, judges and goes back") {
  struct Size {
    Index height, width, image_channels, classes;
  };
  for (const Size& size : {Size{8, 8, 1, 0},
                           {10, 14, 3, 2},
                           {8, 30, 2, 0},
                           {20, 16, 1, 3},
                           {24, 16, 5, 0},
                           {36, 16, 1, 0},
                           {32, 40, 1, 1}})
    for (const Index condition_frames : {0, 2}) {
      const DvdGanConfig config{.frames = 3,
                                .height = size.height,
                                .width = size.width,
                                .image_channels = size.image_channels,
                                .channels = 1,
                                .classes = size.classes,
                                .latent_dim = 4,
                                .embed_dim = 3,
                                .spatial_frames = 2,
                                .condition_frames = condition_frames};
      CAPTURE(size.height);
      CAPTURE(size.width);
      const auto run = [&](std::uint64_t seed) {
        DvdGan<float> gan(config, seed);
        const Labels labels = labels_of(config, 2);
        const Tensor<float> z = draw_latents<float>(config.latent_dim, {.count = 2}),
                            condition =
                                condition_frames > 0 ? random_videos(config, condition_frames, 2) : Tensor<float>();
        DvdGan<float>::Networks::Cache cache;
        const Tensor<float> videos = gan.generate(z, labels, condition, Pass::train(), &cache);
        CHECK(videos.shape() == videos_of(config, 3, 2));
        DvdGan<float>::SpatialType::Cache spatial;
        DvdGan<float>::TemporalType::Cache temporal;
        const auto s = gan.spatial.forward({videos, labels, FrameIndices{2, 2, {0, 1, 1, 2}}}, Pass::train(), &spatial);
        const auto t = gan.temporal.forward({videos, labels}, Pass::train(), &temporal);
        CHECK(s.shape() == Shape{2});
        CHECK(t.shape() == Shape{2});
        CHECK(gan.spatial.backward(s, spatial, Gradients::all).shape() == videos.shape());
        const Tensor<float> dvideos = gan.temporal.backward(t, temporal, Gradients::all);
        CHECK(dvideos.shape() == videos.shape());
        const auto gradients = gan.networks().backward(dvideos, std::move(cache), Gradients::all);
        CHECK(gradients.z.shape() == z.shape());
        CHECK(gradients.condition.shape() == condition.shape());
        Values all = videos.to_vector();
        for (const auto& [name, parameter] : contents(gan).parameters) {
          if (name.starts_with("ema.")) continue;
          REQUIRE_MESSAGE(parameter->gradient, name);
          const Values gradient = parameter->gradient.to_vector();
          all.insert(all.end(), gradient.begin(), gradient.end());
        }
        for (const float value : all) REQUIRE(std::isfinite(value));
        return all;
      };
      const Values first = run(3);
      CHECK(first == run(3));
      CHECK(first != run(4));
      const ThreadLimit limit(1);
      CHECK(first == run(3));
    }
}

TEST_CASE("samples have the model's height, width and channels") {
  for (const DvdGanConfig& config : {grey, wide}) {
    DvdGan<float> gan(config, 1), same(config, 1);
    const auto videos = gan.sample({.count = 2, .seed = 5});
    CHECK(videos.shape() == videos_of(config, 3, 2));
    CHECK(videos.to_vector() == same.sample({.count = 2, .seed = 5}).to_vector());
    CHECK(videos.to_vector() != same.sample({.count = 2, .seed = 6}).to_vector());
    for (const float value : videos.to_vector()) REQUIRE(std::abs(value) <= 1);
    DvdGan<float> continuing(predicting(config), 1);
    const Tensor<float> condition = random_videos(config, 2, 2);
    CHECK(continuing.predict(condition).shape() == videos_of(config, 3, 2));
  }
}

TEST_CASE("without classes there is no embedding, and nothing else is missing") {
  const auto names_of = [](Index classes) {
    DvdGanConfig config = predicting(grey);
    config.classes = classes;
    DvdGan<float> gan(config, Random::none());
    std::set<std::string> names;
    for (const auto& [name, parameter] : contents(gan).parameters) names.insert(name);
    for (const auto& [name, buffer] : contents(gan).buffers) names.insert(name);
    return names;
  };
  std::set<std::string> with = names_of(2);
  for (const char* name : {"generator.embedding.weight", "ema.generator.embedding.weight", "spatial.embedding.weight",
                           "spatial.embedding.u", "temporal.embedding.weight", "temporal.embedding.u"})
    CHECK_MESSAGE(with.erase(name) == 1, name);
  CHECK(names_of(0) == with);
}

TEST_CASE("a model without classes refuses labels in words, and has then changed nothing") {
  DvdGan<float> gan(grey, 1), continuing(predicting(grey), 1);
  const Tensor<float> z = draw_latents<float>(grey.latent_dim, {.count = 2}), videos = random_videos(grey, 3, 2),
                      condition = random_videos(grey, 2, 2);
  const Values before = state_of(gan), before_continuing = state_of(continuing);
  const Labels labels{0, 0};
  const std::string generators = "the generator got 2 labels, but this model has no classes",
                    discriminators = "the discriminator got 2 labels, but this model has no classes";
  CHECK(message_of([&] { gan.generate(z, labels, {}, Pass::train()); }) == generators);
  CHECK(message_of([&] { gan.generator.forward(z, labels, Pass::train()); }) == generators);
  CHECK(message_of([&] { continuing.generate(z, labels, condition, Pass::train()); }) == generators);
  CHECK(message_of([&] {
          gan.spatial.forward({videos, labels, FrameIndices{2, 1, {0, 1}}}, Pass::train());
        }) == discriminators);
  CHECK(message_of([&] { gan.temporal.forward({videos, labels}, Pass::train()); }) == discriminators);
  CHECK(message_of([&] { continue_videos(continuing.average, condition, labels, 2); }) == generators);
  const std::string none = "this model has no classes, so there is no label 1";
  CHECK(message_of([&] { gan.sample({.label = 1}); }) == none);
  CHECK(message_of([&] { continuing.predict(condition, {.label = 1}); }) == none);
  CHECK(message_of([&] { gan.generate({}, {}, {}, Pass::train()); }) ==
        "the generator expects latents [N, 6] of at least one video, not []");
  CHECK(state_of(gan) == before);
  CHECK(state_of(continuing) == before_continuing);

  // And a model with classes still wants them.
  DvdGan<float> with(wide, 1);
  CHECK_THROWS_AS(with.generate(z, {}, {}, Pass::train()), ArgumentError);
  CHECK_THROWS_AS(with.temporal.forward({random_videos(wide, 3, 2), {}}, Pass::train()), ArgumentError);
}

TEST_CASE("videos of another size are refused in words") {
  DvdGan<float> gan(wide, 1);
  const Values before = state_of(gan);
  const Labels labels{0, 1};
  DvdGanConfig turned = wide, rgb = wide;
  std::swap(turned.height, turned.width);
  rgb.image_channels = 3;
  CHECK(message_of([&] {
          gan.temporal.forward({random_videos(turned, 3, 2), labels}, Pass::train());
        }) == "the temporal discriminator expects videos [T, N, 16, 28, 4] with no extent of 0, not [3, 2, 28, 16, 4]");
  CHECK_THROWS_AS(gan.temporal.forward({random_videos(rgb, 3, 2), labels}, Pass::train()), ArgumentError);
  const FrameIndices frames{2, 1, {0, 1}};
  CHECK(message_of([&] {
          gan.spatial.forward({random_videos(turned, 3, 2), labels, frames}, Pass::train());
        }) == "the spatial discriminator expects videos of 16x28 pixels, not of shape [3, 2, 28, 16, 4]");
  CHECK_THROWS_AS(gan.spatial.forward({random_videos(rgb, 3, 2), labels, frames}, Pass::train()), ArgumentError);
  CHECK(state_of(gan) == before);
  DvdGan<float> continuing(predicting(wide), 1);
  CHECK(message_of([&] { continuing.predict(random_videos(turned, 2, 1)); }) ==
        "the conditioning stack expects frames [2, N, 16, 28, 4] of at least one video, not [2, 1, 28, 16, 4]");
}

struct Eighth : QuarterDownsampler<float> {
  static constexpr Index factor = 8;
};

TEST_CASE("what a downsampler leaves must do for the temporal discriminator") {
  const auto message = [](auto network, const DvdGanConfig& config) {
    return message_of([&] { typename decltype(network)::type made(config, Random::none()); });
  };
  const std::type_identity<TemporalDiscriminator<float, Cpu, NoDownsampler<float>>> whole;
  const std::type_identity<TemporalDiscriminator<float, Cpu, QuarterDownsampler<float>>> quarter;
  const std::type_identity<TemporalDiscriminator<float, Cpu, QuarterDownsampler<float>, SelfAttention<float>>>
      attentive;
  const std::type_identity<TemporalDiscriminator<float, Cpu, Eighth>> eighth;
  for (const auto& [height, width] : {std::pair<Index, Index>{8, 8}, {10, 30}, {20, 16}, {60, 100}, {240, 320}}) {
    const DvdGanConfig config{.frames = 2, .height = height, .width = width, .channels = 1};
    CHECK(message(whole, config) == "");
    CHECK(message(quarter, config) == "");
  }
  CHECK(message(eighth, {.height = 20, .width = 16}) ==
        "the temporal downsampler leaves 2x2 of 20x16 pixels, but the temporal discriminator needs at least 4x4");
  CHECK(message(eighth, {.height = 100, .width = 28}) ==
        "the temporal downsampler leaves 12x3 of 100x28 pixels, but the temporal discriminator needs at least 4x4");
  CHECK(message(eighth, {.height = 100, .width = 60}) == "");
  CHECK(message(attentive, {.height = 8, .width = 18}) ==
        "the temporal downsampler leaves 2x4 of 8x18 pixels, but the temporal discriminator needs at least 4x4");
  CHECK(message(attentive, {.height = 18, .width = 22}) == "");

  // And then it does.
  for (const DvdGanConfig& config : {grey, wide}) {
    typename decltype(quarter)::type network(config, Random(1));
    network.forward({random_videos(config, 3, 2), labels_of(config, 2)}, Pass::train());
  }
  const DvdGanConfig small{.height = 18, .width = 22, .channels = 1, .classes = 0};
  typename decltype(attentive)::type network(small, Random(1));
  network.forward({random_videos(small, 3, 2)}, Pass::train());
}

TEST_CASE("standing statistics of a model without classes") {
  DvdGan<float> gan(grey, 1);
  const Values before = gan.generator.norm.running_mean.value.to_vector();
  collect_standing_statistics(gan.generator, 2, 3, 7);
  CHECK(gan.generator.norm.running_mean.value.to_vector() != before);
}

TEST_CASE("a clone of networks without classes is a model of its own") {
  DvdGan<float> gan(predicting(grey), 1);
  auto networks = clone(gan.networks());
  auto spatial = clone(gan.spatial);
  auto temporal = clone(gan.temporal);
  const Values before = state_of(networks), before_spatial = state_of(spatial), before_temporal = state_of(temporal);
  CHECK(before == state_of(gan.networks()));
  for (auto& [name, parameter] : contents(gan).parameters) parameter->value.fill(0);
  CHECK(state_of(networks) == before);
  CHECK(state_of(spatial) == before_spatial);
  CHECK(state_of(temporal) == before_temporal);
}

TEST_CASE("a video may be longer or shorter than those of training: what both have is the same") {
  for (const DvdGanConfig& config : {grey, wide}) {
    DvdGan<float> gan(config, 1);
    settle(gan.average);
    const Values before = state_of(gan.average);
    const Tensor<float> usual = gan.sample({.count = 2});
    CHECK(gan.sample({.count = 2, .frames = 3}).to_vector() == usual.to_vector());
    const Tensor<float> shorter = gan.sample({.count = 2, .frames = 2}), longer = gan.sample({.count = 2, .frames = 7});
    CHECK(shorter.shape() == videos_of(config, 2, 2));
    CHECK(shorter.to_vector() == usual.slice(0, 2).to_vector());
    CHECK(longer.shape() == videos_of(config, 7, 2));
    CHECK(longer.slice(0, 3).to_vector() == usual.to_vector());
    CHECK(longer.slice(3, 1).to_vector() != longer.slice(2, 1).to_vector());  // the recurrent units go on
    for (const float value : longer.to_vector()) REQUIRE(std::abs(value) <= 1);
    CHECK(state_of(gan.average) == before);

    // It is what a model trained for seven frames makes whose last statistics are all alike.
    DvdGanConfig seven = config;
    seven.frames = 7;
    DvdGan<float> long_gan(seven, 1);
    const auto from = contents(gan.average), to = contents(long_gan.average);
    for (std::size_t i = 0; i < from.buffers.size(); ++i) {
      const Tensor<float>& known = from.buffers[i].buffer->value;
      Tensor<float>& all = to.buffers[i].buffer->value;
      if (known.shape() == all.shape()) continue;
      all.slice(0, 3).copy_from(known);
      for (Index t = 3; t < 7; ++t) all[t].copy_from(known[2]);
    }
    CHECK(long_gan.sample({.count = 2}).to_vector() == longer.to_vector());
  }
}

TEST_CASE("predictions of any length") {
  for (const DvdGanConfig& config : {predicting(grey), predicting(wide)}) {
    DvdGan<float> gan(config, 1);
    settle(gan.average);
    const Tensor<float> condition = random_videos(config, 2, 2), usual = gan.predict(condition),
                        longer = gan.predict(condition, {.frames = 5}), shorter = gan.predict(condition, {.frames = 1});
    CHECK(longer.shape() == videos_of(config, 5, 2));
    CHECK(longer.slice(0, 3).to_vector() == usual.to_vector());
    CHECK(shorter.to_vector() == usual.slice(0, 1).to_vector());

    // Five frames, in rounds of three or of five.
    const Labels labels = labels_of(config, 2), zeros(labels.size(), 0);
    const auto by_three = continue_videos(gan.average, condition, labels, 5);
    const auto by_five = continue_videos(gan.average, condition, zeros, 5, {.frames = 5});
    CHECK(by_three.latents.size() == 2);
    CHECK(by_three.frames.shape() == videos_of(config, 5, 2));
    CHECK(by_five.latents.size() == 1);
    CHECK(by_five.frames.to_vector() == longer.to_vector());
    CHECK(continue_videos(gan.average, condition, labels, 5, {.frames = 3}).frames.to_vector() ==
          by_three.frames.to_vector());
    CHECK_THROWS_AS(continue_videos(gan.average, condition, labels, 5, {.frames = -1}), ArgumentError);
  }
}

TEST_CASE("numbers of frames that cannot be made are refused in words, and nothing has changed then") {
  DvdGan<float> gan(grey, 1), continuing(predicting(grey), 1);
  const Tensor<float> z = draw_latents<float>(grey.latent_dim, {.count = 2}), condition = random_videos(grey, 2, 2);
  const Values before = state_of(gan), before_continuing = state_of(continuing);
  CHECK(message_of([&] { gan.sample({.frames = -1}); }) ==
        "the number of frames must be between 1 and 1000000, or 0 for the model's own, not -1");
  CHECK_THROWS_AS(continuing.predict(condition, {.frames = -1}), ArgumentError);
  CHECK(message_of([&] { gan.generate(z, {}, {}, Pass::evaluate(), nullptr, -2); }) ==
        "the number of frames to make must be between 1 and 1000000, not -2");
  const std::string training =
      "in training the generator makes the 3 frames of its configuration, not 4; another number only by running "
      "statistics";
  for (const Pass& pass : {Pass::train(), Pass::train_further(), Pass::standing(0)}) {
    CHECK(message_of([&] { gan.generate(z, {}, {}, pass, nullptr, 4); }) == training);
    CHECK(message_of([&] { gan.generator.forward(z, {}, pass, nullptr, {}, 4); }) == training);
    CHECK(message_of([&] { continuing.generate(z, {}, condition, pass, nullptr, 4); }) == training);
  }
  CHECK(state_of(gan) == before);
  CHECK(state_of(continuing) == before_continuing);
  gan.generate(z, {}, {}, Pass::train(), nullptr, 3);
}

TEST_CASE("the generator that is made for sampling again and again") {
  DvdGan<float> gan(grey, 1), continuing(predicting(wide), 1);
  RecordedGenerator recorded(gan.average), predicted(continuing.average);
  const Tensor<float> z = draw_latents<float>(grey.latent_dim, {.count = 2}), condition = random_videos(wide, 2, 2);
  const Labels labels = labels_of(wide, 2);
  for (const Index frames : {0, 5, 2})
    for (int time = 0; time < 3; ++time) {
      CHECK(recorded.generate(z, {}, {}, frames).to_vector() == gan.sample({.count = 2, .frames = frames}).to_vector());
      CHECK(predicted.generate(z, labels, condition, frames).to_vector() ==
            continuing.average.generate(z, labels, condition, Pass::evaluate(), nullptr, frames).to_vector());
    }
  CHECK_THROWS_AS(recorded.generate(z, labels), ArgumentError);
  CHECK_THROWS_AS(recorded.generate(z, {}, {}, -1), ArgumentError);
}

}  // namespace
