// Clips of bytes and of numbers, with labels and conditions, from sources of every kind, as batches.
#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <set>

#include "dvd/core/bfloat16.hpp"
#include "dvd/data/batch.hpp"
#include "dvd/data/clip_loader.hpp"
#include "dvd/data/function_source.hpp"
#include "dvd/data/memory_clips.hpp"
#include "dvd/data/moving_shapes.hpp"
#include "dvd/device/cpu.hpp"

namespace {

using namespace dvd;

struct OfClips {
  Clip draw(const Random&) const { return Clip(1, 2, 3); }
};
struct OfNumbers {
  FloatClip draw(const Random&) const { return FloatClip(1, 2, 3, 4); }
};
struct WithCount {
  TrainingClip draw(const Random&) const { return Clip(1, 2, 3); }
  int classes() const { return 2; }
};
struct OfNothing {
  int draw(const Random&) const { return 1; }
};
static_assert(ClipSource<OfClips> && ClipSource<OfNumbers> && ClipSource<WithCount> && ClipSource<MemoryClips> &&
              ClipSource<FunctionSource> && !ClipSource<OfNothing>);

template <class C>
struct Batches {
  std::vector<C> batch(Index) { return {C()}; }
};
static_assert(BatchSource<Batches<Clip>> && BatchSource<Batches<LabelledClip>> && BatchSource<Batches<TrainingClip>> &&
              BatchSource<ClipLoader<OfClips>> && !BatchSource<Batches<int>> && !BatchSource<OfClips>);

FloatClip ramp(std::int64_t frames, std::int64_t height, std::int64_t width, std::int64_t channels, float first = 0) {
  FloatClip clip(frames, height, width, channels);
  for (std::size_t i = 0; i < clip.values.size(); ++i) clip.values[i] = first + static_cast<float>(i) / 64;
  return clip;
}

TEST_CASE("numbers reach the device as they are, in the order of videos") {
  const std::vector<TrainingClip> clips = {ramp(2, 3, 4, 2), ramp(2, 3, 4, 2, 5)};
  const Batch<double> batch = to_batch<double>(clips, 0, 2);
  REQUIRE(batch.videos.shape() == Shape{2, 2, 3, 4, 2});
  for (Index t = 0; t < 2; ++t)
    for (Index n = 0; n < 2; ++n)
      for (Index i = 0; i < 24; ++i)
        REQUIRE(batch.videos.data()[(t * 2 + n) * 24 + i] == static_cast<double>(5 * 64 * n + t * 24 + i) / 64);
  CHECK(batch.labels == Labels{0, 0});
  CHECK(batch.conditions.size() == 0);
  const std::vector<FloatClip> back = to_float_clips(batch.videos);
  for (std::size_t n = 0; n < 2; ++n) {
    CHECK(back[n].size() == ClipSize{2, 3, 4, 2});
    CHECK(back[n].values == std::get<FloatClip>(clips[n].clip).values);
  }
  const Batch<bfloat16> coarse = to_batch<bfloat16>(clips, 1, 1);
  CHECK(static_cast<float>(coarse.videos.data()[0]) == 5);
}

TEST_CASE("bytes of any channels become -1 to 1 and come back") {
  for (const std::int64_t channels : {1, 2, 3, 4, 7}) {
    Clip clip(2, 4, 3, channels);
    for (std::size_t i = 0; i < clip.pixels.size(); ++i) clip.pixels[i] = static_cast<std::uint8_t>(37 * i);
    const Batch<float> batch = to_batch<float>({clip, clip}, 0, 2);
    CHECK(batch.videos.shape() == Shape{2, 2, 4, 3, channels});
    CHECK(batch.videos.data()[1] == 37 / 127.5f - 1);
    const std::vector<Clip> clips = {clip, clip};
    CHECK(to_tensor<float>(clips).to_vector() == batch.videos.to_vector());
    for (const Clip& back : to_clips(batch.videos)) {
      CHECK(back.size() == clip.size());
      CHECK(back.pixels == clip.pixels);
    }
  }
}

TEST_CASE("bytes and numbers stand in one batch") {
  Clip bytes(1, 2, 2, 1);
  bytes.pixels = {0, 255, 0, 255};
  FloatClip numbers(1, 2, 2, 1);
  numbers.values = {0.25f, 0.5f, -7, 9};
  const Batch<float> batch = to_batch<float>({bytes, numbers}, 0, 2);
  CHECK(batch.videos.to_vector() == std::vector<float>{-1, 1, -1, 1, 0.25f, 0.5f, -7, 9});
}

TEST_CASE("labels and conditions") {
  std::vector<TrainingClip> clips;
  for (Index n = 0; n < 4; ++n) clips.push_back({Clip(1, 2, 2), n, {static_cast<float>(n), -1, 2}});
  const Batch<float> batch = to_batch<float>(clips, 1, 2);
  CHECK(batch.labels == Labels{1, 2});
  REQUIRE(batch.conditions.shape() == Shape{2, 3});
  CHECK(batch.conditions.to_vector() == std::vector<float>{1, -1, 2, 2, -1, 2});
  CHECK_THROWS_AS(to_batch<float>(clips, 3, 2), ArgumentError);
  CHECK_THROWS_AS(to_batch<float>(clips, -1, 2), ArgumentError);
  CHECK_THROWS_AS(to_batch<float>(clips, 0, 0), ArgumentError);
}

TEST_CASE("clips that differ cannot be one batch, and the message says how") {
  const auto together = [](TrainingClip other) { to_batch<float>({TrainingClip(Clip(2, 3, 4), 0, {1}), other}, 0, 2); };
  CHECK_NOTHROW(together({FloatClip(2, 3, 4), 0, {2}}));
  CHECK_THROWS_WITH_AS(together({Clip(2, 3, 5), 0, {2}}),
                       "clips of one batch must have one size, not 2 frames of 3x4 pixels and 2 frames of 3x5 pixels",
                       ArgumentError);
  CHECK_THROWS_WITH_AS(
      together({FloatClip(2, 3, 4, 1), 0, {2}}),
      "clips of one batch must have one size, not 2 frames of 3x4 pixels and 2 frames of 3x4 pixels of 1 channel",
      ArgumentError);
  CHECK_THROWS_AS(together({Clip(1, 3, 4), 0, {2}}), ArgumentError);
  CHECK_THROWS_AS(together({Clip(2, 4, 4), 0, {2}}), ArgumentError);
  CHECK_THROWS_WITH_AS(together({Clip(2, 3, 4), 0, {}}),
                       "clips of one batch must be conditioned on as many numbers, not 1 and 0", ArgumentError);
  CHECK_THROWS_AS(together({Clip(2, 3, 4), 0, {1, 2}}), ArgumentError);
}

TEST_CASE("what is not finite is refused, and the message says where it is") {
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
                          -std::numeric_limits<float>::infinity()}) {
    FloatClip clip(2, 3, 4, 2);
    clip.frame(1)[(2 * 4 + 3) * 2 + 1] = bad;
    const char* const says = "channel 1 of the pixel at row 2, column 3 of frame 1";
    CHECK_THROWS_WITH_AS(check_pixels(clip), doctest::Contains(says), ArgumentError);
    CHECK_THROWS_WITH_AS(to_batch<float>({clip}, 0, 1), doctest::Contains(says), ArgumentError);
    const std::vector<FloatClip> clips = {clip};
    CHECK_THROWS_WITH_AS(to_tensor<float>(clips), doctest::Contains(says), ArgumentError);
    CHECK_THROWS_WITH_AS(MemoryClips{clips}, doctest::Contains(says), ArgumentError);
    CHECK_THROWS_WITH_AS(to_batch<float>({TrainingClip(Clip(1, 1, 1), 0, {0, 1, bad})}, 0, 1),
                         doctest::Contains("number 2 of a clip's condition"), ArgumentError);
  }
}

