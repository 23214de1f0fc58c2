// How much a GPU is given to do: pieces of work, which are launches and calls of libraries, counted in the emulation.
#include "support/devices.hpp"

#include <doctest/doctest.h>

#include <cuda_runtime_api.h>

#include <utility>

#include "dvd/layers/conv_lstm.hpp"
#include "dvd/layers/plain_conv_gru.hpp"
#include "dvd/layers/residual_block.hpp"

namespace {

using namespace dvd;

template <class F>
std::size_t work_of(const F& f) {
  EmulatedCounting& counting = EmulatedCounting::instance();
  counting.on = true;
  f();
  counting.on = false;
  return counting.take().size();
}

// Of a recurrent unit's passes.
struct Work {
  std::size_t forward, backward;
};

template <class Unit>
Work work_of_unit(Index frames) {
  using T = typename Unit::scalar_type;
  Unit unit(8, Random(1));
  typename Unit::Cache cache;
  const auto x = Tensor<T, Cuda>::zeros({frames, 2, 5, 4, 8});
  Tensor<T, Cuda> y;
  const std::size_t forward = work_of([&] { y = unit.forward(x, frames, {}, Pass::train(), &cache); });
  return {forward, work_of([&] { unit.backward(y, cache, Gradients::all); })};
}

TEST_CASE_TEMPLATE("a time step is a few pieces of work", T, float, bfloat16) {
  const auto check = [](const Work& few, const Work& many, std::size_t forward, std::size_t backward) {
    CHECK(many.forward - few.forward == 5 * forward);
    CHECK(many.backward - few.backward == 5 * backward);
  };
  // Two convolutions that add to what x gave, the reset, the output; and back.
  check(work_of_unit<ConvGRU<T, Cuda>>(3), work_of_unit<ConvGRU<T, Cuda>>(8), 4, 4);
  check(work_of_unit<PlainConvGRU<T, Cuda>>(3), work_of_unit<PlainConvGRU<T, Cuda>>(8), 4, 4);
  // A convolution and the output.
  check(work_of_unit<ConvLSTM<T, Cuda>>(3), work_of_unit<ConvLSTM<T, Cuda>>(8), 2, 2);
}

// What the first convolution stores is what the second one and its weight's gradient read, and nothing is prepared.
TEST_CASE_TEMPLATE("the second convolution of a residual block reads what is there", T, float, bfloat16) {
  ConvolutionFusion fusion{.rectify = true};
  const auto pieces = [&](const Tensor<T, Cuda>& x) {
    Conv2D<T, Cuda> conv(8, 8, 3, Random(1), true, fusion);
    typename Conv2D<T, Cuda>::Cache cache;
    Tensor<T, Cuda> y;
    const std::size_t forward = work_of([&] { y = conv.forward(x, Pass::train(), &cache); });
    return std::pair(forward, work_of([&] { conv.backward(y, cache, Gradients::all); }));
  };
  const auto x = Tensor<T, Cuda>::zeros({2, 5, 4, 8});
  const auto prepared = pieces(x);
  fusion.rectified = true;
  CHECK(pieces(x) == std::pair(prepared.first - 1, prepared.second - 1));
  fusion = {.rectify_result = true};
  const auto rectifying = pieces(x);
  fusion = {};
  CHECK(rectifying == pieces(x));

  ResBlock2D<T, Cuda> block(8, 8, true, false, Random(1));
  using Conv = SpectralNorm<Conv2D<T, Cuda>>;
  Conv ready(Random(1), Index{8}, Index{8}, 3, Random(1), true, ConvolutionFusion{.rectify = true, .rectified = true});
  const auto forward = [&](Conv& conv) { return work_of([&] { conv.forward(x, Pass::evaluate()); }); };
  CHECK(forward(block.conv2) == forward(ready));
}

TEST_CASE("an x of one frame stands for many at the same price") {
  const auto pieces = [](Index frames) {
    ConvGRU<float, Cuda> unit(8, Random(1));
    const auto x = Tensor<float, Cuda>::zeros({1, 2, 5, 4, 8});
    return work_of([&] { unit.forward(x, frames, {}, Pass::train()); });
  };
  CHECK(pieces(8) - pieces(3) == 5 * 4);
}

}  // namespace
