// Which frames the spatial discriminator is shown.
#include "dvd/layers/frame_sampler.hpp"

#include <doctest/doctest.h>

#include <map>

#include "dvd/device/cpu.hpp"

namespace {

using namespace dvd;

TEST_CASE("ascending and without repetition") {
  for (const Index frames : {1, 2, 5, 12, 48})
    for (Index count = 1; count <= std::min<Index>(frames, 8); ++count) {
      const FrameIndices drawn = FrameSampler::draw(Random(3), 50, frames, count);
      REQUIRE(drawn.videos == 50);
      REQUIRE(drawn.count == count);
      REQUIRE(drawn.values.size() == static_cast<std::size_t>(50 * count));
      for (Index n = 0; n < 50; ++n)
        for (Index j = 0; j < count; ++j) {
          CHECK(drawn(n, j) >= (j > 0 ? drawn(n, j - 1) + 1 : 0));
          CHECK(drawn(n, j) < frames);
        }
    }
}

TEST_CASE_TEMPLATE("evenly spaced", S, ConsecutiveFrames, StridedFrames) {
  for (const Index frames : {1, 2, 5, 12, 48})
    for (Index count = 1; count <= std::min<Index>(frames, 8); ++count) {
      const FrameIndices drawn = S::draw(Random(3), 200, frames, count);
      const bool strided = std::is_same_v<S, StridedFrames>;
      const Index step = strided && count > 1 ? (frames - 1) / (count - 1) : 1, last = frames - 1 - (count - 1) * step;
      bool first_seen = false, last_seen = false;
      for (Index n = 0; n < 200; ++n) {
        first_seen = first_seen || drawn(n, 0) == 0;
        last_seen = last_seen || drawn(n, 0) == last;
        CHECK(drawn(n, 0) >= 0);
        CHECK(drawn(n, count - 1) < frames);
        for (Index j = 1; j < count; ++j) CHECK(drawn(n, j) == drawn(n, j - 1) + step);
      }
      CHECK(first_seen);
      CHECK((last_seen || last > 20));
    }
  CHECK_THROWS_AS(S::draw(Random(3), 1, 3, 4), ArgumentError);
  CHECK_THROWS_AS(S::draw(Random(3), 1, 3, 0), ArgumentError);
}

TEST_CASE("every choice is equally likely") {
  constexpr Index draws = 20000, frames = 5, count = 2, choices = 10;
  const FrameIndices drawn = FrameSampler::draw(Random(4), draws, frames, count);
  std::map<std::pair<Index, Index>, Index> seen;
  for (Index n = 0; n < draws; ++n) ++seen[{drawn(n, 0), drawn(n, 1)}];
  REQUIRE(seen.size() == choices);
  constexpr double expected = static_cast<double>(draws) / choices;
  double chi_square = 0;
  for (const auto& [pair, times] : seen) chi_square += std::pow(static_cast<double>(times) - expected, 2) / expected;
  CHECK(chi_square < 27.9);  // 9 degrees of freedom: one seed in a thousand is above
}

TEST_CASE("videos are drawn independently") {
  constexpr Index videos = 4000;
  const FrameIndices drawn = FrameSampler::draw(Random(5), videos, 4, 1);
  Index same = 0;  // as the video before
  for (Index n = 1; n < videos; ++n) same += drawn(n, 0) == drawn(n - 1, 0);
  CHECK(same > 0.22 * videos);
  CHECK(same < 0.28 * videos);
  // A video's frames do not depend on how many others there are; another stream gives others.
  const FrameIndices fewer = FrameSampler::draw(Random(5), 10, 4, 1), other = FrameSampler::draw(Random(6), 10, 4, 1);
  CHECK(std::equal(fewer.values.begin(), fewer.values.end(), drawn.values.begin()));
  CHECK(fewer.values != other.values);
}

TEST_CASE("all frames where there are just enough") {
  const FrameIndices drawn = FrameSampler::draw(Random(7), 3, 4, 4);
  for (Index n = 0; n < 3; ++n)
    for (Index j = 0; j < 4; ++j) CHECK(drawn(n, j) == j);
}

TEST_CASE("selecting puts frames in their places and back") {
  constexpr Index frames = 4, videos = 2, pixels = 6;
  Tensor<double> video(Shape{frames, videos, 1, 2, 3});
  for (Index i = 0; i < video.size(); ++i) video.data()[i] = static_cast<double>(i);
  const FrameIndices chosen{videos, 2, {0, 3, 1, 2}};
  const Tensor<double> selected = select_frames(video, chosen);
  CHECK(selected.shape() == Shape{2, videos, 1, 2, 3});
  const Tensor<double> back = select_frames_backward(selected, chosen, frames);
  REQUIRE(back.shape() == video.shape());
  for (Index t = 0; t < frames; ++t)
    for (Index n = 0; n < videos; ++n) {
      const bool taken = chosen(n, 0) == t || chosen(n, 1) == t;
      for (Index i = 0; i < pixels; ++i) {
        const Index at = (t * videos + n) * pixels + i;
        CHECK(back.data()[at] == (taken ? video.data()[at] : 0));
      }
    }
  for (Index n = 0; n < videos; ++n)
    for (Index j = 0; j < 2; ++j)
      CHECK(selected.data()[(j * videos + n) * pixels] == video.data()[(chosen(n, j) * videos + n) * pixels]);
}

TEST_CASE("what does not fit is refused") {
  CHECK_THROWS_AS(FrameSampler::draw(Random(1), 2, 4, 5), ArgumentError);
  CHECK_THROWS_AS(FrameSampler::draw(Random(1), 2, 4, 0), ArgumentError);
  const auto video = Tensor<double>::zeros(Shape{2, 1, 2, 2, 3});
  CHECK_THROWS_AS(select_frames(video, {1, 1, {2}}), ArgumentError);
  CHECK_THROWS_AS(select_frames(video, {1, 1, {-1}}), ArgumentError);
  CHECK_THROWS_AS(select_frames(video, {2, 1, {0, 0}}), ArgumentError);
}

}  // namespace