// Whether a clip of these sizes, which holds so many bytes, is refused and nothing else happens.
template <class AnyClip, class Pixels>
bool refused(const ClipSize& size, std::size_t held, Pixels AnyClip::*pixels) {
  AnyClip clip;
  clip.frames = size.frames;
  clip.height = size.height;
  clip.width = size.width;
  clip.channels = size.channels;
  (clip.*pixels).resize(held);
  int refusals = 0;
  const auto ask = [&](const auto& act) {
    try {
      act();
    } catch (const ArgumentError&) {
      ++refusals;
    }
  };
  ask([&] { check_pixels(clip); });
  ask([&] { to_batch<float>({clip}, 0, 1); });
  ask([&] { MemoryClips(std::vector<AnyClip>{clip}); });
  CHECK((refusals == 0 || refusals == 3));
  return refusals == 3;
}

TEST_CASE("malformed clips of all kinds are refused") {
  const std::int64_t some[] = {-1,
                               0,
                               1,
                               2,
                               3,
                               1 << 16,
                               1 << 20,
                               (1 << 20) + 1,
                               std::int64_t{1} << 32,
                               std::int64_t{1} << 62,
                               std::numeric_limits<std::int64_t>::max(),
                               std::numeric_limits<std::int64_t>::min()};
  const Random random(5);
  const auto one_of = [&](std::uint64_t i) { return some[random.below(i, std::size(some))]; };
  int good = 0;
  for (std::uint64_t i = 0; i < 20'000; ++i) {
    const Random own = random.stream(i);
    const auto pick = [&](std::uint64_t k) {
      return own.below(8 + k, 3) == 0 ? one_of(i * 4 + k) : own.below(k, 4) + 1;
    };
    const ClipSize size{pick(0), pick(1), pick(2), pick(3)};
    const bool small = std::min({size.frames, size.height, size.width, size.channels}) >= 1 &&
                       std::max({size.frames, size.height, size.width, size.channels}) <= 4;
    const std::int64_t right = small ? size.frames * size.height * size.width * size.channels : 0;
    const std::int64_t held = std::max<std::int64_t>(0, right + own.below(20, 3) - 1);
    const bool is_good = small && held == right;
    good += is_good;
    REQUIRE(refused<Clip>(size, static_cast<std::size_t>(held), &Clip::pixels) == !is_good);
    REQUIRE(refused<FloatClip>(size, static_cast<std::size_t>(held), &FloatClip::values) == !is_good);
  }
  CHECK(good > 100);
}

