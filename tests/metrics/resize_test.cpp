// Resized videos against reference values, for every rule.
#include "dvd/metrics/resize.hpp"

#include <doctest/doctest.h>

#include "dvd/device/cpu/parallel.hpp"
#include "support/error_of.hpp"
#include "support/formula.hpp"
#include "support/metric_values.hpp"

namespace {

using namespace dvd;
using namespace dvd::testing;

constexpr std::array rules{ResizeRule::corner_origin, ResizeRule::half_pixel, ResizeRule::corner_aligned,
                           ResizeRule::bicubic};
constexpr std::array names{"corner_origin", "half_pixel", "corner_aligned", "bicubic_half_pixel"};

// Images [N, H, W] of the files as [1, N, H, W, C] with the same values in every channel, and back from the last one.
template <class T>
Tensor<T> with_channels(const std::vector<float>& values, const std::vector<Index>& shape, Index channels) {
  Tensor<T> result(Shape{1, shape[0], shape[1], shape[2], channels});
  for (std::size_t i = 0; i < values.size(); ++i)
    std::fill_n(result.data() + static_cast<Index>(i) * channels, channels, static_cast<T>(values[i]));
  return result;
}

template <class T>
std::vector<double> last_channel(const Tensor<T>& videos) {
  std::vector<double> values;
  const Index channels = videos.shape()[4];
  for (Index i = channels - 1; i < videos.size(); i += channels)
    values.push_back(static_cast<double>(videos.data()[i]));
  return values;
}

template <class T>
void check_reference(double tolerance) {
  const MetricValues values("resize");
  for (const auto& [name, sizes] : values.attributes().at("cases").items()) {
    const auto shape = sizes.at(0).template get<std::vector<Index>>(),
               size = sizes.at(1).template get<std::vector<Index>>();
    const auto pixels = formula_tensor(values.seed(), name, "pixels", shape);
    for (std::size_t rule = 0; rule < rules.size(); ++rule)
      for (const Index channels : {1, 3, 5}) {
        CAPTURE(name);
        CAPTURE(names[rule]);
        CAPTURE(channels);
        const Tensor<T> y = resize(with_channels<T>(pixels, shape, channels), size[0], size[1], rules[rule]);
        REQUIRE(y.shape() == Shape{1, shape[0], size[0], size[1], channels});
        const std::vector<double> actual = last_channel(y);
        const std::string out = name + "." + names[rule] + ".out.y";
        if (values.contains(out)) {
          CHECK(relative_difference(actual, values.numbers(out)) <= tolerance);
          continue;
        }
        CHECK(values.integers(out + ".shape") == std::vector<Index>{shape[0], size[0], size[1]});
        std::vector<double> chosen;
        for (const Index index : values.integers(out + ".index"))
          chosen.push_back(actual.at(static_cast<std::size_t>(index)));
        CHECK(relative_difference(chosen, values.numbers(out + ".at_index")) <= tolerance);
        double mean = 0, squares = 0;
        for (const double value : actual) mean += value / static_cast<double>(actual.size());
        for (const double value : actual) squares += (value - mean) * (value - mean);
        const double deviation = std::sqrt(squares / static_cast<double>(actual.size()));
        CHECK(std::abs(mean - values.number(out + ".mean")) <= tolerance * 255);
        CHECK(std::abs(deviation - values.number(out + ".deviation")) <= tolerance * 255);
      }
  }
}

TEST_CASE("resized videos are those of the reference values") {
  check_reference<float>(1e-6);
  check_reference<double>(1e-12);
}

TEST_CASE("every frame, video and channel is resized apart") {
  const Shape shape{3, 2, 5, 4, 3};
  std::vector<double> values;
  for (const float value : formula_pixels(1, "x", static_cast<std::size_t>(shape.size()))) values.push_back(value);
  const Tensor<double> x(shape, values);
  for (const ResizeRule rule : rules) {
    const Tensor<double> y = resize(x, 7, 9, rule);
    for (Index t = 0; t < 3; ++t)
      for (Index n = 0; n < 2; ++n)
        for (Index c = 0; c < 3; ++c) {
          Tensor<double> image(Shape{1, 1, 5, 4, 1});
          for (Index i = 0; i < 20; ++i) image.data()[i] = x.data()[((t * 2 + n) * 20 + i) * 3 + c];
          const Tensor<double> alone = resize(image, 7, 9, rule);
          for (Index i = 0; i < 63; ++i)
            CHECK(alone.data()[i] == doctest::Approx(y.data()[((t * 2 + n) * 63 + i) * 3 + c]).epsilon(1e-14));
        }
    const ThreadLimit one(1);
    CHECK(resize(x, 7, 9, rule).to_vector() == y.to_vector());
  }
}

TEST_CASE("the same size is the same video, constant ones stay so, and one pixel becomes all") {
  const auto pixels = formula_pixels(2, "x", 2 * 6 * 5 * 3);
  const Tensor<float> x(Shape{1, 2, 6, 5, 3}, pixels);
  for (const ResizeRule rule : rules) {
    CHECK(resize(x, 6, 5, rule).to_vector() == pixels);
    // One axis keeps its size; of the other, outputs that coincide with inputs are these.
    const Tensor<float> twice = resize(x, 12, 5, rule);
    if (rule == ResizeRule::corner_origin)
      for (Index h = 0; h < 6; ++h)
        for (Index i = 0; i < 15; ++i) CHECK(twice.data()[2 * h * 15 + i] == x.data()[h * 15 + i]);
    for (const float value : resize(Tensor<float>::full(Shape{1, 1, 6, 5, 2}, 3), 4, 11, rule).to_vector())
      CHECK(value == doctest::Approx(3).epsilon(1e-6));
    for (const float value : resize(Tensor<float>::full(Shape{1, 1, 1, 1, 1}, 7), 3, 2, rule).to_vector())
      CHECK(value == doctest::Approx(7).epsilon(1e-6));
    CHECK(resize(x, 1, 1, rule).shape() == Shape{1, 2, 1, 1, 3});
  }
}

TEST_CASE("what is no video or no size is refused") {
  const Tensor<float> x = Tensor<float>::zeros(Shape{1, 1, 4, 4, 3});
  CHECK(holds(error_of([&] { resize(x, 0, 4, ResizeRule::bicubic); }), "0x4"));
  CHECK(holds(error_of([&] { resize(x, 4, -1, ResizeRule::bicubic); }), "4x-1"));
  CHECK(holds(error_of([&] { resize(x.reshaped({4, 4, 3}), 2, 2, ResizeRule::bicubic); }), "[4, 4, 3]"));
  CHECK(holds(error_of([&] { resize(Tensor<float>(), 2, 2, ResizeRule::bicubic); }), "resize takes videos"));
  CHECK(holds(error_of([&] {
                resize(Tensor<float>::zeros(Shape{1, 0, 4, 4, 3}), 2, 2, ResizeRule::bicubic);
              }),
              "no pixel"));
  CHECK(holds(error_of([&] { resize(x, Index{1} << 40, Index{1} << 40, ResizeRule::half_pixel); }), "too many"));
}

}  // namespace
