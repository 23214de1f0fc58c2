// Transposed convolutions: gradients, sizes, what is refused, and what they compose with.
#include <doctest/doctest.h>

#include <functional>

#include "dvd/layers/activation.hpp"
#include "dvd/layers/sequential.hpp"
#include "dvd/layers/spectral_norm.hpp"
#include "dvd/layers/transposed_convolution.hpp"
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

const Random random_weights(1);

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
  const auto of_images = [](Index in, Index out, const TransposedConvolutionOptions& options, bool bias = true) {
    return TransposedConv2D<double>(in, out, options, random_weights, bias);
  };
  check_layer("4x4, doubling", of_images(3, 2, {.kernel = 4, .stride = 2, .padding = 1}), {2, 3, 4, 3});
  check_layer("3x3", of_images(2, 3, {}), {1, 3, 2, 2});
  check_layer("no bias", of_images(2, 3, {.kernel = {2, 5}, .stride = {3, 1}}, false), {2, 2, 3, 2});
  check_layer("output padding", of_images(2, 3, {.stride = 2, .padding = 1, .output_padding = {1, 0}}), {2, 3, 2, 2});
  check_layer("dilated", of_images(2, 3, {.kernel = 2, .output_padding = {0, 2}, .dilation = 3}), {2, 2, 3, 2});
  check_layer("groups", of_images(4, 6, {.kernel = 2, .stride = 2, .groups = 2}), {2, 2, 3, 4});
  check_layer("wide groups", of_images(34, 40, {.kernel = 2, .stride = 2, .groups = 2}), {1, 2, 2, 34});
  check_layer("groups two at a time", of_images(20, 24, {.kernel = {1, 2}, .groups = 4}), {1, 2, 2, 20});
  check_layer("same", of_images(2, 2, {.kernel = {3, 2}, .stride = {2, 3}, .padding = same_padding}), {2, 3, 2, 2});
  const auto of_videos = [](Index in, Index out, const TransposedConvolutionOptions& options) {
    return TransposedConv3D<double>(in, out, options, random_weights);
  };
  check_layer("4x4x4, doubling", of_videos(2, 3, {.kernel = 4, .stride = 2, .padding = 1}), {2, 2, 3, 2, 2});
  check_layer("all at once",
              of_videos(4, 2,
                        {.kernel = {2, 3, 1},
                         .stride = {1, 2, 3},
                         .padding = {1, 2, 0},
                         .output_padding = {0, 1, 2},
                         .dilation = {3, 1, 1},
                         .groups = 2}),
              {2, 2, 3, 2, 4});
}

TEST_CASE("spectral normalisation and sequences") {
  using Spectral = SpectralNorm<TransposedConv2D<double>>;
  const TransposedConvolutionOptions doubling{.kernel = 4, .stride = 2, .padding = 1},
      grouped{.kernel = 2, .stride = 2, .groups = 2};
  check_layer("spectral", Spectral(Random(4), 3, 5, doubling, random_weights), {2, 2, 3, 3});
  check_layer("spectral groups", Spectral(Random(4), 4, 6, grouped, random_weights), {2, 2, 2, 4});
  check_layer("sequence",
              Sequential(Spectral(Random(4), 3, 4, doubling, random_weights), ReLU<double>(),
                         TransposedConv2D<double>(4, 2, grouped, random_weights), Tanh<double>()),
              {2, 2, 3, 3});
  CHECK(Spectral(Random(4), 3, 5, doubling, random_weights).u.value.shape() == Shape{3});
  // Added to what is there, with a bias.
  TransposedConv2D<double> layer(3, 5, doubling, random_weights);
  layer.bias.value.copy_from(random_tensor({5}, Random(3)));
  const Doubles x = random_tensor({2, 2, 3, 3}, Random(2)), onto = random_tensor({2, 4, 6, 5}, Random(4));
  const Doubles y = layer.apply(layer.packed_weight(), x, {}),
                sum = layer.apply(layer.packed_weight(), x, onto.clone());
  for (Index i = 0; i < y.size(); ++i) CHECK(sum.data()[i] == doctest::Approx(y.data()[i] + onto.data()[i]));
}

