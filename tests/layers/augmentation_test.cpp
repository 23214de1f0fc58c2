// Augmentation against plain loops over pixels, its gradients, and what it draws for whom.
#include "dvd/layers/augmentation.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <set>
#include <string>
#include <vector>

#include "dvd/device/cpu.hpp"
#include "support/gradient_check.hpp"

namespace {

using namespace dvd;
using dvd::testing::check_gradients;
using dvd::testing::check_pass;
using dvd::testing::differentiable;
using dvd::testing::Doubles;
using dvd::testing::random_tensor;

const Random random_numbers(12);

Pass training_with(const Random& random, const BatchPlace& place = {}) {
  Pass pass = Pass::train();
  pass.random = &random;
  pass.place = place;
  return pass;
}

Doubles input(const Shape& shape) { return random_tensor(shape, Random(2)); }

// Each option alone, by as much as DiffAugment and by more, and all of them.
std::vector<AugmentationOptions> all_options() {
  return {{.flip = true}, {.color = true},  {.translation = 0.125}, {.translation = 1},    {.cutout = 0.5},
          {.cutout = 1},  {.cutout = 0.01}, {true, true, 0.5, 0.4}, {true, false, 0.3, 0}, AugmentationOptions::all()};
}

std::string name_of(const AugmentationOptions& options, const Shape& shape) {
  return concat("flip ", options.flip, ", color ", options.color, ", translation ", options.translation, ", cutout ",
                options.cutout, ", of ", shape);
}

// What a layer has drawn for the videos of a batch.
std::vector<DrawnAugmentation> draws_of(const AugmentationOptions& options, const Doubles& x, const Pass& pass) {
  Augmentation<double>::Cache cache;
  Augmentation<double>(options).forward(x, pass, &cache);
  return cache.draws;
}

// One of the videos, `[T, H, W, C]`, changed in the order and by the words of the layer's comment.
struct PlainVideo {
  Index frames, height, width, channels;
  std::vector<double> x;

  double& at(Index t, Index h, Index w, Index c) {
    return x[static_cast<std::size_t>(((t * height + h) * width + w) * channels + c)];
  }
  template <class F>
  void for_all(const F& f) {
    for (Index t = 0; t < frames; ++t)
      for (Index h = 0; h < height; ++h)
        for (Index w = 0; w < width; ++w)
          for (Index c = 0; c < channels; ++c) f(t, h, w, c);
  }

