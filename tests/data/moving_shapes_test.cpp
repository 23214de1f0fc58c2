// The embedded data set shows what its labels say, measured on the pixels.
#include "dvd/data/moving_shapes.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <optional>
#include <set>

#include "dvd/data/batch.hpp"
#include "dvd/device/cpu.hpp"

namespace {

using namespace dvd;

static_assert(ClipSource<MovingShapes>);

enum Form { disc, square, triangle };
enum Direction { left, right, up, down };

constexpr double darkest_shape = 0.6, lightest_ground = -0.4;  // of the strongest channel, in [-1, 1]
constexpr double byte_step = 1 / 127.5;

double value(std::uint8_t byte) { return byte * byte_step - 1; }

// What can be measured of a frame; lengths in pixels.
struct Measured {
  std::int64_t left, top, right, bottom;  // of the pixels that the shape touches, right and bottom exclusive
  double center_x, center_y, area;
  std::array<double, 3> hue;  // of a pixel inside the shape
};

// The shape's channel of greatest contrast tells how much of a pixel it covers.
std::optional<Measured> measure(const Clip& clip, std::int64_t t) {
  const std::uint8_t* pixels = clip.frame(t);
  std::size_t channel = 0, inside = 0;
  for (std::size_t i = 0; i < static_cast<std::size_t>(clip.height * clip.width * 3); ++i)
    if (pixels[i] > pixels[inside * 3 + channel]) inside = i / 3, channel = i % 3;
  const double strongest = value(pixels[inside * 3 + channel]);
  if (strongest < darkest_shape - byte_step) return std::nullopt;
  Measured m{clip.width, clip.height, 0, 0, 0, 0, 0, {}};
  for (std::size_t c = 0; c < 3; ++c) m.hue[c] = value(pixels[inside * 3 + c]);
  for (std::int64_t y = 0; y < clip.height; ++y)
    for (std::int64_t x = 0; x < clip.width; ++x) {
      const double here = value(pixels[static_cast<std::size_t>(y * clip.width + x) * 3 + channel]);
      if (here <= lightest_ground + byte_step) continue;
      // The ground lies somewhere below -0.4: between a third and all of the way is shape.
      const double covered = std::min(1.0, (here + 0.7) / (strongest + 0.7));
      m.left = std::min(m.left, x);
      m.right = std::max(m.right, x + 1);
      m.top = std::min(m.top, y);
      m.bottom = std::max(m.bottom, y + 1);
      m.area += covered;
      m.center_x += covered * (static_cast<double>(x) + 0.5);
      m.center_y += covered * (static_cast<double>(y) + 0.5);
    }
  m.center_x /= m.area;
  m.center_y /= m.area;
  return m;
}

TEST_CASE("every class shows its shape, moving its way, inside the frame") {
  constexpr std::int64_t frames = 6, size = 64;
  const MovingShapes shapes({.frames = frames, .resolution = size});
  for (std::int64_t label = 0; label < 12; ++label)
    for (std::uint64_t seed = 0; seed < 25; ++seed) {
      CAPTURE(label);
      CAPTURE(seed);
      const LabelledClip drawn = shapes.draw(Random(seed), label);
      REQUIRE(drawn.label == label);
      const Clip& clip = drawn.clip;
      REQUIRE(clip.frames == frames);
      REQUIRE(clip.height == size);
      REQUIRE(clip.width == size);

      std::vector<Measured> all;
      for (std::int64_t t = 0; t < frames; ++t) {
        const auto measured = measure(clip, t);
        REQUIRE(measured);
        all.push_back(*measured);
        // Saturated: one channel strong, another weak.
        const auto& hue = measured->hue;
        CHECK(*std::max_element(hue.begin(), hue.end()) >= darkest_shape - byte_step);
        CHECK(*std::min_element(hue.begin(), hue.end()) <= lightest_ground + byte_step);
        // Size: 25 to 40 % of the width, as high as wide. Anti-aliased edges may touch a pixel more on either side, and
        // light touches of dark colours go unseen.
        const double width = static_cast<double>(measured->right - measured->left);
        const double height = static_cast<double>(measured->bottom - measured->top);
        CHECK(width >= 0.25 * size - 2);
        CHECK(width <= 0.40 * size + 2);
        CHECK(height >= 0.25 * size - 4);
        CHECK(height <= 0.40 * size + 2);
        // Wholly inside: the area is the same everywhere.
        CHECK(measured->area == doctest::Approx(all[0].area).epsilon(0.08));
        // Which shape: how much of its box it fills, and where its centre of mass lies.
        const double filled = measured->area / (width * height);
        const double sink = (measured->center_y - static_cast<double>(measured->top)) / height;
        switch (label / 4) {
          case disc:
            CHECK(filled > 0.62);
            CHECK(filled < 0.86);
            CHECK(sink == doctest::Approx(0.5).epsilon(0.06));
            break;
          case square:
            CHECK(filled > 0.86);
            CHECK(sink == doctest::Approx(0.5).epsilon(0.06));
            break;
          case triangle:  // point up: the centre of mass lies two thirds down
            CHECK(filled > 0.40);
            CHECK(filled < 0.64);
            CHECK(sink > 0.58);
        }
      }

      const std::int64_t direction = label % 4;
      const double step_x = (all[frames - 1].center_x - all[0].center_x) / (frames - 1);
      const double step_y = (all[frames - 1].center_y - all[0].center_y) / (frames - 1);
      const double travel = (frames - 1) * std::hypot(step_x, step_y);
      CHECK(travel >= 0.25 * size - 1);
      CHECK(travel <= 0.50 * size + 1);
      const double along = direction == left    ? -step_x
                           : direction == right ? step_x
                           : direction == up    ? -step_y
                                                : step_y;
      const double across = direction == left || direction == right ? step_y : step_x;
      CHECK(along > 0);
      CHECK(std::abs(across) < 0.1);
      for (std::int64_t t = 0; t < frames; ++t) {  // constant speed
        const Measured& m = all[static_cast<std::size_t>(t)];
        CHECK(std::abs(m.center_x - all[0].center_x - static_cast<double>(t) * step_x) < 0.6);
        CHECK(std::abs(m.center_y - all[0].center_y - static_cast<double>(t) * step_y) < 0.6);
      }
    }
}

TEST_CASE("the ground is dark, smooth and still") {
  constexpr std::int64_t size = 32;
  const MovingShapes shapes({.frames = 2, .resolution = size});
  std::set<std::array<std::uint8_t, 3>> corners;
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    const Clip clip = shapes.draw(Random(seed)).clip;
    for (const std::int64_t t : {0, 1}) {
      const auto m = measure(clip, t);
      REQUIRE(m);
      for (std::int64_t y = 0; y < size; ++y)
        for (std::int64_t x = 0; x < size; ++x) {
          // Two pixels clear of what the shape visibly touches.
          const auto far = [&](std::int64_t column, std::int64_t row) {
            return column < m->left - 2 || column > m->right + 1 || row < m->top - 2 || row > m->bottom + 1;
          };
          if (!far(x, y)) continue;
          const std::uint8_t* pixel = clip.frame(t) + (y * size + x) * 3;
          for (int c = 0; c < 3; ++c) {
            CHECK(value(pixel[c]) <= lightest_ground + byte_step);
            if (x + 1 < size && far(x + 1, y)) CHECK(std::abs(pixel[c] - pixel[c + 3]) <= 5);
          }
        }
    }
    const auto before = measure(clip, 0), after = measure(clip, 1);
    if (before->left > 3 && after->left > 3 && before->top > 3 && after->top > 3) {
      const std::uint8_t *first = clip.frame(0), *second = clip.frame(1);
      CHECK(std::equal(first, first + 3, second));
    }
    corners.insert({clip.frame(0)[0], clip.frame(0)[1], clip.frame(0)[2]});
  }
  CHECK(corners.size() > 80);
}

