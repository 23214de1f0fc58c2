// A loader gives what drawing in place would give, in any timing, and no more than asked for.
#include "dvd/data/clip_loader.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <thread>

#include "dvd/data/moving_shapes.hpp"
#include "dvd/device/cpu.hpp"
#include "dvd/training/trainer.hpp"

namespace {

using namespace dvd;

static_assert(BatchSource<ClipLoader<MovingShapes>>);

// Clips of one pixel that tell their random number; some take longer than others.
struct SlowSource {
  std::atomic<int>* drawn = nullptr;
  int fails_at = -1;

  LabelledClip draw(const Random& random) const {
    const int number = drawn ? drawn->fetch_add(1) : 0;
    if (number == fails_at) throw FileError("the disk is gone");
    std::this_thread::sleep_for(std::chrono::microseconds(random.bits(1) % 2000));
    LabelledClip result{Clip(1, 1, 1), static_cast<Index>(random.bits(0) % 1000)};
    result.clip.pixels[0] = static_cast<std::uint8_t>(random.bits(2));
    return result;
  }
  Index classes() const { return 1000; }
  std::vector<std::string> class_names() const { return std::vector<std::string>(1000, "?"); }
};

const BatchSchedule schedule = [](Index number) { return Random(7).stream(static_cast<std::uint64_t>(number)); };

void check_batch(const std::vector<TrainingClip>& clips, Index number) {
  SlowSource source;
  for (std::size_t n = 0; n < clips.size(); ++n) {
    const LabelledClip expected = source.draw(schedule(number).stream(n));
    CHECK(clips[n].label == expected.label);
    CHECK(std::get<Clip>(clips[n].clip).pixels == expected.clip.pixels);
  }
}

TEST_CASE("batches are those of the schedule, on any number of threads") {
  SlowSource source;
  for (const Index threads : {1, 2, 5}) {
    ClipLoader loader(source, schedule, {.batch = 4, .ahead = 3, .threads = threads});
    for (Index number = 0; number < 20; ++number) {
      const auto clips = loader.batch(number);
      REQUIRE(clips.size() == 4);
      check_batch(clips, number);
    }
  }
}

TEST_CASE("any batch can be asked for") {
  SlowSource source;
  ClipLoader loader(source, schedule, {.batch = 3, .ahead = 2, .threads = 2}, 10);
  for (const Index number : {10, 11, 3, 4, 4, 1000000, 11}) check_batch(loader.batch(number), number);
}

TEST_CASE("no more is made ahead than asked for") {
  std::atomic<int> drawn = 0;
  SlowSource source{&drawn};
  ClipLoader loader(source, schedule, {.batch = 4, .ahead = 2, .threads = 3});
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  CHECK(drawn <= 12);
  loader.batch(0);
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  CHECK(drawn <= 16);
}

TEST_CASE("an error comes out where its batch is asked for, and does not end the loader") {
  std::atomic<int> drawn = 0;
  SlowSource source{&drawn, 5};
  ClipLoader loader(source, schedule, {.batch = 4, .ahead = 2, .threads = 1});
  check_batch(loader.batch(0), 0);
  CHECK_THROWS_WITH_AS(loader.batch(1), "the disk is gone", FileError);
  check_batch(loader.batch(2), 2);
}

TEST_CASE("a loader that is not asked ends at once") {
  SlowSource source;
  ClipLoader loader(source, schedule, {.batch = 1000, .ahead = 50, .threads = 2});
}

TEST_CASE("options that make no sense are an error") {
  SlowSource source;
  CHECK_THROWS_AS(ClipLoader(source, schedule, {.batch = 0}), ArgumentError);
  CHECK_THROWS_AS(ClipLoader(source, schedule, {.ahead = 0}), ArgumentError);
  CHECK_THROWS_AS(ClipLoader(source, schedule, {.threads = 0}), ArgumentError);
}

TEST_CASE("training with a loader changes no bit") {
  const DvdGanConfig config{.frames = 3,
                            .resolution = 16,
                            .channels = 1,
                            .classes = 12,
                            .latent_dim = 4,
                            .embed_dim = 4,
                            .spatial_frames = 2};
  const MovingShapesOptions size{.frames = config.frames, .resolution = config.resolution};
  std::vector<float> weights[2];
  for (const bool ahead : {false, true}) {
    DvdGan<float> gan(config, 1);
    Trainer trainer(gan, {.batch = 3, .seed = 2});
    MovingShapes shapes(size);
    ClipLoader loader(shapes, trainer.batch_schedule(), {.batch = 3, .threads = 2});
    for (int step = 0; step < 3; ++step) {
      const StepReport report = ahead ? trainer.step(loader) : trainer.step(shapes);
      CHECK(report.data_seconds > 0);
    }
    weights[ahead] = contents(gan.generator).parameters[3].parameter->value.to_vector();
  }
  CHECK(weights[0] == weights[1]);
}

}  // namespace
