// Convolutions of any kernel: gradients, sizes, what is refused, and what they compose with.
#include <doctest/doctest.h>

#include <cstring>
#include <functional>

#include "dvd/layers/activation.hpp"
#include "dvd/layers/general_convolution.hpp"
#include "dvd/layers/sequential.hpp"
#include "dvd/layers/spectral_norm.hpp"
#include "support/eigen_kernels.hpp"
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

template <class X>
bool same_bits(const X& a, const X& b) {
  return a.shape() == b.shape() && a.to_vector() == b.to_vector();
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

TEST_CASE("gradients in two dimensions") {
  const auto conv = [](Index in, Index out, const ConvolutionOptions& options, bool bias = true) {
    return Conv2D<double>(in, out, options, random_weights, bias);
  };
  check_layer("4x4, halving", conv(3, 5, {.kernel = 4, .stride = 2, .padding = 1}), {2, 6, 8, 3});
  check_layer("2x2 of an odd image", conv(3, 2, {.kernel = 2, .stride = 2}), {2, 5, 7, 3});
  check_layer("5x3, no bias", conv(2, 3, {.kernel = {5, 3}, .padding = same_padding}, false), {1, 4, 5, 2});
  check_layer("dilated", conv(2, 3, {.kernel = {2, 3}, .padding = {0, 2}, .dilation = {3, 2}}), {2, 5, 6, 2});
  check_layer("groups", conv(4, 6, {.kernel = 3, .padding = 1, .groups = 2}), {2, 4, 3, 4});
  check_layer("a group each", conv(4, 4, {.kernel = 3, .stride = 2, .padding = 1, .groups = 4}), {2, 4, 5, 4});
  check_layer("wide groups", conv(40, 34, {.kernel = 2, .padding = 1, .groups = 2}), {1, 2, 3, 40});
  check_layer("groups two at a time", conv(24, 20, {.kernel = {1, 2}, .groups = 4}), {1, 2, 3, 24});
  check_layer("same, strided", conv(3, 2, {.kernel = 4, .stride = 3, .padding = same_padding}), {2, 7, 6, 3});
  check_layer("1x1, strided", conv(3, 4, {.kernel = 1, .stride = 2}), {2, 5, 4, 3});
  check_layer("3x3 that is none of the fast ones", conv(3, 4, {}), {2, 3, 4, 3});
  check_layer("3x3 that is one", conv(3, 4, {.kernel = 3, .padding = 1}), {2, 3, 4, 3});
}

TEST_CASE("gradients in three dimensions") {
  const auto conv = [](Index in, Index out, const ConvolutionOptions& options) {
    return Conv3D<double>(in, out, options, random_weights);
  };
  check_layer("4x4x4, halving", conv(2, 3, {.kernel = 4, .stride = 2, .padding = 1}), {4, 2, 4, 6, 2});
  check_layer("3x4x4", conv(2, 3, {.kernel = {3, 4, 4}, .stride = {1, 2, 2}, .padding = 1}), {3, 2, 4, 5, 2});
  check_layer("time alone", conv(2, 3, {.kernel = {3, 1, 1}, .padding = {1, 0, 0}}), {4, 2, 2, 3, 2});
  check_layer("pixels alone", conv(2, 3, {.kernel = {1, 3, 3}, .padding = same_padding}), {3, 2, 4, 3, 2});
  check_layer("all at once",
              conv(4, 2, {.kernel = {2, 3, 2}, .stride = {2, 1, 3}, .padding = 2, .dilation = {2, 1, 3}, .groups = 2}),
              {3, 2, 3, 4, 4});
  check_layer("same", conv(2, 2, {.kernel = {2, 5, 4}, .stride = {1, 2, 3}, .padding = same_padding}), {3, 1, 4, 5, 2});
}

TEST_CASE("spectral normalisation and sequences") {
  using Spectral = SpectralNorm<Conv2D<double>>;
  const ConvolutionOptions halving{.kernel = 4, .stride = 2, .padding = 1},
      grouped{.kernel = {2, 3}, .padding = 1, .groups = 2};
  check_layer("spectral", Spectral(Random(4), 3, 5, halving, random_weights), {2, 4, 6, 3});
  check_layer("spectral groups", Spectral(Random(4), 4, 6, grouped, random_weights), {2, 3, 4, 4});
  const Sequential net(Spectral(Random(4), 3, 4, halving, random_weights), ReLU<double>(),
                       Conv2D<double>(4, 2, grouped, random_weights));
  check_layer("sequence", net, {2, 6, 4, 3});
  auto copy = clone(net);
  auto again = net;
  const Doubles x = random_tensor({2, 6, 4, 3}, Random(2));
  CHECK(same_bits(copy.forward(x, Pass::evaluate()), again.forward(x, Pass::evaluate())));
}

TEST_CASE("what a fast convolution does is done by one") {
  const Conv2D<float> fast(8, 16, 3, random_weights);
  const Conv2D<float> same(8, 16, {.kernel = 3, .padding = same_padding}, random_weights),
      padded(8, 16, {.kernel = {3, 3}, .stride = {1, 1}, .padding = {1, 1}}, random_weights),
      other(8, 16, {.kernel = 3, .padding = 1, .groups = 2}, random_weights);
  Tensor<float> x(Shape{12, 8, 8, 8});
  Cpu::random_normal(x.size(), Random(2), 1.0f, x.data());
  const auto expected = fast.forward(x, Pass::evaluate());
  CHECK(same_bits(same.forward(x, Pass::evaluate()), expected));
  CHECK(same_bits(padded.forward(x, Pass::evaluate()), expected));
  CHECK(other.weight.value.shape() == Shape{16, 4, 3, 3});
  const Conv3D<float> of_videos(8, 16, 3, random_weights), also(8, 16, {.padding = 1}, random_weights),
      of_frames(8, 16, {.kernel = {1, 3, 3}, .padding = {0, 1, 1}}, random_weights);
  const auto video = x.reshaped({3, 4, 8, 8, 8});
  CHECK(same_bits(also.forward(video, Pass::evaluate()), of_videos.forward(video, Pass::evaluate())));
  CHECK(of_frames.weight.value.shape() == Shape{16, 8, 1, 3, 3});
  CHECK(of_frames.forward(video, Pass::evaluate()).to_vector() == expected.to_vector());
}

TEST_CASE("Eigen's patches, contracted with the weight") {
  namespace forms = dvd::testing::forms;
  const Conv2D<double> layer(3, 5, {.kernel = {4, 3}, .stride = {2, 1}, .padding = {1, 2}, .dilation = {1, 2}},
                             random_weights);
  const Doubles x = random_tensor({2, 9, 7, 3}, Random(2)), packed = layer.packed_weight();
  const Doubles y = layer.forward(x, Pass::evaluate());
  REQUIRE(y.shape() == Shape{2, 4, 7, 5});
  const Eigen::array<forms::Axis, 1> along{forms::Axis(1, 0)};
  // Eigen counts the axes of a row-major patch from behind: width, then height.
  const auto expected = forms::values(eigen<4>(ConstTensorView<double>(x))
                                          .extract_image_patches(3, 4, 1, 2, 2, 1, 1, 1, 2, 2, 1, 1, 0.0)
                                          .reshape(forms::extents(2 * 4 * 7, 4 * 3 * 3))
                                          .contract(forms::map(packed.to_vector(), 4 * 3 * 3, 5), along));
  for (std::size_t i = 0; i < expected.size(); ++i) CHECK(y.data()[i] == doctest::Approx(expected[i]).epsilon(1e-12));
}

TEST_CASE("sizes") {
  const auto size = [](Index n, const ConvolutionOptions& options) {
    return Conv2D<float>(1, 1, options, random_weights)
        .forward(Tensor<float>(Shape{n, 8, 1}), Pass::evaluate())
        .extent(0);
  };
  for (Index n = 1; n < 12; ++n)
    for (const Index stride : {1, 2, 3, 4})
      for (const Index kernel : {1, 2, 3, 5})
        CHECK(size(n, {.kernel = {kernel, 1}, .stride = {stride, 1}, .padding = same_padding}) ==
              (n + stride - 1) / stride);
  CHECK(size(7, {.kernel = 4, .stride = 2, .padding = 1}) == 3);
  CHECK(size(8, {.kernel = 4, .stride = 2, .padding = 1}) == 4);
  CHECK(size(9, {.kernel = 2, .dilation = 4}) == 5);
  // The odd one of the padding is behind: of two pixels, a window of two sees the second one and a zero.
  Conv2D<float> last(1, 1, {.kernel = {2, 1}, .padding = same_padding}, random_weights, false);
  last.weight.value.assign(std::vector<float>{1, 10});
  const Tensor<float> x(Shape{2, 1, 1}, std::vector<float>{3, 5});
  CHECK(last.forward(x, Pass::evaluate()).to_vector() == std::vector<float>{53, 5});
}

TEST_CASE("the same bits on any number of threads, in more bands than one") {
  const Conv2D<float> layer(64, 48, {.kernel = 4, .stride = 2, .padding = 1}, random_weights);
  Tensor<float> x(Shape{8, 48, 48, 64});
  Cpu::random_normal(x.size(), Random(2), 1.0f, x.data());
  std::vector<std::vector<float>> first;
  for (const Index threads : {1, 2, 4}) {
    const ThreadLimit limit(threads);
    Conv2D<float> copy = clone(layer);
    Conv2D<float>::Cache cache;
    const auto y = copy.forward(x, Pass::train(), &cache);
    const auto dx = copy.backward(y, cache, Gradients::all);
    const std::vector<std::vector<float>> now{y.to_vector(), dx.to_vector(), copy.weight.gradient.to_vector()};
    if (first.empty()) first = now;
    CHECK(now == first);
  }
}

TEST_CASE("what is refused, in words") {
  const auto make = [](Index in, Index out, const ConvolutionOptions& options) {
    return refusal([&] { Conv2D<float>(in, out, options, random_weights); });
  };
  CHECK(make(3, 4, {.kernel = 0}) == "a kernel is 1 to 1048576, not 0");
  CHECK(make(3, 4, {.kernel = {1, 2, 3}}) == "a kernel in 2 dimensions: one number or 2 are expected, not 3");
  CHECK(make(3, 4, {.stride = {1, 0}}) == "a stride is 1 to 1048576, not 0");
  CHECK(make(3, 4, {.padding = -1}) == "a padding is 0 to 1048576, not -1");
  CHECK(make(3, 4, {.dilation = 0}) == "a dilation is 1 to 1048576, not 0");
  CHECK(make(3, 4, {.groups = 2}) ==
        "a convolution of 3 to 4 channels cannot have 2 groups: both are to be multiples of them");
  CHECK(make(3, 4, {.groups = 0}).starts_with("a convolution of 3 to 4 channels cannot have 0 groups"));
  CHECK(make(0, 4, {}) == "a convolution needs at least one input and output channel, not 0 and 4");
  const Conv2D<float> layer(3, 4, {.kernel = 4, .padding = {1, 0}}, random_weights);
  const auto forward = [&](Shape shape) {
    return refusal([&] { layer.forward(Tensor<float>(shape), Pass::evaluate()); });
  };
  CHECK(forward({2, 4, 4, 2}) == "a convolution expects an input [..., H, W, 3] with no extent of 0, not [2, 4, 4, 2]");
  CHECK(forward({2, 4, 3, 3}) ==
        "a convolution's kernel reaches over 4 positions, more than the 3 of an axis of [2, 4, 3, 3] with 0 of padding "
        "at "
        "both ends");
  CHECK(forward({2, 2, 4, 3}) == "nothing");
  const Tensor<float> scale(Shape{2, 3});
  CHECK(refusal([&] {
          layer.forward({Tensor<float>(Shape{2, 4, 4, 3}), scale, scale}, Pass::evaluate());
        }) == "a convolution with options of its own takes images without an affine map");
}

// Options drawn at random; what makes no layer is refused, what makes one is called as all are.
TEST_CASE("drawn at random") {
  Fuzz fuzz("general convolutions");
  int made = 0;
  const auto draw = [&](int dimensions, Index least, Index most) -> PerAxis {
    const auto number = [&] { return fuzz.chance(3) ? least - 1 : least + fuzz.below(most - least + 1); };
    if (fuzz.chance(40)) return number();
    if (dimensions == 2 || fuzz.chance(3)) return {number(), number()};
    return {number(), number(), number()};
  };
  const auto check = [&]<class L>(L*, int dimensions) {
    ConvolutionOptions options{.kernel = draw(dimensions, 1, 4),
                               .stride = draw(dimensions, 1, 3),
                               .dilation = draw(dimensions, 1, 3),
                               .groups = 1 + fuzz.below(3)};
    if (fuzz.chance(50))
      options.padding = same_padding;
    else
      static_cast<PerAxis&>(options.padding) = draw(dimensions, 0, 3);
    const Index inputs = options.groups * (1 + fuzz.below(3)), outputs = options.groups + fuzz.below(3);
    std::optional<L> layer;
    const std::string message = refusal([&] { layer.emplace(inputs, outputs, options, random_weights); });
    CHECK(message.find('\n') == std::string::npos);
    if (!layer) return;
    ++made;
    const WindowOptions windows("x", dimensions, options.kernel, options.stride, options.padding, options.dilation);
    const auto fit = [&](const Shape& x) -> Fit {
      if ((dimensions == 2 ? x.rank() < 3 : x.rank() != 5) || x.size() == 0 || x[-1] != inputs) return {};
      Shape result;
      for (int i = 0; i < x.rank(); ++i) {
        const int place = i == 0 && dimensions == 3 ? 0 : i - (x.rank() - 3) + 1;  // of time, height, width
        if (i + 1 == x.rank()) {
          result.append(outputs);
        } else if (place < (dimensions == 3 ? 0 : 1) || (dimensions == 3 && i == 1)) {
          result.append(x[i]);
        } else {
          const WindowAxis& axis = windows.axes()[static_cast<std::size_t>(place)];
          const Index room = x[i] + 2 * axis.padding - axis.dilation * (axis.kernel - 1) - 1;
          if (!windows.same() && room < 0) return {};
          result.append(windows.same() ? (x[i] + axis.stride - 1) / axis.stride : room / axis.stride + 1);
        }
      }
      return result;
    };
    const Shape right = dimensions == 2 ? Shape{2, 3 + fuzz.below(5), 4 + fuzz.below(5), inputs}
                                        : Shape{2 + fuzz.below(4), 2, 3 + fuzz.below(4), 4 + fuzz.below(3), inputs};
    if (fit(right)) fuzz_layer(concat("general ", dimensions, "-D number ", made), *layer, right, fit, 8);
  };
  for (int i = 0; i < dvd::testing::tries(60); ++i) {
    check(static_cast<Conv2D<float>*>(nullptr), 2);
    check(static_cast<Conv3D<float>*>(nullptr), 3);
  }
  CHECK(made > 50);
}

}  // namespace