TEST_CASE("labels: four times the shape plus the direction, all equally often") {
  const MovingShapes shapes({.frames = 1, .resolution = 8});
  CHECK(shapes.classes() == 12);
  CHECK(shapes.class_names() == std::vector<std::string>{"disc-left", "disc-right", "disc-up", "disc-down",
                                                         "square-left", "square-right", "square-up", "square-down",
                                                         "triangle-left", "triangle-right", "triangle-up",
                                                         "triangle-down"});
  constexpr int draws = 6000;
  std::array<int, 12> counts{};
  for (std::uint64_t seed = 0; seed < draws; ++seed)
    ++counts[static_cast<std::size_t>(shapes.draw(Random(1).stream(seed)).label)];
  double chi_square = 0;
  for (const int count : counts) chi_square += std::pow(count - draws / 12.0, 2) / (draws / 12.0);
  CHECK(chi_square < 31.3);  // 11 degrees of freedom: one seed in a thousand is above
}

TEST_CASE("clips are a function of the random stream alone") {
  const MovingShapes shapes({.frames = 3, .resolution = 16}), others({.frames = 3, .resolution = 16});
  CHECK(shapes.draw(Random(1)).clip.pixels == others.draw(Random(1)).clip.pixels);
  CHECK(shapes.draw(Random(1)).clip.pixels != shapes.draw(Random(2)).clip.pixels);
  // The same scene at another length or size: the first frame does not depend on how many follow.
  const Clip longer = MovingShapes({.frames = 5, .resolution = 16}).draw(Random(1)).clip;
  const Clip clip = shapes.draw(Random(1)).clip;
  CHECK(std::equal(clip.frame(0), clip.frame(1), longer.frame(0)));
}

