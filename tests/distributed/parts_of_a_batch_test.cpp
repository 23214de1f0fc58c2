// Layers that see a part of a batch compute what they do for the whole: batch norms by the statistics of all parts,
// random layers by the number of a video.
#include <doctest/doctest.h>

#include <vector>

#include "dvd/device/cpu.hpp"
#include "dvd/distributed/reduction.hpp"
#include "dvd/distributed/thread_communicator.hpp"
#include "dvd/layers/class_conditional_batch_norm.hpp"
#include "dvd/layers/dropout.hpp"
#include "dvd/layers/norms.hpp"
#include "dvd/layers/temporal_downsampler.hpp"
#include "dvd/testing/differentiable.hpp"

namespace {

using namespace dvd;
using namespace dvd::testing;
using View = ConstTensorView<double>;

// Videos `first` .. `first + count - 1` of [T, N, H, W, C], or of anything else with its batch first.
Tensor<double> videos_of(const View& x, Index first, Index count) {
  if (x.shape().rank() != 5) return x.slice(first, count).clone();
  const Shape& shape = x.shape();
  const Index video = shape[2] * shape[3] * shape[4];
  Tensor<double> part(Shape{shape[0], count, shape[2], shape[3], shape[4]});
  Cpu::copy_rows(1, shape[0], count * video, x.data() + first * video, 0, shape[1] * video, part.data(), 0,
                 count * video);
  return part;
}

// Real and generated videos of a part, one behind the other.
Tensor<double> of_both(const View& x, const BatchPlace& place) {
  const Tensor<double> real = videos_of(x, place.first, place.count),
                       fake = videos_of(x, place.total + place.first, place.count);
  const Shape& shape = x.shape();
  const bool frames = shape.rank() == 5;
  Tensor<double> both(frames ? Shape{shape[0], 2 * place.count, shape[2], shape[3], shape[4]}
                             : shape.with_first(2 * place.count));
  const Index rows = frames ? shape[0] : 1, width = real.size() / rows;
  Cpu::copy_rows(1, rows, width, real.data(), 0, width, both.data(), 0, 2 * width);
  Cpu::copy_rows(1, rows, width, fake.data(), 0, width, both.data() + width, 0, 2 * width);
  return both;
}

void check_close(const char* what, const View& actual, const View& expected) {
  REQUIRE(actual.shape() == expected.shape());
  const std::vector<double> a = actual.to_vector(), b = expected.to_vector();
  double largest = 0;
  for (std::size_t i = 0; i < a.size(); ++i) largest = std::max(largest, std::abs(a[i] - b[i]) / (1 + std::abs(b[i])));
  CHECK_MESSAGE(largest < 1e-12, what, ": off by ", largest);
}

constexpr Index parts = 3, batch = 7;  // 3, 2 and 2 videos, of two batches: real and generated

Pass pass_of_part(ThreadCommunicator& ranks, const BatchExchange& exchange, const Random& random) {
  const Share share = Share::of(batch, ranks.rank(), ranks.size());
  Pass pass = Pass::train();
  pass.random = &random;
  pass.exchange = &exchange;
  pass.place = {share.first, share.count, batch};
  return pass;
}

// Runs `layer` on both batches as a whole and on parts of them. What it holds must come out alike.
template <class L>
void check_parts(const L& layer, const Shape& shape) {
  CAPTURE(shape);
  const Random random(5);
  const Tensor<double> x = random_tensor(shape, Random(1));
  L whole = clone(layer);
  typename L::Cache cache;
  Pass pass = Pass::train();
  pass.random = &random;
  const Tensor<double> y = whole.forward(x, pass, &cache);
  const Tensor<double> dy = random_tensor(y.shape(), Random(2));
  const Tensor<double> dx = whole.backward(dy, cache, Gradients::all);
  auto expected = contents(whole);
  run_ranks(parts, [&](ThreadCommunicator& ranks) {
    FastReduction<double, Cpu, ThreadCommunicator> reduction(ranks);
    const Pass own = pass_of_part(ranks, reduction.exchange(0), random);
    L part = clone(layer);
    typename L::Cache part_cache;
    check_close("y", part.forward(of_both(x, own.place), own, &part_cache), of_both(y, own.place));
    check_close("dx", part.backward(of_both(dy, own.place), part_cache, Gradients::all), of_both(dx, own.place));
    auto actual = contents(part);
    for (std::size_t i = 0; i < actual.buffers.size(); ++i)
      check_close("a buffer", actual.buffers[i].buffer->value, expected.buffers[i].buffer->value);
    for (std::size_t i = 0; i < actual.parameters.size(); ++i) {
      Tensor<double>& gradient = actual.parameters[i].parameter->accumulator();
      ranks.sum(gradient.size(), gradient.data());
      check_close("a gradient", gradient, expected.parameters[i].parameter->gradient);
    }
  });
}

TEST_CASE("a batch norm") {
  for (const bool affine : {false, true}) {
    BatchNorm<double> norm(5, 1e-5, affine);
    if (affine) norm.weight.value.copy_from(random_tensor(Shape{5}, Random(3)));
    norm.running_mean.value.copy_from(random_tensor(Shape{5}, Random(4)));
    check_parts(norm, {3, 2 * batch, 4, 2, 5});
    check_parts(norm, {2 * batch, 5});
  }
}

TEST_CASE("random layers") {
  check_parts(Dropout<double>(0.5, 1), {3, 2 * batch, 1, 3, 5});
  check_parts(Dropout<double>(0.5, 1), {2 * batch, 35});
  check_parts(RandomHalfCrop<double>(), {3, 2 * batch, 8, 12, 2});
}

TEST_CASE("a class-conditional batch norm") {
  const Index frames = 2, channels = 6, condition_dim = 4;
  const Shape shape{frames, batch, 3, 3, channels};
  const Tensor<double> x = random_tensor(shape, Random(1)),
                       condition = random_tensor({batch, condition_dim}, Random(2)),
                       dy = random_tensor(shape, Random(3));
  const ClassConditionalBatchNorm<double> norm(frames, channels, condition_dim, Random(4));
  for (const bool rectify : {false, true}) {
    auto whole = clone(norm);
    typename ClassConditionalBatchNorm<double>::Cache cache;
    const Tensor<double> y = whole.forward(x, condition, Pass::train(), &cache, rectify);
    const auto [dx, dcondition] = whole.backward(dy.clone(), cache, Gradients::all);
    auto expected = contents(whole);
    run_ranks(parts, [&, &dx = dx, &dcondition = dcondition](ThreadCommunicator& ranks) {
      FastReduction<double, Cpu, ThreadCommunicator> reduction(ranks);
      const Random random(5);
      const Pass pass = pass_of_part(ranks, reduction.exchange(0), random);
      const Index first = pass.place.first, count = pass.place.count;
      auto part = clone(norm);
      typename ClassConditionalBatchNorm<double>::Cache own;
      check_close("y", part.forward(videos_of(x, first, count), condition.slice(first, count), pass, &own, rectify),
                  videos_of(y, first, count));
      const auto gradients = part.backward(videos_of(dy, first, count), own, Gradients::all);
      check_close("dx", gradients.x, videos_of(dx, first, count));
      check_close("dcondition", gradients.condition, dcondition.slice(first, count));
      auto actual = contents(part);
      for (std::size_t i = 0; i < actual.buffers.size(); ++i)
        check_close("a buffer", actual.buffers[i].buffer->value, expected.buffers[i].buffer->value);
      for (std::size_t i = 0; i < actual.parameters.size(); ++i) {
        Tensor<double>& gradient = actual.parameters[i].parameter->gradient;
        ranks.sum(gradient.size(), gradient.data());
        check_close("a gradient", gradient, expected.parameters[i].parameter->gradient);
      }
    });
  }
}

TEST_CASE("dropout says when videos are no batches of its pass's") {
  Pass pass = Pass::train();
  const Random random(1);
  pass.random = &random;
  pass.place = {0, 2, 4};
  CHECK_THROWS_WITH_AS(Dropout<double>(0.5, 1).forward(random_tensor({3, 5}, Random(1)), pass),
                       "dropout got 3 videos, which are no batches of 2", ArgumentError);
}

}  // namespace
