// Clips mirrored at random: which ones, and pixel by pixel how.
#include "dvd/data/flipped_clips.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "dvd/data/clip_loader.hpp"
#include "dvd/data/function_source.hpp"
#include "dvd/data/memory_clips.hpp"
#include "dvd/data/moving_shapes.hpp"

namespace {

using namespace dvd;

Clip numbered(Index frames, Index height, Index width, Index channels) {
  Clip clip(frames, height, width, channels);
  for (std::size_t i = 0; i < clip.pixels.size(); ++i) clip.pixels[i] = static_cast<std::uint8_t>(i);
  return clip;
}

TEST_CASE("a mirrored clip has every pixel on the other side") {
  for (const auto& [width, channels] : {std::pair<Index, Index>{1, 3}, {4, 3}, {5, 1}, {3, 4}}) {
    const Clip clip = numbered(2, 3, width, channels);
    Clip mirrored = clip;
    mirror(mirrored);
    FloatClip numbers(2, 3, width, channels);
    numbers.values.assign(clip.pixels.begin(), clip.pixels.end());
    mirror(numbers);
    bool equal = true;
    for (Index row = 0; row < 2 * 3; ++row)
      for (Index w = 0; w < width; ++w)
        for (Index c = 0; c < channels; ++c) {
          const auto at = static_cast<std::size_t>((row * width + w) * channels + c),
                     other = static_cast<std::size_t>((row * width + width - 1 - w) * channels + c);
          equal = equal && mirrored.pixels[at] == clip.pixels[other] &&
                  numbers.values[at] == static_cast<float>(clip.pixels[other]);
        }
    CHECK(equal);
    mirror(mirrored);
    CHECK(mirrored.pixels == clip.pixels);
  }
  Clip malformed = numbered(1, 2, 2, 3);
  malformed.pixels.pop_back();
  CHECK_THROWS_AS(mirror(malformed), ArgumentError);
}

TEST_CASE("half of the clips are mirrored, which are the ones that the source draws") {
  MovingShapes shapes({.frames = 2, .resolution = 16});
  const FlippedClips flipped(shapes);
  static_assert(ClipSource<FlippedClips<MovingShapes>> && ClipSource<const FlippedClips<MovingShapes>>);
  int mirrored = 0;
  constexpr int count = 1000;
  for (int i = 0; i < count; ++i) {
    const Random random = Random(3).stream(static_cast<std::uint64_t>(i));
    LabelledClip clip = shapes.draw(random);
    const TrainingClip drawn = flipped.draw(random), again = flipped.draw(random);
    REQUIRE(drawn.label == clip.label);
    const auto& pixels = std::get<Clip>(drawn.clip).pixels;
    REQUIRE(pixels == std::get<Clip>(again.clip).pixels);
    if (pixels == clip.clip.pixels) continue;
    mirror(clip.clip);
    REQUIRE(pixels == clip.clip.pixels);
    ++mirrored;
  }
  CHECK(mirrored > 0.45 * count);
  CHECK(mirrored < 0.55 * count);
}

TEST_CASE("any source, with its classes or without") {
  MemoryClips memory(std::vector<FloatClip>{FloatClip(1, 2, 3, 2)});
  CHECK(classes_of(memory) == 0);
  FlippedClips of_memory(memory);
  CHECK(of_memory.classes() == 0);
  CHECK(of_memory.draw(Random(1)).size() == ClipSize{1, 2, 3, 2});

  FunctionSource function([](const Random&) { return TrainingClip(Clip(1, 2, 2), 1, {0.5f}); }, {"walk", "run"});
  FlippedClips of_function(function);
  CHECK(of_function.classes() == 2);
  CHECK(of_function.class_names() == std::vector<std::string>{"walk", "run"});
  const TrainingClip drawn = of_function.draw(Random(1));
  CHECK(drawn.label == 1);
  CHECK(drawn.condition == std::vector<float>{0.5f});

  struct Plain {
    Clip draw(const Random&) const { return Clip(1, 2, 2); }
  };
  const Plain plain;
  CHECK(FlippedClips(plain).draw(Random(1)).size() == ClipSize{1, 2, 2, 3});

  // Drawn ahead, a clip is the same.
  MovingShapes shapes({.frames = 2, .resolution = 16});
  FlippedClips flipped(shapes);
  ClipLoader loader(flipped, [](Index number) { return Random(static_cast<std::uint64_t>(number)); }, {.batch = 5});
  const auto batch = loader.batch(0), expected = draw_clips(flipped, Random(0), 5);
  for (std::size_t i = 0; i < 5; ++i)
    CHECK(std::get<Clip>(batch[i].clip).pixels == std::get<Clip>(expected[i].clip).pixels);
}

}  // namespace