TEST_CASE("odd sizes, and sizes that make no sense") {
  for (const std::int64_t size : {8, 9, 31, 100})
    for (const std::int64_t frames : {1, 2, 7}) {
      const Clip clip = MovingShapes({.frames = frames, .resolution = size}).draw(Random(3)).clip;
      CHECK(clip.frames == frames);
      CHECK(clip.height == size);
      CHECK(clip.width == size);
      CHECK(clip.pixels.size() == static_cast<std::size_t>(frames * size * size * 3));
      // In the smallest frames a shape may cover no pixel wholly.
      if (size > 16) CHECK(measure(clip, 0));
    }
  CHECK_THROWS_AS(MovingShapes({.frames = 0}), ArgumentError);
  CHECK_THROWS_AS(MovingShapes({.resolution = 7}), ArgumentError);
  CHECK_THROWS_AS(MovingShapes().draw(Random(1), 12), ArgumentError);
  CHECK_THROWS_AS(MovingShapes().draw(Random(1), -1), ArgumentError);
}

// The rows and columns that a shape covers: those of the pixels whose strongest channel is brighter than any ground's.
struct Box {
  std::int64_t top = 1 << 20, bottom = -1, left = 1 << 20, right = -1;
};
Box box_of(const Clip& clip, std::int64_t t) {
  Box box;
  for (std::int64_t y = 0; y < clip.height; ++y)
    for (std::int64_t x = 0; x < clip.width; ++x) {
      const std::uint8_t* const pixel = clip.frame(t) + (y * clip.width + x) * clip.channels;
      if (*std::max_element(pixel, pixel + clip.channels) < 150) continue;
      box = {std::min(box.top, y), std::max(box.bottom, y), std::min(box.left, x), std::max(box.right, x)};
    }
  return box;
}

