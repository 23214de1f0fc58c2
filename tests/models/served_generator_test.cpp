// A generator that many threads sample from: the bits of one thread, and of every video alone.
#include "dvd/models/served_generator.hpp"

#include <doctest/doctest.h>

#include <latch>
#include <thread>
#include <vector>

#include "dvd/device/cpu.hpp"
#include "dvd/layers/conv_lstm.hpp"
#include "dvd/layers/plain_conv_gru.hpp"
#include "dvd/layers/transposed_convolution.hpp"
#include "dvd/layers/tsru.hpp"
#include "dvd/models/dvd_gan.hpp"
#include "dvd/models/gan.hpp"
#include "support/error_of.hpp"
#include "support/gan_archetypes.hpp"

namespace {

using namespace dvd;
using testing::error_of;
using testing::holds;

// Wide enough for every method of convolving, also by which sizes it depends on the batch.
constexpr DvdGanConfig wide{
    .frames = 3, .resolution = 32, .channels = 2, .classes = 4, .latent_dim = 6, .embed_dim = 3};

DvdGanConfig predicting() {
  DvdGanConfig config = wide;
  config.condition_frames = 2;
  return config;
}

using Bits = std::vector<float>;

// Video n of a batch.
Bits video(const Tensor<float>& videos, Index n) {
  Bits values;
  for (Index t = 0; t < videos.extent(0); ++t) {
    const Bits frame = videos[t][n].to_vector();
    values.insert(values.end(), frame.begin(), frame.end());
  }
  return values;
}

// What `call(thread)` returns to each of eight threads that all begin at once.
template <class Call>
std::vector<Bits> from_eight_threads(const Call& call) {
  std::vector<Bits> results(8);
  std::latch together(8);
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < results.size(); ++i)
    threads.emplace_back([&, i] {
      together.arrive_and_wait();
      results[i] = call(static_cast<Index>(i));
    });
  for (std::thread& thread : threads) thread.join();
  return results;
}

// Eight threads, each with labels, numbers of videos and frames of its own, some asked for the same; the generator is
// cold, so that they meet where something is made for the first time.
template <class G>
void check_threads(const G& generator) {
  const ServedGenerator<G> served(generator), serial(generator);
  const auto call = [](const ServedGenerator<G>& from, Index thread) {
    const Labels labels = {thread % 4, 1, (thread + 2) % 4};
    return from
        .sample({.labels = Labels(labels.begin(), labels.begin() + 1 + thread % 3),
                 .seed = static_cast<std::uint64_t>(thread % 5),
                 .frames = thread % 4 == 3 ? Index{5} : Index{0}})
        .to_vector();
  };
  const auto results = from_eight_threads([&](Index thread) { return call(served, thread); });
  for (Index thread = 0; thread < 8; ++thread) {
    CAPTURE(thread);
    CHECK(results[static_cast<std::size_t>(thread)] == call(serial, thread));
  }
}

TEST_CASE("eight threads sample the bits of one") {
  SUBCASE("ConvGRU") { check_threads(GeneratorNetworks<Generator<float>>(wide, Random(1))); }
  SUBCASE("TSRU and attention") {
    check_threads(GeneratorNetworks<Generator<float, Cpu, TSRU<float>, SelfAttention<float>>>(wide, Random(1)));
  }
  SUBCASE("ConvLSTM") { check_threads(GeneratorNetworks<Generator<float, Cpu, ConvLSTM<float>>>(wide, Random(1))); }
}

TEST_CASE("eight threads continue videos to the bits of one, which are those of networks that train") {
  GeneratorNetworks<Generator<float>> networks(predicting(), Random(1));
  const ServedGenerator served(networks);
  Tensor<float> condition(Shape{2, 1, 32, 32, 3});
  Cpu::random_uniform(condition.size(), Random(4), -1.0f, 1.0f, condition.data());
  const auto results = from_eight_threads([&](Index thread) {
    return served.continue_videos(condition, {thread % 4}, 7, {.seed = 5, .first = thread}).frames.to_vector();
  });
  for (Index thread = 0; thread < 8; ++thread) {
    const auto own = continue_videos(networks, condition, {thread % 4}, 7, {.seed = 5, .first = thread});
    CHECK(results[static_cast<std::size_t>(thread)] == own.frames.to_vector());
  }
  // Many of them at a call.
  Tensor<float> both(Shape{2, 2, 32, 32, 3});
  for (Index t = 0; t < 2; ++t)
    for (Index n = 0; n < 2; ++n) both[t][n].copy_from(condition[t]);
  const Continuation<float> two = served.continue_videos(both, {0, 1}, 7, {.seed = 5});
  for (Index n = 0; n < 2; ++n) CHECK(video(two.frames, n) == results[static_cast<std::size_t>(n)]);
  CHECK(two.latents.size() == 3);
}