TEST_CASE("clips from memory are drawn uniformly, with their labels") {
  std::vector<Clip> clips;
  for (int i = 0; i < 5; ++i) {
    clips.emplace_back(1, 1, 1, 1);
    clips.back().pixels[0] = static_cast<std::uint8_t>(i);
  }
  const MemoryClips unlabelled(clips);
  CHECK(unlabelled.classes() == 0);
  CHECK(unlabelled.class_names().empty());
  CHECK(unlabelled.size() == 5);
  const MemoryClips source(clips, {2, 0, 1, 1, 2}, {"a", "b", "c"});
  CHECK(source.classes() == 3);
  int times[5] = {};
  for (std::uint64_t i = 0; i < 5000; ++i) {
    const TrainingClip& drawn = source.draw(Random(i));
    const std::uint8_t which = std::get<Clip>(drawn.clip).pixels[0];
    ++times[which];
    REQUIRE(drawn.label == (std::vector<Index>{2, 0, 1, 1, 2})[which]);
  }
  for (const int count : times) CHECK((count > 850 && count < 1150));
  CHECK(MemoryClips(clips, {2, 0, 1, 1, 2}).class_names() == std::vector<std::string>{"0", "1", "2"});
  CHECK(MemoryClips(clips, {0, 0, 0, 0, 0}).classes() == 1);
  CHECK(MemoryClips(std::vector<LabelledClip>{{Clip(1, 1, 1), 0}, {Clip(1, 1, 1), 1}}).classes() == 2);
}