TEST_CASE("in frames that are not square, shapes keep their form, size and ways") {
  for (const auto& [height, width] : {std::pair<Index, Index>{32, 80}, {80, 32}, {64, 32}}) {
    const MovingShapes shapes({.frames = 6, .height = height, .width = width});
    bool far = false;  // beyond what a square of the shorter side would show
    for (std::uint64_t seed = 0; seed < 60; ++seed) {
      const Clip clip = shapes.draw(Random(seed), static_cast<Index>(seed % 12)).clip;
      REQUIRE(clip.size() == ClipSize{6, height, width, 3});
      const Box first = box_of(clip, 0), last = box_of(clip, 5);
      const Index tall = first.bottom - first.top + 1, wide = first.right - first.left + 1;
      REQUIRE(std::min(tall, wide) >= 6);
      REQUIRE(std::max(tall, wide) <= 14);
      REQUIRE(std::abs(tall - wide) <= 3);
      REQUIRE(std::abs(last.bottom - last.top + 1 - tall) <= 2);
      REQUIRE(std::abs(last.right - last.left + 1 - wide) <= 2);
      const Index x = last.left - first.left, y = last.top - first.top;
      const Index way[] = {-x, x, -y, y}, direction = static_cast<Index>(seed % 4);
      REQUIRE(way[direction] >= 7);
      REQUIRE(way[direction] <= 17);
      REQUIRE(std::abs(way[(direction + 2) % 4]) <= 2);
      far = far || std::max(first.right, first.bottom) >= 40;
    }
    CHECK(far);
  }
}

TEST_CASE("a grey clip is as bright as the strongest channel of the coloured one") {
  const MovingShapes coloured({.frames = 3, .height = 16, .width = 24});
  const MovingShapes grey({.frames = 3, .height = 16, .width = 24, .image_channels = 1});
  for (std::uint64_t seed = 0; seed < 24; ++seed) {
    const LabelledClip rgb = coloured.draw(Random(seed)), one = grey.draw(Random(seed));
    CHECK(one.label == rgb.label);
    REQUIRE(one.clip.size() == ClipSize{3, 16, 24, 1});
    for (std::size_t i = 0; i < one.clip.pixels.size(); ++i) {
      const auto first = rgb.clip.pixels.begin() + static_cast<std::ptrdiff_t>(3 * i);
      REQUIRE(one.clip.pixels[i] == *std::max_element(first, first + 3));
    }
  }
  CHECK_THROWS_AS(MovingShapes({.image_channels = 2}), ArgumentError);
  CHECK_THROWS_AS(MovingShapes({.image_channels = 4}), ArgumentError);
  CHECK_THROWS_AS(MovingShapes({.height = 7}), ArgumentError);
  CHECK_THROWS_AS(MovingShapes({.width = 4097}), ArgumentError);
  CHECK_THROWS_AS(MovingShapes({.width = -1}), ArgumentError);
}

TEST_CASE("batches") {
  MovingShapes shapes({.frames = 3, .resolution = 16});
  const Batch<double> batch = draw_batch<double>(shapes, Random(9), 5);
  CHECK(batch.videos.shape() == Shape{3, 5, 16, 16, 3});
  REQUIRE(batch.labels.size() == 5);
  const std::vector<Clip> clips = to_clips(batch.videos);
  REQUIRE(clips.size() == 5);
  for (std::size_t n = 0; n < 5; ++n) {
    const LabelledClip alone = shapes.draw(Random(9).stream(n));
    CHECK(clips[n].pixels == alone.clip.pixels);
    CHECK(batch.labels[n] == alone.label);
  }
  for (Index i = 0; i < batch.videos.size(); ++i) REQUIRE(std::abs(batch.videos.data()[i]) <= 1);
  const Clip different[] = {Clip(1, 8, 8), Clip(1, 8, 9)};
  CHECK_THROWS_AS(to_tensor<double>(different), ArgumentError);
  CHECK_THROWS_AS(to_tensor<double>(std::span<const Clip>()), ArgumentError);
}

}  // namespace