TEST_CASE("it is the gradient of a convolution's input") {
  const ConvolutionOptions options{
      .kernel = {4, 3}, .stride = {2, 3}, .padding = {1, 2}, .dilation = {2, 1}, .groups = 2};
  Conv2D<double> forward(4, 6, options, random_weights, false);
  const Doubles x = random_tensor({2, 10, 9, 4}, Random(2));
  Conv2D<double>::Cache cache;
  const Doubles y = forward.forward(x, Pass::evaluate(), &cache), dy = random_tensor(y.shape(), Random(3));
  // 9 rows and 8 columns make as many windows.
  TransposedConv2D<double> back(
      6, 4,
      {.kernel = {4, 3}, .stride = {2, 3}, .padding = {1, 2}, .output_padding = 1, .dilation = {2, 1}, .groups = 2},
      random_weights, false);
  REQUIRE(back.weight.value.shape() == forward.weight.value.shape());
  const Doubles dx = back.forward(dy, Pass::evaluate());
  CHECK(dx.shape() == x.shape());
  CHECK(dx.to_vector() == forward.backward(dy, cache, Gradients::inputs).to_vector());
}

TEST_CASE("sizes") {
  const auto size = [](Index n, const TransposedConvolutionOptions& options) {
    const TransposedConv2D<float> layer(1, 1, options, random_weights);
    return layer.forward(Tensor<float>(Shape{n, 8, 1}), Pass::evaluate()).extent(0);
  };
  CHECK(size(5, {.kernel = 4, .stride = 2, .padding = 1}) == 10);
  CHECK(size(5, {.kernel = 3, .stride = 2, .padding = 1}) == 9);
  CHECK(size(5, {.kernel = 3, .stride = 2, .padding = 1, .output_padding = 1}) == 10);
  CHECK(size(5, {.kernel = 3, .dilation = 2}) == 9);
  for (const Index kernel : {1, 2, 3, 5})
    for (const Index stride : {1, 2, 3})
      CHECK(size(5, {.kernel = kernel, .stride = stride, .padding = same_padding}) == 5 * stride);
}

TEST_CASE("the same bits on any number of threads, in more bands than one") {
  const TransposedConv2D<float> layer(48, 64, {.kernel = 4, .stride = 2, .padding = 1}, random_weights);
  Tensor<float> x(Shape{8, 24, 24, 48});
  Cpu::random_normal(x.size(), Random(2), 1.0f, x.data());
  std::vector<std::vector<float>> first;
  for (const Index threads : {1, 2, 4}) {
    const ThreadLimit limit(threads);
    auto copy = clone(layer);
    TransposedConv2D<float>::Cache cache;
    const auto y = copy.forward(x, Pass::train(), &cache);
    const auto dx = copy.backward(y, cache, Gradients::all);
    const std::vector<std::vector<float>> now{y.to_vector(), dx.to_vector(), copy.weight.gradient.to_vector()};
    if (first.empty()) first = now;
    CHECK(now == first);
  }
}

