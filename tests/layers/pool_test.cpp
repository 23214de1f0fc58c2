// Pooling over windows of any size: gradients, sizes, what is refused, and what is no number.
#include <doctest/doctest.h>

#include <cmath>
#include <functional>
#include <limits>

#include "dvd/layers/avg_pool.hpp"
#include "dvd/layers/general_convolution.hpp"
#include "dvd/layers/pool.hpp"
#include "dvd/layers/sequential.hpp"
#include "support/gradient_check.hpp"
#include "support/layer_fuzz.hpp"

namespace {

using namespace dvd;
using dvd::testing::check_gradients;
using dvd::testing::Doubles;
using dvd::testing::Fit;
using dvd::testing::Fuzz;
using dvd::testing::fuzz_layer;
using dvd::testing::random_tensor;

template <class L>
void check_layer(const std::string& name, const L& layer, Shape shape) {
  check_gradients(name, layer, random_tensor(shape, Random(2)));
}

// The line with which a call is refused.
std::string refusal(const std::function<void()>& call) {
  try {
    call();
  } catch (const ArgumentError& error) {
    return error.what();
  }
  return "nothing";
}

TEST_CASE("gradients") {
  const PoolOptions plain{.kernel = 2}, overlapping{.kernel = 3, .stride = 2, .padding = 1},
      uneven{.kernel = {4, 2}, .stride = {1, 3}, .padding = {2, 0}}, same{.kernel = {3, 2}, .padding = same_padding};
  for (const PoolOptions& options : {plain, overlapping, uneven, same}) {
    check_layer("maxima", MaxPool2D<double>(options), {2, 5, 6, 3});
    for (const bool count_padding : {true, false})
      check_layer("averages", AvgPool2D<double>(options, count_padding), {2, 5, 6, 3});
  }
  const PoolOptions videos{.kernel = {2, 3, 2}, .stride = {1, 2, 2}, .padding = {1, 1, 0}};
  for (const PoolOptions& options : {plain, overlapping, videos}) {
    check_layer("maxima of videos", MaxPool3D<double>(options), {4, 2, 3, 4, 2});
    for (const bool count_padding : {true, false})
      check_layer("averages of videos", AvgPool3D<double>(options, count_padding), {4, 2, 3, 4, 2});
  }
  check_layer("all frames", AvgPool3D<double>({.kernel = {4, 1, 1}}), {4, 2, 3, 4, 2});
  check_layer("sequence",
              Sequential(Conv2D<double>(3, 4, {.kernel = 2}, Random(1)), MaxPool2D<double>({.kernel = 3, .stride = 2}),
                         AvgPool2D<double>({.kernel = 2, .stride = 1})),
              {2, 8, 8, 3});
}

TEST_CASE("averages of 2x2 pixels are those of AvgPool") {
  const Doubles x = random_tensor({3, 2, 5, 6, 3}, Random(2));
  const auto pass = Pass::evaluate();
  const Doubles images = AvgPool<double>().forward(x, pass), videos = AvgPool<double>(true).forward(x, pass);
  const Doubles images_too = AvgPool2D<double>({.kernel = 2}).forward(x, pass),
                videos_too = AvgPool3D<double>({.kernel = 2}).forward(x, pass);
  REQUIRE(images.shape() == images_too.shape());
  REQUIRE(videos.shape() == videos_too.shape());
  for (Index i = 0; i < images.size(); ++i) CHECK(images.data()[i] == doctest::Approx(images_too.data()[i]));
  for (Index i = 0; i < videos.size(); ++i) CHECK(videos.data()[i] == doctest::Approx(videos_too.data()[i]));
}

// Against PyTorch's rule, counted: windows begin at multiples of the stride, the last one in front of the input's end
// or in the padding before it.
TEST_CASE("ends that are too short for a window, with ceil_mode") {
  int differ = 0;
  for (const Index kernel : {1, 2, 3, 5})
    for (const Index stride : {1, 2, 3, 4})
      for (Index padding = 0; padding <= kernel / 2; ++padding)
        for (Index extent = 1; extent < 14; ++extent) {
          const PoolOptions options{
              .kernel = {1, kernel}, .stride = {1, stride}, .padding = {0, padding}, .ceil_mode = true};
          const Doubles x = random_tensor({1, extent, 2}, Random(3));
          INFO(extent << " positions, kernel " << kernel << ", stride " << stride << ", padding " << padding);
          std::vector<double> largest, averages, averages_inside;
          for (Index begin = -padding; begin < extent; begin += stride) {
            const Index until = begin + kernel, last = extent + padding;
            if (until > last && until - last >= stride) break;  // the window before it reaches the end
            for (Index c = 0; c < 2; ++c) {
              double most = -INFINITY, sum = 0, inside = 0;
              for (Index i = std::max<Index>(begin, 0); i < std::min(until, extent); ++i, ++inside) {
                most = std::max(most, x.data()[2 * i + c]);
                sum += x.data()[2 * i + c];
              }
              largest.push_back(most);
              averages.push_back(sum / static_cast<double>(std::min(until, last) - begin));
              averages_inside.push_back(sum / inside);
            }
          }
          if (largest.empty()) {
            CHECK_THROWS_AS(MaxPool2D<double>(options).forward(x, Pass::evaluate()), ArgumentError);
            continue;
          }
          CHECK(MaxPool2D<double>(options).forward(x, Pass::evaluate()).to_vector() == largest);
          const auto close = [](const Doubles& actual, const std::vector<double>& expected) {
            REQUIRE(actual.size() == static_cast<Index>(expected.size()));
            for (std::size_t i = 0; i < expected.size(); ++i)
              CHECK(actual.data()[i] == doctest::Approx(expected[i]).epsilon(1e-14));
          };
          close(AvgPool2D<double>(options).forward(x, Pass::evaluate()), averages);
          close(AvgPool2D<double>(options, false).forward(x, Pass::evaluate()), averages_inside);
          PoolOptions plain = options;
          plain.ceil_mode = false;
          if (extent + 2 * padding >= kernel)
            differ += MaxPool2D<double>(plain).forward(x, Pass::evaluate()).size() < static_cast<Index>(largest.size());
        }
  CHECK(differ > 90);
  const PoolOptions videos{.kernel = 2, .ceil_mode = true},
      padded{.kernel = 3, .stride = 2, .padding = 1, .ceil_mode = true};
  for (const PoolOptions& options : {videos, padded}) {
    check_layer("maxima of short ends", MaxPool3D<double>(options), {3, 2, 5, 4, 2});
    for (const bool count_padding : {true, false})
      check_layer("averages of short ends", AvgPool3D<double>(options, count_padding), {3, 2, 5, 4, 2});
  }
  CHECK(MaxPool3D<float>(videos).forward(Tensor<float>::zeros({2, 1, 7, 7, 3}), Pass::evaluate()).shape() ==
        Shape{1, 1, 4, 4, 3});  // C3D's last pool
}

TEST_CASE("padding is less than any number, the first of equal ones gets the gradient, and NaN does not hide") {
  const double none = std::numeric_limits<double>::quiet_NaN();
  const MaxPool2D<double> layer({.kernel = {1, 3}, .stride = {1, 2}, .padding = {0, 1}});
  MaxPool2D<double>::Cache cache;
  const Doubles x(Shape{1, 5, 1}, std::vector<double>{-3, -3, -7, none, 9});
  const auto y = layer.forward(x, Pass::evaluate(), &cache).to_vector();
  CHECK(y[0] == -3);
  CHECK(std::isnan(y[1]));
  CHECK(std::isnan(y[2]));
  const Doubles dy(Shape{1, 3, 1}, std::vector<double>{1, 2, 4});
  CHECK(layer.backward(dy, cache, Gradients::inputs).to_vector() == std::vector<double>{1, 0, 0, 6, 0});
}

TEST_CASE("what is refused, in words") {
  const auto make = [](const PoolOptions& options) { return refusal([&] { MaxPool2D<float>{options}; }); };
  CHECK(make({.kernel = 0}) == "a kernel is 1 to 1048576, not 0");
  CHECK(make({.kernel = 2, .stride = 0}) == "a stride is 1 to 1048576, not 0");
  CHECK(make({.kernel = 3, .padding = 2}) == "max pooling's padding is at most half of its kernel of 3, not 2");
  CHECK(make({.kernel = {1, 2, 2}}) == "a kernel in 2 dimensions: one number or 2 are expected, not 3");
  CHECK(make({.kernel = {1 << 20, 1 << 11}}) == "max pooling's kernel has at most 2^30 elements, not 1x1048576x2048");
  const auto forward = [](Shape shape) {
    return refusal([&] { AvgPool3D<float>({.kernel = 3}).forward(Tensor<float>(shape), Pass::evaluate()); });
  };
  CHECK(forward({3, 3, 3, 3}) ==
        "average pooling expects an input [T, N, H, W, C] with no extent of 0, not [3, 3, 3, 3]");
  CHECK(forward({2, 1, 3, 3, 1}) ==
        "average pooling's kernel reaches over 3 positions, more than the 2 of an axis of [2, 1, 3, 3, 1] with 0 "
        "of "
        "padding at both ends");
  CHECK(forward({3, 1, 3, 3, 1}) == "nothing");
}

TEST_CASE("drawn at random") {
  Fuzz fuzz("pools");
  int made = 0;
  const auto check = [&]<class L>(L*, int dimensions) {
    std::array<Index, 3> kernel{1, 1, 1}, stride{1, 1, 1}, padding{};
    for (std::size_t i = dimensions == 2 ? 1 : 0; i < 3; ++i) {
      kernel[i] = fuzz.chance(3) ? 0 : 1 + fuzz.below(4);
      stride[i] = 1 + fuzz.below(3);
      padding[i] = fuzz.below(2);
    }
    const auto per_axis = [&](const std::array<Index, 3>& of) {
      return dimensions == 2 ? PerAxis(of[1], of[2]) : PerAxis(of[0], of[1], of[2]);
    };
    const bool same = fuzz.chance(30);
    const bool ceil_mode = fuzz.chance(30);
    PoolOptions options{.kernel = per_axis(kernel), .ceil_mode = ceil_mode};
    if (fuzz.chance(30))
      stride = kernel;
    else
      options.stride = per_axis(stride);
    if (same)
      options.padding = same_padding;
    else
      static_cast<PerAxis&>(options.padding) = per_axis(padding);
    std::optional<L> layer;
    const std::string message = refusal([&] { layer.emplace(options); });
    CHECK(message.find('\n') == std::string::npos);
    if (!layer) return;
    ++made;
    const auto fit = [&](const Shape& x) -> Fit {
      if ((dimensions == 2 ? x.rank() < 3 : x.rank() != 5) || x.size() == 0) return {};
      std::vector<Index> result(x.begin(), x.end());
      for (std::size_t i = dimensions == 2 ? 1 : 0; i < 3; ++i) {
        Index& n = i == 0 ? result[0] : result[result.size() - 4 + i];
        const Index room = n + 2 * padding[i] - kernel[i] + (ceil_mode ? stride[i] - 1 : 0);
        if (!same && room < 0) return {};
        Index windows = same ? (n + stride[i] - 1) / stride[i] : room / stride[i] + 1;
        if (!same && ceil_mode && (windows - 1) * stride[i] >= n + padding[i]) --windows;
        n = windows;
      }
      Shape shape;
      for (const Index n : result) shape.append(n);
      return shape;
    };
    const Shape right = dimensions == 2 ? Shape{2, 3 + fuzz.below(5), 4 + fuzz.below(4), 3}
                                        : Shape{3 + fuzz.below(3), 2, 3 + fuzz.below(3), 4 + fuzz.below(3), 2};
    if (fit(right)) fuzz_layer(concat(L::name, " ", dimensions, "-D number ", made), *layer, right, fit, 8);
  };
  for (int i = 0; i < dvd::testing::tries(40); ++i) {
    check(static_cast<MaxPool2D<float>*>(nullptr), 2);
    check(static_cast<MaxPool3D<float>*>(nullptr), 3);
    check(static_cast<AvgPool2D<float>*>(nullptr), 2);
    check(static_cast<AvgPool3D<float>*>(nullptr), 3);
  }
  CHECK(made > 60);
}

}  // namespace