  void augment(const DrawnAugmentation& drawn) {
    PlainVideo before = *this;
    if (drawn.flip)
      for_all([&](Index t, Index h, Index w, Index c) { at(t, h, w, c) = before.at(t, h, width - 1 - w, c); });
    for (double& value : x) value += drawn.brightness;
    for (Index pixel = 0; pixel < frames * height * width; ++pixel) {
      double* const first = x.data() + pixel * channels;
      double mean = 0;
      for (Index c = 0; c < channels; ++c) mean += first[c] / static_cast<double>(channels);
      for (Index c = 0; c < channels; ++c) first[c] = mean + drawn.saturation * (first[c] - mean);
    }
    double mean = 0;
    for (const double value : x) mean += value / static_cast<double>(x.size());
    for (double& value : x) value = mean + drawn.contrast * (value - mean);
    before = *this;
    for_all([&](Index t, Index h, Index w, Index c) {
      const Index row = h - drawn.down, column = w - drawn.right;
      const bool inside = row >= 0 && row < height && column >= 0 && column < width;
      at(t, h, w, c) = inside ? before.at(t, row, column, c) : 0;
    });
    for_all([&](Index t, Index h, Index w, Index c) {
      if (h >= drawn.top && h < drawn.top + drawn.height && w >= drawn.left && w < drawn.left + drawn.width)
        at(t, h, w, c) = 0;
    });
  }
};

std::vector<double> plain(const Doubles& x, const std::vector<DrawnAugmentation>& draws) {
  const Shape& shape = x.shape();
  const Index image = shape[2] * shape[3] * shape[4];
  std::vector<double> result = x.to_vector();
  for (Index n = 0; n < shape[1]; ++n) {
    PlainVideo video{shape[0], shape[2], shape[3], shape[4], {}};
    const auto frame = [&](Index t) { return result.begin() + (t * shape[1] + n) * image; };
    for (Index t = 0; t < shape[0]; ++t) video.x.insert(video.x.end(), frame(t), frame(t) + image);
    video.augment(draws[static_cast<std::size_t>(n)]);
    for (Index t = 0; t < shape[0]; ++t) std::copy_n(video.x.begin() + t * image, image, frame(t));
  }
  return result;
}

TEST_CASE("as plain loops over pixels make it") {
  for (const AugmentationOptions& options : all_options())
    for (const Shape& shape : {Shape{3, 5, 4, 6, 3}, Shape{2, 4, 5, 3, 1}, Shape{1, 3, 3, 8, 2}, Shape{2, 2, 6, 7, 4},
                               Shape{3, 4, 1, 1, 3}, Shape{1, 1, 1, 5, 7}}) {
      const Doubles x = input(shape);
      const Pass pass = training_with(random_numbers);
      const auto expected = plain(x, draws_of(options, x, pass));
      const auto actual = Augmentation<double>(options).forward(x, pass).to_vector();
      double error = 0;
      for (std::size_t i = 0; i < actual.size(); ++i) {
        const double here = std::abs(actual[i] - expected[i]);
        error = std::isnan(here) ? INFINITY : std::max(error, here);
      }
      CHECK_MESSAGE(error < 1e-12, name_of(options, shape), ": off by ", error);
    }
}

TEST_CASE("gradients") {
  for (const AugmentationOptions& options : all_options())
    for (const Shape& shape : {Shape{3, 3, 4, 5, 3}, Shape{2, 2, 3, 4, 1}, Shape{2, 3, 4, 3, 2}, Shape{1, 2, 3, 3, 4},
                               Shape{2, 2, 1, 1, 3}}) {
      Augmentation<double> layer(options);
      check_pass(name_of(options, shape), differentiable(layer, input(shape)), training_with(random_numbers));
      check_gradients(name_of(options, shape) + ", without random numbers", layer, input(shape));
    }
}

TEST_CASE("nothing is left to chance without random numbers, in evaluation, or where nothing is switched on") {
  const Doubles x = input({2, 3, 4, 5, 3});
  Pass evaluation = Pass::evaluate();
  evaluation.random = &random_numbers;
  const Augmentation<double> all(AugmentationOptions::all());
  for (const Pass& pass : {Pass::train(), Pass::evaluate(), evaluation})
    CHECK(all.forward(x, pass).to_vector() == x.to_vector());
  CHECK(Augmentation<double>().forward(x, training_with(random_numbers)).to_vector() == x.to_vector());
  CHECK_FALSE(AugmentationOptions().any());
  CHECK(AugmentationOptions::all().any());
}

TEST_CASE("draws are of DiffAugment's ranges and reach their ends") {
  const Shape size{2, 1, 16, 8, 3};
  std::set<Index> downs, rights, heights, widths;
  double flips = 0, brightness = 0, saturation = 0, contrast = 0;
  constexpr int count = 4000;
  for (int n = 0; n < count; ++n) {
    const auto drawn =
        DrawnAugmentation::draw(AugmentationOptions::all(), random_numbers, static_cast<std::uint64_t>(n), size);
    flips += drawn.flip;
    REQUIRE((drawn.brightness >= -0.5 && drawn.brightness < 0.5));
    REQUIRE((drawn.saturation >= 0 && drawn.saturation < 2));
    REQUIRE((drawn.contrast >= 0.5 && drawn.contrast < 1.5));
    brightness += drawn.brightness / count;
    saturation += drawn.saturation / count;
    contrast += drawn.contrast / count;
    downs.insert(drawn.down);
    rights.insert(drawn.right);
    REQUIRE((drawn.top >= 0 && drawn.top + drawn.height <= 16 && drawn.left >= 0 && drawn.left + drawn.width <= 8));
    heights.insert(drawn.height);
    widths.insert(drawn.width);
  }
  CHECK(std::abs(flips / count - 0.5) < 0.03);
  CHECK(std::abs(brightness) < 0.02);
  CHECK(std::abs(saturation - 1) < 0.03);
  CHECK(std::abs(contrast - 1) < 0.02);
  CHECK(downs == std::set<Index>{-2, -1, 0, 1, 2});
  CHECK(rights == std::set<Index>{-1, 0, 1});
  CHECK(heights == std::set<Index>{4, 5, 6, 7, 8});  // of a rectangle of 8, down to the half of it at an edge
  CHECK(widths == std::set<Index>{2, 3, 4});

  SUBCASE("and none changes with what else is switched on") {
    const auto all = DrawnAugmentation::draw(AugmentationOptions::all(), random_numbers, 7, size);
    CHECK(DrawnAugmentation::draw({.flip = true}, random_numbers, 7, size).flip == all.flip);
    CHECK(DrawnAugmentation::draw({.color = true}, random_numbers, 7, size).contrast == all.contrast);
    CHECK(DrawnAugmentation::draw({.translation = 0.125}, random_numbers, 7, size).down == all.down);
    CHECK(DrawnAugmentation::draw({.cutout = 0.5}, random_numbers, 7, size).left == all.left);
  }
}

TEST_CASE("moved by a whole side nothing is left, and a whole cutout leaves less than half of a side") {
  const Doubles x = Doubles::full(Shape{2, 200, 4, 4, 1}, 1);
  const Pass pass = training_with(random_numbers);
  const auto moved = draws_of({.translation = 1}, x, pass);
  const auto y = Augmentation<double>({.translation = 1}).forward(x, pass).to_vector();
  bool left_empty = false;
  for (std::size_t n = 0; n < moved.size(); ++n) {
    double sum = 0;
    for (std::size_t i = 0; i < 16; ++i) sum += y[n * 16 + i];
    CHECK(sum == static_cast<double>((4 - std::abs(moved[n].down)) * (4 - std::abs(moved[n].right))));
    left_empty = left_empty || sum == 0;
  }
  CHECK(left_empty);
  for (const DrawnAugmentation& cut : draws_of({.cutout = 1}, x, pass)) CHECK(cut.height >= 2);
}

TEST_CASE("all frames of a video are treated alike, and each video in its own way") {
  // Still videos stay still.
  const Doubles image = input({1, 6, 5, 6, 3});
  Doubles x(Shape{4, 6, 5, 6, 3});
  for (Index t = 0; t < 4; ++t) x[t].copy_from(image);
  const Doubles y = Augmentation<double>(AugmentationOptions::all()).forward(x, training_with(random_numbers));
  for (Index t = 1; t < 4; ++t) CHECK(y[t].to_vector() == y[0].to_vector());

  Doubles same(Shape{1, 6, 5, 6, 3});
  for (Index n = 0; n < 6; ++n) same[0][n].copy_from(image[0][0]);
  const Doubles each = Augmentation<double>({.color = true}).forward(same, training_with(random_numbers));
  for (Index n = 1; n < 6; ++n) CHECK(each[0][n].to_vector() != each[0][0].to_vector());

  // Two frames that differ by a step of brightness still do, by the contrast times as much.
  Doubles fade(Shape{2, 1, 2, 2, 1});
  fade[0].fill(0);
  fade[1].fill(1);
  const Pass pass = training_with(random_numbers);
  const auto faded = Augmentation<double>({.color = true}).forward(fade, pass).to_vector();
  CHECK(faded[4] - faded[0] == doctest::Approx(draws_of({.color = true}, fade, pass)[0].contrast));
}

// Some of the videos of two batches, one behind the other, which `x` is.
Doubles part_of(const Doubles& x, const BatchPlace& place) {
  const Index batches = x.extent(1) / place.total;
  Doubles part(Shape{x.extent(0), batches * place.count, x.extent(2), x.extent(3), x.extent(4)});
  for (Index t = 0; t < x.extent(0); ++t)
    for (Index n = 0; n < part.extent(1); ++n) part[t][n].copy_from(x[t][place.number(n)]);
  return part;
}

TEST_CASE("parts of a batch give what the whole gives, forwards and backwards") {
  const Augmentation<double> layer({true, true, 0.3, 0.4});
  const Doubles x = input({3, 10, 5, 6, 3}), dy = random_tensor({3, 10, 5, 6, 3}, Random(4));
  Augmentation<double>::Cache whole;
  const Doubles y = layer.forward(x, training_with(random_numbers), &whole);
  const Doubles dx = layer.backward(dy, whole, Gradients::inputs);
  for (const BatchPlace& place : {BatchPlace{0, 2, 5}, BatchPlace{2, 3, 5}, BatchPlace{4, 1, 5}}) {
    Augmentation<double>::Cache cache;
    CHECK(layer.forward(part_of(x, place), training_with(random_numbers, place), &cache).to_vector() ==
          part_of(y, place).to_vector());
    CHECK(layer.backward(part_of(dy, place), cache, Gradients::inputs).to_vector() == part_of(dx, place).to_vector());
  }
}

TEST_CASE("the same bits on any number of threads, and others from other random numbers") {
  const Augmentation<float> layer(AugmentationOptions::all());
  Tensor<float> x(Shape{4, 8, 32, 32, 3});
  Cpu::random_normal(x.size(), Random(1), 1.0f, x.data());
  const auto made = [&](const Random& random) { return layer.forward(x, training_with(random)).to_vector(); };
  std::vector<float> alone;
  {
    const ThreadLimit limit(1);
    alone = made(random_numbers);
  }
  CHECK(alone == made(random_numbers));
  CHECK(alone != made(Random(13)));
}

TEST_CASE("in float, the mean of a long bright video is not lost") {
  const auto x = Tensor<float>::full(Shape{64, 1, 128, 128, 3}, 0.9f);
  const Pass pass = training_with(random_numbers);
  Augmentation<float>::Cache cache;
  const auto y = Augmentation<float>({.color = true}).forward(x, pass, &cache);
  const double expected = 0.9f + cache.draws[0].brightness;
  for (const Index at : {Index{0}, y.size() / 2, y.size() - 1}) CHECK(std::abs(y.data()[at] - expected) < 1e-6);
}

TEST_CASE("what makes no sense is refused") {
  for (const double bad :
       {-0.1, 1.01, std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()}) {
    CHECK_THROWS_WITH_AS(Augmentation<double>({.translation = bad}), doctest::Contains("translation is a part"),
                         ArgumentError);
    CHECK_THROWS_WITH_AS(Augmentation<double>({.cutout = bad}), doctest::Contains("cutout is a part"), ArgumentError);
  }
  const Augmentation<double> layer(AugmentationOptions::all());
  for (const Doubles& x : {input({2, 3, 4, 3}), input({2, 0, 4, 4, 3}), Doubles()})
    CHECK_THROWS_AS(layer.forward(x, training_with(random_numbers)), ArgumentError);
  Augmentation<double>::Cache cache;
  CHECK_THROWS_AS(layer.backward(input({2, 3, 4, 4, 3}), cache, Gradients::inputs), ArgumentError);
}

}  // namespace
