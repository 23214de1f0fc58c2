// What is kept of weights that stay: the same bits as without, made once, and used.
#include "dvd/layers/prepared_weights.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <latch>
#include <stdexcept>
#include <thread>
#include <vector>

#include "dvd/device/cpu.hpp"
#include "dvd/layers/attention.hpp"
#include "dvd/layers/conv_gru.hpp"
#include "dvd/layers/conv_lstm.hpp"
#include "dvd/layers/general_convolution.hpp"
#include "dvd/layers/generator_block.hpp"
#include "dvd/layers/linear.hpp"
#include "dvd/layers/plain_conv_gru.hpp"
#include "dvd/layers/transposed_convolution.hpp"
#include "dvd/layers/tsru.hpp"

namespace {

using namespace dvd;

const Random random_numbers(3);

Tensor<float> random_tensor(const Shape& shape, std::uint64_t which) {
  Tensor<float> x(shape);
  Cpu::random_normal(x.size(), random_numbers.stream(which), 1.0f, x.data());
  return x;
}

// `run(layer, x, pass)` for inputs of small and of larger images, for which filters are others; twice, so that what was
// made by the first pass serves the second.
template <class L, class Run>
void check_bits(L layer, const std::vector<Shape>& shapes, const Run& run) {
  const PreparedWeights prepared(layer);
  for (int repeat = 0; repeat < 2; ++repeat)
    for (std::size_t i = 0; i < shapes.size(); ++i) {
      const Tensor<float> x = random_tensor(shapes[i], i);
      const std::vector<float> y = run(layer, x, prepared.pass()).to_vector();
      CHECK(y == run(layer, x, Pass::evaluate()).to_vector());
    }
}

template <class L>
void check_layer(L layer, const std::vector<Shape>& shapes) {
  check_bits(std::move(layer), shapes, [](L& l, const Tensor<float>& x, Pass pass) { return l.forward(x, pass); });
}

template <class Unit>
void check_unit(Unit unit) {
  const std::vector<Shape> shapes = {{3, 1, 2, 2, 8}, {1, 1, 4, 4, 8}, {2, 16, 8, 8, 8}};
  check_bits(unit, shapes,
             [](Unit& u, const Tensor<float>& x, Pass pass) { return u.forward(x, 3 - (x.extent(0) == 2), {}, pass); });
  check_bits(unit, shapes, [](Unit& u, const Tensor<float>& x, Pass pass) {
    return u.forward(x, x.extent(0), random_tensor(x.shape().tail(), 9), pass);
  });
}

TEST_CASE("passes with kept weights have the bits of passes without") {
  const std::vector<Shape> images = {{1, 2, 2, 8}, {1, 4, 4, 8}, {16, 8, 8, 8}};
  SUBCASE("convolutions") {
    check_layer(Conv2D<float>(8, 16, 3, random_numbers), images);
    check_layer(Conv2D<float>(8, 5, 1, random_numbers), images);
    check_layer(Conv2D<float>(8, 16, {.kernel = 4, .stride = 2, .padding = 1}, random_numbers), images);
    check_layer(TransposedConv2D<float>(8, 3, {.kernel = 4, .stride = 2, .padding = 1}, random_numbers), images);
    check_layer(SpectralNorm<Conv2D<float>>(random_numbers, 8, 16, 3, random_numbers), images);
    check_layer(SpectralNorm<Conv3D<float>>(random_numbers, 8, 16, 3, random_numbers, true,
                                            ConvolutionFusion{.rectify = true, .pool = true}),
                {{1, 1, 2, 2, 8}, {4, 16, 8, 8, 8}, {3, 1, 16, 16, 8}});
  }
  SUBCASE("linear layers") {
    check_layer(Linear<float>(8, 5, random_numbers), {{1, 8}, {7, 8}});
    check_layer(SpectralNorm<Linear<float>>(random_numbers, 8, 5, random_numbers), {{1, 8}, {7, 8}});
  }
  SUBCASE("recurrent units") {
    check_unit(ConvGRU<float>(8, random_numbers));
    check_unit(PlainConvGRU<float>(8, random_numbers));
    check_unit(ConvLSTM<float>(8, random_numbers));
    check_unit(PlainConvLSTM<float>(8, random_numbers));
    check_unit(TSRU<float>(8, random_numbers));
    check_unit(TSRUs<float>(8, random_numbers));
  }
  SUBCASE("attention") { check_layer(SelfAttention<float>(8, random_numbers), images); }
  SUBCASE("a block of the generator") {
    using Block = GeneratorBlock<float>;
    check_bits(Block(8, 16, 3, 5, Upsampling::bilinear, random_numbers), {{3, 1, 4, 4, 8}, {3, 8, 8, 8, 8}},
               [](Block& block, const Tensor<float>& x, Pass pass) {
                 return block.forward(x, random_tensor({x.extent(1), 5}, 9), pass);
               });
  }
}

TEST_CASE("what is kept is used: weights that change afterwards change nothing") {
  const auto check = [](auto layer, const Tensor<float>& x, const auto& run) {
    const PreparedWeights prepared(layer);
    const std::vector<float> y = run(layer, x, prepared.pass()).to_vector();
    auto all = contents(layer);
    for (auto& [name, parameter] : all.parameters)
      if (name.ends_with("weight")) parameter->value.fill(0);
    CHECK(y == run(layer, x, prepared.pass()).to_vector());
    CHECK(y != run(layer, x, Pass::evaluate()).to_vector());
  };
  const auto forward = [](auto& layer, const Tensor<float>& x, Pass pass) { return layer.forward(x, pass); };
  const auto unroll = [](auto& unit, const Tensor<float>& x, Pass pass) { return unit.forward(x, 2, {}, pass); };
  check(Conv2D<float>(8, 3, 3, random_numbers), random_tensor({2, 8, 8, 8}, 1), forward);
  check(SpectralNorm<Linear<float>>(random_numbers, 8, 3, random_numbers), random_tensor({2, 8}, 1), forward);
  check(ConvGRU<float>(8, random_numbers), random_tensor({2, 1, 4, 4, 8}, 1), unroll);
  check(PlainConvLSTM<float>(8, random_numbers), random_tensor({2, 1, 4, 4, 8}, 1), unroll);
  check(TSRU<float>(8, random_numbers), random_tensor({2, 1, 4, 4, 8}, 1), unroll);
}

// A network whose visit shows parameters and no more, so that nobody can know its sigmas beforehand.
struct Reticent {
  using scalar_type = float;
  using device_type = Cpu;
  SpectralNorm<Linear<float>> layer{random_numbers, Index{8}, Index{3}, random_numbers};