TEST_CASE("a sample is the same whatever else is asked for in its call") {
  DvdGan<float> gan(wide, 1);
  const ServedGenerator served(gan.average);
  const Labels labels = {3, 1, 0, 1, 2, 3, 0, 2, 1, 1, 0, 3, 2};
  const Tensor<float> together = served.sample({.labels = labels, .seed = 7});
  CHECK(together.shape() == Shape{3, 13, 32, 32, 3});
  for (Index n = 0; n < 13; ++n) {
    CAPTURE(n);
    const Index label = labels[static_cast<std::size_t>(n)];
    CHECK(video(together, n) == served.sample({.label = label, .seed = 7, .first = n}).to_vector());
    CHECK(video(together, n) == gan.sample({.label = label, .seed = 7, .first = n}).to_vector());
  }
  const Tensor<float> others = served.sample({.labels = {3, 2, 0}, .seed = 7});
  CHECK(video(others, 0) == video(together, 0));
  CHECK(video(others, 1) != video(together, 1));
  CHECK(video(others, 2) == video(together, 2));

  // On any number of threads.
  const ThreadLimit one(1);
  CHECK(served.sample({.labels = labels, .seed = 7}).to_vector() == together.to_vector());
}

TEST_CASE("a training model takes many labels, too") {
  DvdGan<float> gan({.frames = 2, .resolution = 16, .channels = 1, .classes = 4, .latent_dim = 6}, 1);
  const SampleOptions options{.labels = {3, 0, 2}, .seed = 5, .truncation = 0.5};
  const Tensor<float> z = draw_latents<float>(6, {.count = 3, .seed = 5, .truncation = 0.5});
  CHECK(gan.sample(options).to_vector() == gan.average.generate(z, {3, 0, 2}, {}, Pass::evaluate()).to_vector());
  CHECK(gan.sample({.labels = {1, 1}, .count = 2}).to_vector() == gan.sample({.label = 1, .count = 2}).to_vector());
  CHECK(error_of([&] {
          gan.sample({.labels = {1, 1}, .count = 3});
        }) == "there are 2 labels for 3 samples; give as many, or leave the count out");
  CHECK(error_of([&] {
          gan.sample({.label = 2, .labels = {1, 1}});
        }) == "samples have one label, 2, or labels, not both");
  CHECK(error_of([&] { gan.sample({.labels = {1, 4}}); }) == "label 4 is outside 0 .. 3");
}

TEST_CASE("it owns what it serves, and nothing that training needs") {
  GeneratorNetworks<Generator<float>> networks(wide, Random(1));
  networks.generator.conv.layer.weight.accumulator().fill(1);
  ServedGenerator served(networks);
  CHECK(served.sizes() == networks.sizes());
  auto copy = served.generator();
  for (const auto& [name, parameter] : contents(copy).parameters) CHECK(!parameter->gradient);

  const Bits before = served.sample().to_vector();
  for (const auto& [name, parameter] : contents(networks).parameters) parameter->value.fill(0);
  CHECK(served.sample().to_vector() == before);
  const ServedGenerator moved = std::move(served);
  CHECK(moved.sample().to_vector() == before);
}

// A generator of one's own, of layers that are not normalised, given a vector and frames with each video.
class OwnGenerator {
 public:
  using scalar_type = float;
  using device_type = Cpu;
  using View = ConstTensorView<float>;
  struct Cache {};

  OwnGenerator(const Random& random)
      : input(3 + 2, 4 * 4 * 8, random.stream("input")),
        mix(8 + 1, 8, 3, random.stream("mix")),
        unit(8, random.stream("unit")),
        up(8, 1, {.kernel = 4, .stride = 2, .padding = 1}, random.stream("up")) {}

  VideoSizes sizes() const {
    return {.frames = 3,
            .height = 8,
            .width = 8,
            .channels = 1,
            .latent_dim = 3,
            .condition_frames = 1,
            .condition_dim = 2};
  }

  Tensor<float> generate(const View& z, const Conditions<float>& conditions, Pass pass, Cache* = nullptr) {
    const Index count = z.extent(0);
    Tensor<float> joined(Shape{count, 5}), seen(Shape{1, count, 4, 4, 9});
    Cpu::copy_rows(1, count, 3, z.data(), 0, 3, joined.data(), 0, 5);
    Cpu::copy_rows(1, count, 2, conditions.vectors.data(), 0, 2, joined.data() + 3, 0, 5);
    const Tensor<float> x = input.forward(joined, pass);
    Tensor<float> shrunk(Shape{count, 4, 4, 1});
    Cpu::average_pool(1, count, 8, 8, 1, 1, conditions.frames.data(), shrunk.data());
    Cpu::copy_rows(1, count * 16, 8, x.data(), 0, 8, seen.data(), 0, 9);
    Cpu::copy_rows(1, count * 16, 1, shrunk.data(), 0, 1, seen.data() + 8, 0, 9);
    return up.forward(unit.forward(mix.forward(seen, pass), 3, {}, pass), pass);
  }