TEST_CASE("sets that make no sense are an error") {
  const std::vector<Clip> two = {Clip(1, 2, 2), Clip(1, 2, 2)};
  CHECK_THROWS_AS(MemoryClips(std::vector<TrainingClip>()), ArgumentError);
  CHECK_THROWS_AS(MemoryClips(std::vector<Clip>(), Labels()), ArgumentError);
  CHECK_THROWS_WITH_AS(MemoryClips(two, {1}), "a set of 2 clips has 1 labels (expected one of each clip)",
                       ArgumentError);
  CHECK_THROWS_WITH_AS(MemoryClips(two, {0, 3}, {"a", "b"}), "clip 1 of a set has label 3 (expected 0 .. 1)",
                       ArgumentError);
  CHECK_THROWS_AS(MemoryClips(two, {0, -1}), ArgumentError);
  CHECK_THROWS_AS(MemoryClips(two, {0, std::int64_t{1} << 40}), ArgumentError);
  CHECK_THROWS_WITH_AS(MemoryClips(std::vector<Clip>{Clip(1, 2, 2), Clip(1, 2, 3)}),
                       "clip 1 of a set has 1 frames of 2x3 pixels (expected 1 frames of 2x2 pixels as the first one)",
                       ArgumentError);
  CHECK_THROWS_AS(MemoryClips(std::vector<TrainingClip>{{Clip(1, 2, 2), 0, {1}}, {Clip(1, 2, 2), 0, {}}}),
                  ArgumentError);
  CHECK_THROWS_AS(FunctionSource(nullptr), ArgumentError);
}

TEST_CASE("a function of random numbers is a source, with and without labels") {
  FunctionSource noise([](const Random& random) {
    FloatClip clip(2, 3, 4, 2);
    for (std::size_t i = 0; i < clip.values.size(); ++i) clip.values[i] = static_cast<float>(random.uniform(i, -1, 1));
    return clip;
  });
  CHECK(classes_of(noise) == 0);
  CHECK(class_names_of(noise).empty());
  const Batch<float> batch = draw_batch<float>(noise, Random(1), 3);
  CHECK(batch.videos.shape() == Shape{2, 3, 3, 4, 2});
  CHECK(batch.videos.data()[0] == static_cast<float>(Random(1).stream(0).uniform(0, -1, 1)));
  FunctionSource named(
      [](const Random& random) {
        return LabelledClip{Clip(1, 1, 1), random.below(0, 2)};
      },
      {"tails", "heads"});
  CHECK(classes_of(named) == 2);
  ClipLoader loader(named, [](Index) { return Random(3); }, {.batch = 50});
  CHECK(class_names_of(loader) == std::vector<std::string>{"tails", "heads"});
  std::set<Index> labels;
  for (const TrainingClip& clip : loader.batch(0)) labels.insert(clip.label);
  CHECK(labels == std::set<Index>{0, 1});
}

TEST_CASE("what sources say of their classes") {
  OfClips none;
  WithCount counted;
  MovingShapes shapes;
  CHECK(classes_of(none) == 0);
  CHECK(class_names_of(none).empty());
  CHECK(classes_of(counted) == 2);
  CHECK(class_names_of(counted) == std::vector<std::string>{"0", "1"});
  CHECK(classes_of(shapes) == 12);
  CHECK(class_names_of(shapes) == shapes.class_names());
}

TEST_CASE("whole batches of clips of any kind") {
  Batches<LabelledClip> labelled;
  CHECK(training_batch(labelled, 0).size() == 1);
  Batches<TrainingClip> training;
  CHECK(training_batch(training, 0).size() == 1);
}

}  // namespace