TEST_CASE("what is refused, in words") {
  const auto make = [](const TransposedConvolutionOptions& options) {
    return refusal([&] { TransposedConv2D<float>(3, 4, options, random_weights); });
  };
  CHECK(make({.kernel = 0}) == "a kernel is 1 to 1048576, not 0");
  CHECK(make({.stride = 2, .output_padding = 2}) ==
        "an output padding is less than the stride 2 or the dilation 1, not 2");
  CHECK(make({.stride = 2, .padding = same_padding, .output_padding = 1}) ==
        "same padding leaves no choice of an output padding of 1");
  CHECK(make({.groups = 3}) ==
        "a transposed convolution of 3 to 4 channels cannot have 3 groups: both are to be multiples of them");
  const TransposedConv2D<float> layer(3, 4, {.kernel = 2, .padding = 1}, random_weights);
  const auto forward = [&](Shape shape) {
    return refusal([&] { layer.forward(Tensor<float>(shape), Pass::evaluate()); });
  };
  CHECK(forward({2, 1, 2, 3}) ==
        "a transposed convolution of [2, 1, 2, 3] with 1 of padding at both ends leaves nothing of an axis of 1");
  CHECK(forward({2, 2, 2, 4}) ==
        "a transposed convolution expects an input [..., H, W, 3] with no extent of 0, not [2, 2, 2, 4]");
  CHECK(forward({2, 2, 2, 3}) == "nothing");
}

// Options drawn at random; what makes no layer is refused, what makes one is called as all are.
TEST_CASE("drawn at random") {
  Fuzz fuzz("transposed convolutions");
  int made = 0;
  const auto check = [&]<class L>(L*, int dimensions) {
    std::array<Index, 3> kernel{1, 1, 1}, stride{1, 1, 1}, padding{}, more{}, dilation{1, 1, 1};
    for (std::size_t i = dimensions == 2 ? 1 : 0; i < 3; ++i) {
      kernel[i] = fuzz.chance(3) ? 0 : 1 + fuzz.below(4);
      stride[i] = 1 + fuzz.below(3);
      padding[i] = fuzz.below(3);
      more[i] = fuzz.below(2);
      dilation[i] = 1 + fuzz.below(3);
    }
    const auto per_axis = [&](const std::array<Index, 3>& of) {
      return dimensions == 2 ? PerAxis(of[1], of[2]) : PerAxis(of[0], of[1], of[2]);
    };
    const bool same = fuzz.chance(30);
    TransposedConvolutionOptions options{.kernel = per_axis(kernel),
                                         .stride = per_axis(stride),
                                         .output_padding = per_axis(more),
                                         .dilation = per_axis(dilation),
                                         .groups = 1 + fuzz.below(3)};
    if (same)
      options.padding = same_padding;
    else
      static_cast<PerAxis&>(options.padding) = per_axis(padding);
    const Index inputs = options.groups * (1 + fuzz.below(3)), outputs = options.groups + fuzz.below(3);
    std::optional<L> layer;
    const std::string message = refusal([&] { layer.emplace(inputs, outputs, options, random_weights); });
    CHECK(message.find('\n') == std::string::npos);
    if (!layer) return;
    ++made;
    const auto fit = [&](const Shape& x) -> Fit {
      if ((dimensions == 2 ? x.rank() < 3 : x.rank() != 5) || x.size() == 0 || x[-1] != inputs) return {};
      std::vector<Index> result(x.begin(), x.end());
      result.back() = outputs;
      for (std::size_t i = dimensions == 2 ? 1 : 0; i < 3; ++i) {
        Index& n = i == 0 ? result[0] : result[result.size() - 4 + i];
        n = same ? n * stride[i] : (n - 1) * stride[i] - 2 * padding[i] + dilation[i] * (kernel[i] - 1) + 1 + more[i];
        if (n < 1) return {};
      }
      Shape shape;
      for (const Index n : result) shape.append(n);
      return shape;
    };
    const Shape right = dimensions == 2 ? Shape{2, 1 + fuzz.below(5), 2 + fuzz.below(4), inputs}
                                        : Shape{1 + fuzz.below(3), 2, 1 + fuzz.below(3), 2 + fuzz.below(3), inputs};
    if (fit(right)) fuzz_layer(concat("transposed ", dimensions, "-D number ", made), *layer, right, fit, 8);
  };
  for (int i = 0; i < dvd::testing::tries(60); ++i) {
    check(static_cast<TransposedConv2D<float>*>(nullptr), 2);
    check(static_cast<TransposedConv3D<float>*>(nullptr), 3);
  }
  CHECK(made > 40);
}

}  // namespace
