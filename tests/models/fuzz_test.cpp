// Models given what fits and what does not: a call works or is refused with a line, and has then changed nothing.
#include <doctest/doctest.h>

#include <limits>

#include "dvd/models/dvd_gan.hpp"
#include "dvd/models/prediction.hpp"
#include "dvd/models/served_generator.hpp"
#include "support/fuzz.hpp"

namespace {

using namespace dvd;
using dvd::testing::attempt;
using dvd::testing::check_gradient_of;
using dvd::testing::check_result;
using dvd::testing::Fuzz;
using dvd::testing::tries;

using View = ConstTensorView<float>;
using Networks = GeneratorNetworks<Generator<float>>;

constexpr Index batch = 2, classes = 3;
const Random random_weights(1);

DvdGanConfig small(Index condition_frames = 0) {
  return {.frames = 2,
          .resolution = 16,
          .channels = 1,
          .classes = classes,
          .latent_dim = 4,
          .embed_dim = 3,
          .spatial_frames = 2,
          .condition_frames = condition_frames};
}

bool are_classes(const Labels& labels) {
  for (const Index label : labels)
    if (label < 0 || label >= classes) return false;
  return !labels.empty();
}

Index size(const Labels& labels) { return static_cast<Index>(labels.size()); }

TEST_CASE("generator") {
  Fuzz fuzz("generator");
  const DvdGanConfig config = small();
  Generator<float> network(config, random_weights);
  Generator<float>::Cache kept;
  std::optional<Shape> kept_result;
  for (int i = 0; i < tries(60); ++i) {
    network.recompute = fuzz.chance(30);
    const Labels labels = fuzz.labels(batch, classes);
    const View z = fuzz.view<float>({batch, config.latent_dim});
    Generator<float>::States states;
    if (fuzz.chance(40))
      for (std::size_t stage = 0; stage < network.stages.size(); ++stage)
        states.push_back(fuzz.chance(85) ? fuzz.exact_view<float>(network.state_shape(stage, batch))
                                         : fuzz.view<float>(network.state_shape(stage, batch)));
    if (!states.empty() && fuzz.chance(10)) states.pop_back();
    bool fits = are_classes(labels) && z.shape() == Shape{size(labels), config.latent_dim} &&
                (states.empty() || states.size() == network.stages.size());
    for (std::size_t stage = 0; fits && stage < states.size(); ++stage)
      fits = states[stage] && states[stage].shape() == network.state_shape(stage, size(labels));
    const Pass pass = fuzz.pass();
    Generator<float>::Cache cache;
    const auto y = attempt(concat("a generator of ", z.shape()), network, fits,
                           [&] { return network.forward(z, labels, pass, &cache, states); });
    if (y) {
      kept_result = Shape{config.frames, size(labels), 16, 16, 3};
      check_result("a generator", *y, *kept_result);
      kept = cache;
    }
    const bool filled = kept_result && fuzz.chance(80);
    const View dy = fuzz.view<float>(kept_result.value_or(Shape{config.frames, batch, 16, 16, 3}));
    const Gradients gradients = fuzz.gradients();
    const auto result = attempt(
        concat("a generator's backward pass of ", dy.shape()), network, filled && dy && dy.shape() == *kept_result,
        [&] { return network.backward(dy, filled ? kept : Generator<float>::Cache(), gradients); });
    if (result) check_gradient_of("the gradient of z", result->z, {(*kept_result)[1], config.latent_dim}, true);

    const View condition = fuzz.view<float>({batch, config.condition_dim()});
    attempt(concat("a generator of conditions ", condition.shape()), network,
            condition && condition.shape().rank() == 2 && condition.extent(0) > 0 &&
                condition.extent(1) == config.condition_dim(),
            [&] { return network.forward_condition(condition, pass); });
  }
}

TEST_CASE("networks that continue videos") {
  Fuzz fuzz("networks");
  const DvdGanConfig config = small(3);
  Networks networks(config, random_weights);
  for (int i = 0; i < tries(50); ++i) {
    const Labels labels = fuzz.labels(batch, classes);
    const View z = fuzz.view<float>({batch, config.latent_dim});
    const View condition = fuzz.view<float>({3, batch, 16, 16, 3});
    const bool fits = are_classes(labels) && z.shape() == Shape{size(labels), config.latent_dim} && condition &&
                      condition.shape() == Shape{3, size(labels), 16, 16, 3};
    const Pass pass = fuzz.pass();
    Networks::Cache cache;
    const auto y = attempt(concat("networks of ", z.shape(), " and ", condition.shape()), networks, fits,
                           [&] { return networks.generate(z, labels, condition, pass, &cache); });
    const Shape right{config.frames, y ? size(labels) : batch, 16, 16, 3};
    if (y) check_result("networks", *y, right);
    const View dy = fuzz.view<float>(right);
    const Gradients gradients = fuzz.gradients();
    const auto result =
        attempt(concat("networks' backward pass of ", dy.shape()), networks, y && dy && dy.shape() == right,
                [&] { return networks.backward(dy, cache, gradients); });
    if (result)
      check_gradient_of("the gradient of the frames", result->condition, condition.shape(), wants_inputs(gradients));
  }
}

TEST_CASE("conditioning stack") {
  Fuzz fuzz("conditioning stack");
  ConditioningStack<float> stack(small(3), random_weights);
  for (int i = 0; i < tries(50); ++i) {
    const View condition = fuzz.view<float>({3, batch, 16, 16, 3});
    const bool fits = condition && condition.shape().rank() == 5 && condition.extent(1) > 0 &&
                      condition.shape() == Shape{3, condition.extent(1), 16, 16, 3};
    const Pass pass = fuzz.pass();
    ConditioningStack<float>::Cache cache;
    const auto states = attempt(concat("a conditioning stack of ", condition.shape()), stack, fits,
                                [&] { return stack.forward(condition, pass, &cache); });
    std::vector<View> dstates;
    bool backward_fits = states.has_value();
    for (const View& state : states.value_or(std::vector<View>())) {
      dstates.push_back(fuzz.chance(80) ? fuzz.exact_view<float>(state.shape()) : fuzz.view<float>(state.shape()));
      backward_fits = backward_fits && dstates.back() && dstates.back().shape() == state.shape();
    }
    if (!dstates.empty() && fuzz.chance(10)) {
      dstates.pop_back();
      backward_fits = false;
    }
    const Gradients gradients = fuzz.gradients();
    const auto dx = attempt("a conditioning stack's backward pass", stack, backward_fits,
                            [&] { return stack.backward(dstates, cache, gradients); });
    if (dx) check_gradient_of("the gradient of the frames", *dx, condition.shape(), wants_inputs(gradients));
  }
}

// A video that a discriminator can judge, or not.
bool is_video(const View& video, Index videos) {
  return video && video.shape().rank() == 5 && video.size() > 0 && video.extent(1) == videos && video.extent(2) == 16 &&
         video.extent(3) == 16 && video.extent(4) == 3;
}

template <class Network>
void fuzz_spatial(const std::string& name) {
  Fuzz fuzz(name);
  Network network(small(), random_weights);
  for (int i = 0; i < tries(60); ++i) {
    const View video = fuzz.view<float>({2, batch, 16, 16, 3});
    const Labels labels = fuzz.labels(batch, classes);
    FrameIndices frames{batch, 2, {0, 1, 1, 1}};
    if (fuzz.chance(15)) frames.values.pop_back();
    if (fuzz.chance(15)) frames.values[0] = fuzz.one_of<Index>({-1, 2, INT64_MAX, INT64_MIN});
    if (fuzz.chance(15)) frames.count = fuzz.one_of<Index>({-1, 0, 1, INT64_MAX});
    if (fuzz.chance(15)) frames.videos = fuzz.one_of<Index>({-1, 0, 1, 3, INT64_MAX});
    bool fits = frames.videos == size(labels) && frames.count == 2 && size(frames.values) == 2 * frames.videos &&
                are_classes(labels) && is_video(video, frames.videos);
    for (const Index frame : frames.values) fits = fits && frame >= 0 && frame < video.extent(0);
    const Pass pass = fuzz.pass();
    typename Network::Cache cache;
    const auto y = attempt(concat(name, " of ", video.shape()), network, fits, [&] {
      return network.forward({video, labels, frames}, pass, &cache);
    });
    if (y) check_result(name, *y, {batch});
    const View dy = fuzz.view<float>({batch});
    const Gradients gradients = fuzz.gradients();
    const auto dx =
        attempt(concat(name, "'s backward pass of ", dy.shape()), network, y && dy && dy.shape() == Shape{batch},
                [&] { return network.backward(dy, cache, gradients); });
    if (dx) check_gradient_of(name, *dx, video.shape(), wants_inputs(gradients));
  }
}

template <class Network>
void fuzz_temporal(const std::string& name) {
  Fuzz fuzz(name);
  Network network(small(), random_weights);
  for (int i = 0; i < tries(50); ++i) {
    const View video = fuzz.view<float>({3, batch, 16, 16, 3});
    const Labels labels = fuzz.labels(batch, classes);
    const bool fits = are_classes(labels) && is_video(video, size(labels));
    const Pass pass = fuzz.pass();
    typename Network::Cache cache;
    const auto y = attempt(concat(name, " of ", video.shape()), network, fits, [&] {
      return network.forward({video, labels}, pass, &cache);
    });
    const Shape scores{y ? size(labels) : batch};
    if (y) check_result(name, *y, scores);
    const View dy = fuzz.view<float>(scores);
    const Gradients gradients = fuzz.gradients();
    const auto dx = attempt(concat(name, "'s backward pass of ", dy.shape()), network, y && dy && dy.shape() == scores,
                            [&] { return network.backward(dy, cache, gradients); });
    if (dx) check_gradient_of(name, *dx, video.shape(), wants_inputs(gradients));
  }
}

TEST_CASE("discriminators") {
  fuzz_spatial<SpatialDiscriminator<float>>("spatial discriminator");
  fuzz_spatial<SpatialDiscriminator<float, Cpu, SelfAttention<float>>>("spatial discriminator with attention");
  fuzz_temporal<TemporalDiscriminator<float>>("temporal discriminator");
  fuzz_temporal<TemporalDiscriminator<float, Cpu, RandomHalfCrop<float>, SeparableAttention<float>>>(
      "temporal discriminator of other parts");
}

TEST_CASE("projection head") {
  Fuzz fuzz("head");
  ProjectionHead<float> head(5, classes, random_weights);
  for (int i = 0; i < tries(80); ++i) {
    const View x = fuzz.view<float>({2, batch, 2, 3, 5});
    const Labels labels = fuzz.labels(batch, classes);
    const bool fits = are_classes(labels) && x && x.shape().rank() == 5 && x.size() > 0 &&
                      x.extent(1) == size(labels) && x.extent(4) == 5;
    const Pass pass = fuzz.pass();
    ProjectionHead<float>::Cache cache;
    const auto y =
        attempt(concat("a head of ", x.shape()), head, fits, [&] { return head.forward(x, labels, pass, &cache); });
    const Shape scores{y ? size(labels) : batch};
    if (y) check_result("a head", *y, scores);
    const View dy = fuzz.view<float>(scores);
    const Gradients gradients = fuzz.gradients();
    const auto dx = attempt(concat("a head's backward pass of ", dy.shape()), head, y && dy && dy.shape() == scores,
                            [&] { return head.backward(dy, cache, gradients); });
    if (dx) check_gradient_of("a head", *dx, x.shape(), wants_inputs(gradients));
  }
}

SampleOptions sample_options(Fuzz& fuzz) {
  constexpr double infinity = std::numeric_limits<double>::infinity(), nan = std::numeric_limits<double>::quiet_NaN();
  SampleOptions options{.label = fuzz.below(classes), .count = 2};
  if (fuzz.chance(10)) options.label = fuzz.one_of<Index>({-1, classes, INT64_MAX, INT64_MIN});
  if (fuzz.chance(10)) options.count = fuzz.one_of<Index>({-1, 0, 1, Index{1} << 60, INT64_MAX, INT64_MIN});
  if (fuzz.chance(10)) options.truncation = fuzz.one_of({-1.0, 0.0, 0.5, 101.0, infinity, nan});
  if (fuzz.chance(10)) options.threshold = fuzz.one_of({-1.0, 1e-9, 0.5, infinity, nan});
  if (fuzz.chance(20)) options.frames = fuzz.one_of<Index>({1, 2, 5, -1, 1'000'001, INT64_MAX, INT64_MIN});
  if (fuzz.chance(20)) options.first = fuzz.one_of<Index>({1, 1'000'000, -1, 1'000'001, INT64_MAX, INT64_MIN});
  return options;
}

// Whether the options but for `count` are ones to sample by.
bool make_sense(const SampleOptions& options) {
  return options.label >= 0 && options.label < classes && options.truncation >= 0 && options.truncation <= 100 &&
         (options.threshold == 0 || options.threshold >= 0.01) && options.frames >= 0 && options.frames <= 5 &&
         options.first >= 0 && options.first <= 1'000'000;
}

// Frames that are made by them, of a model that makes two.
Index frames_of(const SampleOptions& options) { return options.frames == 0 ? 2 : options.frames; }

TEST_CASE("sampling") {
  Fuzz fuzz("sampling");
  DvdGan<float> gan(small());
  const ServedGenerator served(gan.average);
  for (int i = 0; i < tries(40); ++i) {
    SampleOptions options = sample_options(fuzz);
    if (fuzz.chance(40)) options.labels = fuzz.labels(batch, classes);
    if (!options.labels.empty() && fuzz.chance(80)) options.label = 0, options.count = 1;
    const Index count = options.labels.empty() ? options.count : size(options.labels);
    const bool fits = options.labels.empty() ? options.count >= 1 && options.count <= 2
                                             : options.label == 0 && are_classes(options.labels) &&
                                                   (options.count == 1 || options.count == count);
    const auto y = attempt("sample", gan, make_sense(options) && fits, [&] { return gan.sample(options); });
    if (y) check_result("sample", *y, {frames_of(options), count, 16, 16, 3});
    const auto same =
        attempt("served sample", gan, make_sense(options) && fits, [&] { return served.sample(options); });
    if (same) check_result("served sample", *same, {frames_of(options), count, 16, 16, 3});
  }
  attempt("predicting from nothing", gan, false, [&] { return gan.predict({}); });
  attempt("predicting", gan, false, [&] { return gan.predict(fuzz.exact_view<float>({3, batch, 16, 16, 3})); });
}

TEST_CASE("predicting") {
  Fuzz fuzz("predicting");
  DvdGan<float> gan(small(3));
  attempt("sampling from nothing", gan, false, [&] { return gan.sample(); });
  for (int i = 0; i < tries(40); ++i) {
    const SampleOptions options = sample_options(fuzz);
    const Labels labels = fuzz.labels(batch, classes);
    const Index steps = fuzz.chance(80) ? 1 + fuzz.below(5) : fuzz.one_of<Index>({-1, 0, INT64_MAX, Index{1} << 59});
    const View condition = fuzz.view<float>({3, batch, 16, 16, 3});
    const bool is_condition = condition && condition.shape().rank() == 5 && condition.extent(1) > 0 &&
                              condition.shape() == Shape{3, condition.extent(1), 16, 16, 3};
    const auto y = attempt(concat("predict of ", condition.shape()), gan, is_condition && make_sense(options),
                           [&] { return gan.predict(condition, options); });
    if (y) check_result("predict", *y, {frames_of(options), condition.extent(1), 16, 16, 3});
    SampleOptions others = options;
    others.label = 0;
    const bool fits = is_condition && make_sense(others) && are_classes(labels) &&
                      size(labels) == condition.extent(1) && steps >= 1 && steps < 100;
    const auto longer = attempt(concat("continue_videos of ", condition.shape(), " for ", steps), gan, fits,
                                [&] { return continue_videos(gan.average, condition, labels, steps, others); });
    if (longer) check_result("continue_videos", longer->frames, {steps, condition.extent(1), 16, 16, 3});
  }
}

// A side that a model can have, mostly.
Index draw_side(Fuzz& fuzz) {
  return fuzz.chance(95) ? 8 + 2 * fuzz.below(15) : fuzz.one_of<Index>({-2, 2, 7, 13, 8192, INT64_MAX, INT64_MIN});
}

DvdGanConfig draw_config(Fuzz& fuzz) {
  DvdGanConfig config{.frames = 1 + fuzz.below(3),
                      .resolution = fuzz.one_of<Index>({16, 16, 16, 12, 6, 0}),
                      .height = fuzz.chance(80) ? draw_side(fuzz) : 0,
                      .width = fuzz.chance(80) ? draw_side(fuzz) : 0,
                      .image_channels = fuzz.chance(95) ? 1 + fuzz.below(4) : fuzz.one_of<Index>({0, -1, INT64_MAX}),
                      .channels = 1,
                      .classes = fuzz.chance(95) ? fuzz.below(4) : fuzz.one_of<Index>({-1, INT64_MIN, INT64_MAX}),
                      .latent_dim = 3,
                      .embed_dim = fuzz.one_of<Index>({2, 2, 2, 0}),
                      .spatial_frames = 1 + fuzz.below(3),
                      .condition_frames = fuzz.one_of<Index>({0, 0, 2}),
                      .upsample = fuzz.chance(50) ? Upsampling::bilinear : Upsampling::nearest};
  const auto list = [&](std::vector<Index>& multipliers) {
    if (fuzz.chance(60)) return;
    const Index count = fuzz.chance(85) ? config.stages() + 1 : fuzz.below(4);
    for (Index i = 0; i < count && i < 10; ++i) multipliers.push_back(1 + fuzz.below(4));
    if (!multipliers.empty() && fuzz.chance(5)) multipliers.back() = fuzz.one_of<Index>({0, -1, INT64_MAX});
  };
  list(config.generator_multipliers);
  list(config.discriminator_multipliers);
  return config;
}

// As DvdGanConfig documents it.
bool makes_sense(const DvdGanConfig& config) {
  const auto side = [](Index given, Index otherwise) {
    const Index value = given != 0 ? given : otherwise;
    return value >= 8 && value <= 4096 && value % 2 == 0;
  };
  if (!side(config.height, config.resolution) || !side(config.width, config.resolution)) return false;
  const auto list = [&](const std::vector<Index>& multipliers) {
    for (const Index multiplier : multipliers)
      if (multiplier < 1 || multiplier > 4096) return false;
    return multipliers.empty() || size(multipliers) == config.stages() + 1;
  };
  return config.image_channels >= 1 && config.image_channels <= 1024 && config.classes >= 0 && config.classes <= 3 &&
         (config.classes == 0 || config.embed_dim > 0) && list(config.generator_multipliers) &&
         list(config.discriminator_multipliers);
}

TEST_CASE("models of any size, and videos of any length") {
  Fuzz fuzz("sizes");
  int models = 0;
  for (int i = 0; i < tries(60); ++i) {
    const DvdGanConfig config = draw_config(fuzz);
    std::optional<DvdGan<float>> made;
    try {
      made.emplace(config, random_weights);
      CHECK_MESSAGE(makes_sense(config), config.height, "x", config.width, " works");
    } catch (const ArgumentError& error) {
      CHECK_MESSAGE(!makes_sense(config), "refused: ", error.what());
    }
    if (!made) continue;
    ++models;
    DvdGan<float>& gan = *made;
    const std::string size_name = concat(config.image_height(), "x", config.image_width(), "x", config.image_channels);
    const auto shape_of = [&](Index frames, Index count) {
      return Shape{frames, count, config.image_height(), config.image_width(), config.image_channels};
    };
    for (int call = 0; call < 4; ++call) {
      const Labels labels =
          config.classes > 0 ? fuzz.labels(batch, config.classes) : fuzz.labels(fuzz.chance(85) ? 0 : batch, 1);
      const auto labels_fit = [&](Index videos) {
        for (const Index label : labels)
          if (label < 0 || label >= config.classes) return false;
        return config.classes == 0 ? labels.empty() : size(labels) == videos;
      };
      const View z = fuzz.view<float>({batch, config.latent_dim});
      const View condition =
          config.condition_frames > 0 ? fuzz.view<float>(shape_of(config.condition_frames, batch)) : View();
      const Index frames =
          fuzz.chance(70) ? 0 : fuzz.one_of<Index>({1, config.frames, 5, -1, INT64_MIN, INT64_MAX, 1'000'001});
      const Pass pass = fuzz.pass();
      const bool any_frames = !pass.batch_statistics && frames >= 1 && frames <= 5;
      const Index videos = z && z.shape().rank() == 2 ? z.extent(0) : 0;
      const bool fits = videos > 0 && z.extent(1) == config.latent_dim && labels_fit(videos) &&
                        (config.condition_frames == 0 ||
                         (condition && condition.shape() == shape_of(config.condition_frames, videos))) &&
                        (frames == 0 || frames == config.frames || any_frames);
      Networks::Cache cache;
      const auto y = attempt(concat("a model of ", size_name, " given ", z.shape()), gan, fits,
                             [&] { return gan.generate(z, labels, condition, pass, &cache, frames); });
      if (y) {
        const Shape right = shape_of(frames == 0 ? config.frames : frames, videos);
        check_result(size_name, *y, right);
        const View dy = fuzz.view<float>(right);
        const auto result = attempt(concat("the backward pass of ", size_name), gan, dy && dy.shape() == right,
                                    [&] { return gan.networks().backward(dy, cache, Gradients::all); });
        if (result) check_result("the gradient of z", result->z, z.shape());
      }

      const View video = y && fuzz.chance(70) ? View(*y) : fuzz.view<float>(shape_of(config.frames, batch));
      const Index judged = video && video.shape().rank() == 5 ? video.extent(1) : 0;
      const bool judge = video && video.size() > 0 && judged > 0 &&
                         video.shape() == shape_of(video.extent(0), judged) && labels_fit(judged);
      DvdGan<float>::TemporalType::Cache temporal;
      const auto t = attempt(concat("D_T of ", size_name, " given ", video.shape()), gan, judge, [&] {
        return gan.temporal.forward({video, labels}, pass, &temporal);
      });
      if (t) check_result("D_T", gan.temporal.backward(*t, temporal, Gradients::all), video.shape());
      const FrameIndices first{judged, judged > 0 ? 1 : 0, std::vector<Index>(static_cast<std::size_t>(judged), 0)};
      DvdGan<float>::SpatialType::Cache spatial;
      const auto s = attempt(concat("D_S of ", size_name, " given ", video.shape()), gan, judge, [&] {
        return gan.spatial.forward({video, labels, first}, pass, &spatial);
      });
      if (s) check_result("D_S", gan.spatial.backward(*s, spatial, Gradients::all), video.shape());
    }
  }
  CHECK(models >= 20);
}

}  // namespace