  void backward(const View&, Cache, Gradients) {}

  template <class F>
  void visit(const std::string& prefix, F& f) {
    input.visit(prefix + "input.", f);
    mix.visit(prefix + "mix.", f);
    unit.visit(prefix + "unit.", f);
    up.visit(prefix + "up.", f);
  }

 private:
  Linear<float> input;
  Conv2D<float> mix;
  PlainConvGRU<float> unit;
  TransposedConv2D<float> up;
};

TEST_CASE("any generator can be served") {
  OwnGenerator own(Random(2));
  const ServedGenerator served(own);
  const Index count = 20;
  Tensor<float> vectors(Shape{count, 2}), frames(Shape{1, count, 8, 8, 1});
  Cpu::random_normal(vectors.size(), Random(5), 1.0f, vectors.data());
  Cpu::random_normal(frames.size(), Random(6), 1.0f, frames.data());
  const Conditions<float> conditions{.frames = frames, .vectors = vectors};
  const Tensor<float> videos = served.sample({.count = count, .seed = 3}, conditions);
  const Tensor<float> z = draw_latents<float>(3, {.count = count, .seed = 3});
  for (Index n = 0; n < count; ++n)
    CHECK(video(videos, n) ==
          own.generate(z.slice(n, 1),
                       {.frames = frames[0].slice(n, 1).reshaped({1, 1, 8, 8, 1}), .vectors = vectors.slice(n, 1)},
                       Pass::evaluate())
              .to_vector());
  const auto results = from_eight_threads([&](Index thread) {
    return served.sample({.count = count, .seed = 3 + std::uint64_t(thread % 2)}, conditions).to_vector();
  });
  for (std::size_t thread = 0; thread < 8; thread += 2) CHECK(results[thread] == videos.to_vector());

  CHECK(error_of([&] { served.sample({.count = count}); }) ==
        "this generator makes videos from frames or vectors that it is given: call sample(options, conditions)");
  CHECK(error_of([&] { served.sample({.count = 2}, conditions); }) ==
        "the generator expects frames to continue of shape [1, 2, 8, 8, 1], not [1, 20, 8, 8, 1]");
  CHECK(error_of([&] { served.sample({.count = count}, {.frames = frames, .vectors = frames}); }) ==
        "the generator expects condition vectors of shape [20, 2], not [1, 20, 8, 8, 1]");
  CHECK(error_of([&] { served.sample({.count = count, .frames = 4}, conditions); }) ==
        "this generator makes 3 frames, not 4");
  CHECK(error_of([&] { served.sample({.count = count}, {.labels = {1}, .frames = frames, .vectors = vectors}); }) ==
        "the generator got 1 labels for 20 videos of 0 classes");

  // What the concept asks for is enough.
  const ServedGenerator<testing::ArchetypeGenerator> least(testing::ArchetypeGenerator{});
  CHECK(least.sample({.count = 2}, {.vectors = Tensor<float>::zeros({2, 1})}).shape() == Shape{2, 2, 3, 5, 2});
}

TEST_CASE("what makes no sense is refused") {
  const ServedGenerator served(GeneratorNetworks<Generator<float>>(wide, Random(1)));
  CHECK(error_of([&] { served.sample({.labels = {0, 4}}); }) == "label 4 is outside 0 .. 3");
  CHECK(error_of([&] { served.sample({.labels = {0, -1}}); }) == "label -1 is outside 0 .. 3");
  CHECK(error_of([&] { served.sample({.count = 0}); }) == "the number of samples must be between 1 and 1000000, not 0");
  CHECK(holds(error_of([&] { served.sample({.frames = -1}); }), "the number of frames must be between"));
  CHECK(error_of([&] { served.generate({}, {}); }) ==
        "the generator expects latents [N, 6] of at least one video, not []");
  const Tensor<float> z = Tensor<float>::zeros({2, 6});
  CHECK(error_of([&] { served.generate(z, {.labels = {1}}); }) ==
        "the generator got 1 labels for 2 videos of 4 classes");
  CHECK(error_of([&] {
          served.generate(z, {.labels = {1, 2}, .vectors = z});
        }) == "this generator takes no condition vectors");
  CHECK(error_of([&] {
          served.generate(z, {.labels = {1, 2}}, -3);
        }) == "the number of frames to make must be between 1 and 1000000, not -3");
  CHECK(error_of([&] { served.continue_videos(z, {}, 3); }) ==
        "this model makes videos from nothing; it continues none");
  const ServedGenerator continuing(GeneratorNetworks<Generator<float>>(predicting(), Random(1)));
  CHECK(holds(error_of([&] { continuing.sample(); }), "call sample(options, conditions)"));
  CHECK(error_of([&] {
          continuing.generate(z, {.labels = {1, 2}});
        }) == "the generator expects frames to continue of shape [2, 2, 32, 32, 3], not []");
}

}  // namespace
