// Sources of the user's own draw in the user's own floating-point mode, wherever they are asked from.
#include "dvd/data/clip_source.hpp"

#include <doctest/doctest.h>

#include <limits>

#include "dvd/data/clip_loader.hpp"

namespace {

using namespace dvd;

// Clips of one pixel that is white where the smallest numbers are not zero.
struct Smallest {
  LabelledClip draw(const Random&) const {
    volatile float least = std::numeric_limits<float>::denorm_min();
    LabelledClip result{Clip(1, 1, 1), 0};
    result.clip.pixels[0] = least * 2 > 0 ? 255 : 0;
    return result;
  }
  Index classes() const { return 1; }
  std::vector<std::string> class_names() const { return {"smallest"}; }
};

TEST_CASE("drawn on all cores, or ahead by a loader, a clip is the same") {
  Smallest source;
  for (const Index count : {1, 500}) {
    ClipLoader loader(source, [](Index) { return Random(1); }, {.batch = count});
    for (const auto& clips : {draw_clips(source, Random(1), count), loader.batch(0)}) {
      REQUIRE(clips.size() == static_cast<std::size_t>(count));
      for (const TrainingClip& clip : clips) REQUIRE(std::get<Clip>(clip.clip).pixels[0] == 255);
    }
  }
}

TEST_CASE("what a source throws comes out") {
  struct Broken : Smallest {
    LabelledClip draw(const Random&) const { throw FileError("the disk is gone"); }
  };
  Broken source;
  CHECK_THROWS_WITH_AS(draw_clips(source, Random(1), 20), "the disk is gone", FileError);
}

}  // namespace
