// Videos brought to another size: against plain formulas, and what is refused.
#include "dvd/metrics/fitted_videos.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "support/error_of.hpp"

namespace {

using namespace dvd;
using dvd::testing::error_of;

Tensor<float> numbers(const Shape& shape, std::uint64_t seed = 1) {
  Tensor<float> result(shape);
  Cpu::random_uniform(result.size(), Random(seed), -1.0f, 1.0f, result.data());
  return result;
}

// Of one row or column: the triangle's average, over all positions of it that there are.
double resampled(const std::vector<double>& x, std::int64_t to, std::int64_t at) {
  const double step = static_cast<double>(x.size()) / static_cast<double>(to), reach = std::max(step, 1.0);
  double sum = 0, weights = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double distance = std::abs((static_cast<double>(i) + 0.5) - (static_cast<double>(at) + 0.5) * step);
    const double weight = std::max(0.0, 1 - distance / reach);
    sum += weight * x[i];
    weights += weight;
  }
  return sum / weights;
}

TEST_CASE("what has the size stays as it is, to the bit") {
  const Tensor<float> videos = numbers({3, 2, 5, 7, 3});
  const Tensor<float> same = fit_videos(videos, {.frames = 3, .height = 5, .width = 7, .channels = 3});
  CHECK(same.shape() == videos.shape());
  CHECK(same.to_vector() == videos.to_vector());
}

TEST_CASE("rows and columns are resampled by a triangle, larger and smaller") {
  const std::pair<Index, Index> lengths[] = {{5, 12}, {12, 5}, {64, 32}, {3, 32}, {1, 4}, {7, 1}};
  for (const auto& length : lengths) {
    const Index from = length.first, to = length.second;
    CAPTURE(from);
    CAPTURE(to);
    const Tensor<float> tall = numbers({1, 1, from, 1, 1}), wide = numbers({1, 1, 1, from, 1});
    const Tensor<float> rows = fit_videos(tall, {.frames = 1, .height = to, .width = 1, .channels = 1});
    const Tensor<float> columns = fit_videos(wide, {.frames = 1, .height = 1, .width = to, .channels = 1});
    const std::vector<float> values = tall.to_vector();
    for (std::int64_t i = 0; i < to; ++i) {
      const double expected = resampled({values.begin(), values.end()}, to, i);
      CHECK(rows.data()[i] == doctest::Approx(expected).epsilon(1e-6));
      CHECK(columns.data()[i] == doctest::Approx(expected).epsilon(1e-6));
    }
  }
}

TEST_CASE("constant videos stay constant, and both directions and all clips are alike") {
  const Tensor<float> fitted =
      fit_videos(Tensor<float>::full({2, 3, 9, 21, 3}, 0.75f), {.frames = 8, .height = 32, .width = 8, .channels = 3});
  CHECK(fitted.shape() == Shape{8, 3, 32, 8, 3});
  for (const float value : fitted.to_vector()) CHECK(value == doctest::Approx(0.75));
  const Tensor<float> batch = numbers({4, 3, 10, 6, 3});
  const ClipSize size{.frames = 6, .height = 7, .width = 9, .channels = 3};
  const Tensor<float> all = fit_videos(batch, size);
  for (Index n = 0; n < 3; ++n) {
    Tensor<float> one({4, 1, 10, 6, 3});
    for (Index t = 0; t < 4; ++t) one[t].copy_from(batch[t].slice(n, 1));
    const Tensor<float> alone = fit_videos(one, size);
    for (Index t = 0; t < 6; ++t) CHECK(alone[t].to_vector() == all[t].slice(n, 1).to_vector());
  }
}

TEST_CASE("frames are picked evenly, the first and the last among them") {
  const auto picked = [](Index frames, Index to) {
    Tensor<float> videos({frames, 1, 1, 1, 1});
    for (Index t = 0; t < frames; ++t) videos.data()[t] = static_cast<float>(t);
    return fit_videos(videos, {.frames = to, .height = 1, .width = 1, .channels = 1}).to_vector();
  };
  CHECK(picked(8, 8) == std::vector<float>{0, 1, 2, 3, 4, 5, 6, 7});
  CHECK(picked(2, 8) == std::vector<float>{0, 0, 0, 0, 1, 1, 1, 1});
  CHECK(picked(15, 8) == std::vector<float>{0, 2, 4, 6, 8, 10, 12, 14});
  CHECK(picked(1, 3) == std::vector<float>{0, 0, 0});
  CHECK(picked(5, 1) == std::vector<float>{2});
  const auto many = picked(48, 8);
  CHECK(many.front() == 0);
  CHECK(many.back() == 47);
}

TEST_CASE("a grey video is repeated for more channels") {
  const Tensor<float> grey = numbers({2, 1, 4, 4, 1});
  const auto one = fit_videos(grey, {.frames = 2, .height = 6, .width = 6, .channels = 1}).to_vector();
  const auto three = fit_videos(grey, {.frames = 2, .height = 6, .width = 6, .channels = 3}).to_vector();
  for (std::size_t i = 0; i < three.size(); ++i) CHECK(three[i] == one[i / 3]);
}

TEST_CASE("what is refused, in words") {
  const ClipSize size{.frames = 8, .height = 32, .width = 32, .channels = 3};
  const auto refusal = [&](const Tensor<float>& videos) { return error_of([&] { fit_videos(videos, size); }); };
  CHECK(refusal(Tensor<float>()) == "expected videos [T, N, H, W, C] of at least one pixel, not []");
  CHECK(refusal(numbers({2, 8, 8, 3})) == "expected videos [T, N, H, W, C] of at least one pixel, not [2, 8, 8, 3]");
  CHECK(refusal(Tensor<float>(Shape{2, 0, 8, 8, 3})) ==
        "expected videos [T, N, H, W, C] of at least one pixel, not [2, 0, 8, 8, 3]");
  CHECK(refusal(numbers({2, 1, 8, 8, 2})) == "expected videos of 3 channels, or of 1 (grey), not of 2");
  CHECK(error_of([&] {
          fit_videos(numbers({1, 1, 2, 2, 3}), {.frames = 1, .height = 0, .width = 1, .channels = 3});
        }) == "videos cannot be fitted to 1 frames of 0x1 pixels");
  for (const float odd : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    Tensor<float> videos = numbers({2, 3, 4, 5, 3});
    videos[1][2][3][4].data()[1] = odd;
    CHECK(
        refusal(videos) ==
        "video 2 of a batch holds a value that is not finite, in row 3, column 4 of frame 1 (expected numbers in [-1, "
        "1])");
  }
}

}  // namespace
