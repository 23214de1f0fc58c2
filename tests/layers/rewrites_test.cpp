// What the layers compute in another order than their definition reads, against the definition.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "dvd/device/cpu.hpp"
#include "dvd/layers/activation.hpp"
#include "dvd/layers/conv_gru.hpp"
#include "dvd/layers/generator_block.hpp"
#include "dvd/layers/residual_block.hpp"

namespace {

using namespace dvd;

const Random random_weights(1);

template <class T>
Tensor<T> random_tensor(Shape shape, std::uint64_t seed) {
  Tensor<T> result(shape);
  Cpu::random_normal(result.size(), Random(seed), T{1}, result.data());
  return result;
}

// Equal but for rounding: a hundred roundoffs of the largest value.
template <class T>
void check_same(const Tensor<T>& a, const Tensor<T>& b) {
  REQUIRE(a.shape() == b.shape());
  double difference = 0, largest = 0;
  for (Index i = 0; i < a.size(); ++i) {
    difference = std::max(difference, std::abs(static_cast<double>(a.data()[i]) - static_cast<double>(b.data()[i])));
    largest = std::max(largest, std::abs(static_cast<double>(a.data()[i])));
  }
  CHECK(largest > 0);
  CHECK(difference <= 100 * static_cast<double>(std::numeric_limits<T>::epsilon()) * largest);
}

// Biases start at 0, where a bias in a wrong place would not show.
template <class L>
void randomize_biases(L& layer) {
  using T = typename L::scalar_type;
  auto all = contents(layer);
  for (auto& [name, parameter] : all.parameters)
    if (name.ends_with("bias") && parameter->value.shape().rank() == 1)
      parameter->value.copy_from(random_tensor<T>(parameter->value.shape(), name.size()));
}

// [..., A] and [..., B] as [..., A + B].
template <class T>
Tensor<T> joined(const ConstTensorView<T>& a, const ConstTensorView<T>& b) {
  const Index of_a = a.extent(-1), of_b = b.extent(-1), rows = a.size() / of_a;
  Tensor<T> result(Shape{a.extent(0), a.extent(1), a.extent(2), of_a + of_b});
  for (Index r = 0; r < rows; ++r) {
    std::copy_n(a.data() + r * of_a, of_a, result.data() + r * (of_a + of_b));
    std::copy_n(b.data() + r * of_b, of_b, result.data() + r * (of_a + of_b) + of_a);
  }
  return result;
}

template <class T, class F>
Tensor<T> map(const Tensor<T>& a, const Tensor<T>& b, const F& f) {
  Tensor<T> result(a.shape());
  for (Index i = 0; i < a.size(); ++i) result.data()[i] = f(a.data()[i], b.data()[i]);
  return result;
}

// The convolution with nothing fused into it, of the same weight, bias and u.
template <int Dimensions, class T>
SpectralNorm<Convolution<Dimensions, T>> unfused(const SpectralNorm<Convolution<Dimensions, T>>& conv) {
  const auto& layer = conv.layer;
  const Index kernel = layer.weight.value.extent(-1);
  SpectralNorm<Convolution<Dimensions, T>> result(random_weights, layer.inputs(), layer.outputs(), kernel,
                                                  random_weights);
  result.layer.weight = layer.weight;
  result.layer.bias = layer.bias;
  result.u = conv.u;
  return result;
}

// r = sigmoid(W_r * [h; x] + b_r), u likewise, c = relu(W_c * [r . h; x] + b_c), h' = u . h + (1 - u) . c
template <class T>
Tensor<T> gru_step(ConvGRU<T>& unit, const ConstTensorView<T>& x, const Tensor<T>& h) {
  const Pass pass = Pass::evaluate();
  const auto times = [](T a, T b) { return a * b; };
  const Tensor<T> r = Sigmoid<T>().forward(unit.reset.forward(joined<T>(h, x), pass), pass);
  const Tensor<T> u = Sigmoid<T>().forward(unit.update.forward(joined<T>(h, x), pass), pass);
  const Tensor<T> c = ReLU<T>().forward(unit.candidate.forward(joined<T>(map(r, h, times), x), pass), pass);
  const Tensor<T> rest = map(u, c, [](T a, T b) { return (1 - a) * b; });
  return map(map(u, h, times), rest, [](T a, T b) { return a + b; });
}

TEST_CASE_TEMPLATE("ConvGRU", T, double, float) {
  constexpr Index frames = 4;
  for (const Index width : {1, 5, 16}) {
    ConvGRU<T> unit(width, random_weights);
    randomize_biases(unit);
    for (const Index given : {frames, Index{1}})
      for (const bool with_state : {false, true}) {
        const auto x = random_tensor<T>({given, 2, 5, 4, width}, 2);
        const auto state = with_state ? random_tensor<T>({2, 5, 4, width}, 3) : Tensor<T>();
        const Tensor<T> y = unit.forward(x, frames, state, Pass::evaluate());
        Tensor<T> expected(y.shape());
        Tensor<T> h = with_state ? state : Tensor<T>::zeros(x.shape().tail());
        for (Index t = 0; t < frames; ++t) {
          h = gru_step<T>(unit, std::as_const(x)[given == 1 ? 0 : t], h);
          expected[t].copy_from(h);
        }
        check_same(y, expected);
      }
  }
}

// The block as its definition reads: ReLUs and pools on their own, the shortcut's convolution first, then the pool.
template <int Dimensions, class T>
Tensor<T> plain_block(ResBlock<Dimensions, T>& block, const Tensor<T>& x, bool first, bool down) {
  const Pass pass = Pass::evaluate();
  const AvgPool<T> pool(Dimensions == 3);
  Tensor<T> h = first ? x : ReLU<T>().forward(x, pass);
  h = ReLU<T>().forward(unfused(block.conv1).forward(h, pass), pass);
  h = unfused(block.conv2).forward(h, pass);
  Tensor<T> shortcut = block.skip ? block.skip->forward(x, pass) : x;
  if (down) {
    h = pool.forward(h, pass);
    shortcut = pool.forward(shortcut, pass);
  }
  return map(h, shortcut, [](T a, T b) { return a + b; });
}

TEST_CASE_TEMPLATE("the discriminators' residual blocks", T, double, float) {
  for (const bool first : {false, true})
    for (const bool down : {false, true})
      for (const auto& [inputs, outputs] : {std::pair<Index, Index>{6, 6}, {6, 9}, {16, 24}}) {
        ResBlock2D<T> image_block(inputs, outputs, first, down, random_weights);
        randomize_biases(image_block);
        const auto x = random_tensor<T>({3, 2, 10, 11, inputs}, 2);
        check_same(image_block.forward(x, Pass::evaluate()), plain_block(image_block, x, first, down));
        ResBlock3D<T> video_block(inputs, outputs, first, down, random_weights);
        randomize_biases(video_block);
        check_same(video_block.forward(x, Pass::evaluate()), plain_block(video_block, x, first, down));
        CHECK(image_block.skip.has_value() == (down || outputs != inputs));
        CHECK(video_block.skip.has_value() == (down || outputs != inputs));
      }
}

TEST_CASE_TEMPLATE("the generator's residual block", T, double, float) {
  const Pass pass = Pass::train();
  for (const std::optional<Upsampling> upsampling :
       {std::optional<Upsampling>(), std::optional(Upsampling::bilinear), std::optional(Upsampling::nearest)})
    for (const auto& [inputs, outputs] : {std::pair<Index, Index>{6, 6}, {6, 9}, {24, 16}}) {
      GeneratorBlock<T> block(inputs, outputs, 3, 4, upsampling, random_weights), same(block);
      for (GeneratorBlock<T>* one : {&block, &same}) randomize_biases(*one);
      const auto x = random_tensor<T>({3, 2, 10, 8, inputs}, 2), c = random_tensor<T>({2, 4}, 3);
      // The shortcut upsampled first, the ReLU on its own.
      const auto resampled = [&](const Tensor<T>& h) { return upsampling ? same.upsample->forward(h, pass) : h; };
      const ReLU<T> relu;
      Tensor<T> h = resampled(relu.forward(same.norm1.forward(x, c, pass), pass));
      h = relu.forward(same.norm2.forward(unfused(same.conv1).forward(h, pass), c, pass), pass);
      h = unfused(same.conv2).forward(h, pass);
      const Tensor<T> shortcut = same.skip ? same.skip->forward(resampled(x), pass) : resampled(x);
      check_same(block.forward(x, c, pass), map(h, shortcut, [](T a, T b) { return a + b; }));
      CHECK(block.skip.has_value() == (upsampling || outputs != inputs));
    }
}

}  // namespace