  template <class F>
  void visit(const std::string& prefix, F& f) {
    f(prefix + "weight", layer.layer.weight);
  }
};

TEST_CASE("sigmas that were not found beforehand are made once, too") {
  Reticent network;
  const PreparedWeights prepared(network);
  const Tensor<float> x = random_tensor({2, 8}, 1);
  const std::vector<float> y = network.layer.forward(x, prepared.pass()).to_vector();
  CHECK(y == network.layer.forward(x, Pass::evaluate()).to_vector());
  network.layer.layer.weight.value.fill(0);
  CHECK(y == network.layer.forward(x, prepared.pass()).to_vector());
}

TEST_CASE("one filter for all sizes that it fits") {
  Conv2D<float> layer(8, 16, 3, random_numbers);
  const PreparedWeights prepared(layer);
  const Tensor<float> packed = layer.packed_weight();
  const auto filter = [&](Index images, Index side) {
    return prepared.filter<float, Cpu>({1, images, side, side, 8, 16, 1, 3}, packed);
  };
  const auto small = filter(1, 2), large = filter(100, 4);
  CHECK(small.method() != large.method());
  CHECK(small.frame(0) == filter(2, 2).frame(0));
  CHECK(large.frame(0) == filter(1, 32).frame(0));
  CHECK(small.frame(0) != large.frame(0));

  // Another weight may come to lie where one in the user's own memory lay.
  const std::vector<float> own = packed.to_vector();
  const ConstTensorView<float> view(own.data(), packed.shape());
  const ConvolutionSize size{1, 1, 4, 4, 8, 16, 1, 3};
  const auto first = prepared.filter(size, view), second = prepared.filter(size, view);
  CHECK(first.frame(0) != second.frame(0));
}

TEST_CASE("eight threads that want the same wait for the one that makes it") {
  Conv2D<float> layer(8, 16, 3, random_numbers);
  const PreparedWeights prepared(layer);
  std::atomic<int> made = 0;
  std::latch together(8);
  std::vector<const int*> found(8);
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < 8; ++i)
    threads.emplace_back([&, i] {
      together.arrive_and_wait();
      found[i] = prepared.once<int>(&layer, [&] { return ++made; }).get();
    });
  for (std::thread& thread : threads) thread.join();
  CHECK(made == 1);
  for (const int* each : found) CHECK(each == found[0]);
  // Of another type, at the same address.
  CHECK(*prepared.once<double>(&layer, [] { return 0.5; }) == 0.5);
}

TEST_CASE("what could not be made is tried again") {
  Conv2D<float> layer(8, 16, 3, random_numbers);
  const PreparedWeights prepared(layer);
  CHECK_THROWS_AS(prepared.once<int>(&layer, []() -> int { throw std::runtime_error("no memory"); }),
                  std::runtime_error);
  CHECK(*prepared.once<int>(&layer, [] { return 5; }) == 5);
  CHECK(*prepared.once<int>(&layer, [] { return 6; }) == 5);
}

}  // namespace
