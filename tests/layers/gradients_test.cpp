// The gradient of every layer against central differences.
#include <doctest/doctest.h>

#include "dvd/device/cpu.hpp"
#include "dvd/layers/activation.hpp"
#include "dvd/layers/attention.hpp"
#include "dvd/layers/avg_pool.hpp"
#include "dvd/layers/conv_gru.hpp"
#include "dvd/layers/embedding.hpp"
#include "dvd/layers/frame_sampler.hpp"
#include "dvd/layers/generator_block.hpp"
#include "dvd/layers/residual_block.hpp"
#include "dvd/layers/sequential.hpp"
#include "dvd/layers/temporal_downsampler.hpp"
#include "dvd/layers/tsru.hpp"
#include "support/gradient_check.hpp"

namespace {

using namespace dvd;
using dvd::testing::check_gradients;
using dvd::testing::check_pass;
using dvd::testing::Differentiable;
using dvd::testing::differentiable;
using dvd::testing::Doubles;
using dvd::testing::random_tensor;

using Inputs = std::vector<Doubles>;

const Random random_weights(1);

Doubles input(Shape shape) { return random_tensor(shape, Random(2)); }

template <class L>
void check_layer(const std::string& name, const L& layer, Shape shape) {
  check_gradients(name, layer, input(shape));
}

TEST_CASE("linear maps and convolutions") {
  check_layer("linear", Linear<double>(5, 3, random_weights), {4, 5});
  check_layer("linear without bias", Linear<double>(2, 7, random_weights, false), {3, 2});
  check_layer("1x1", Conv2D<double>(5, 3, 1, random_weights), {2, 3, 4, 5});
  check_layer("3x3", Conv2D<double>(3, 5, 3, random_weights), {2, 4, 5, 3});
  check_layer("3x3 of many images", Conv2D<double>(2, 9, 3, random_weights), {2, 3, 2, 3, 2});
  check_layer("3x3 without bias", Conv2D<double>(1, 2, 3, random_weights, false), {1, 1, 1, 1});
  check_layer("1x1x1", Conv3D<double>(3, 4, 1, random_weights), {3, 2, 2, 3, 3});
  check_layer("3x3x3", Conv3D<double>(3, 4, 3, random_weights), {3, 2, 4, 3, 3});
  check_layer("3x3x3 of one frame", Conv3D<double>(2, 3, 3, random_weights), {1, 2, 3, 3, 2});
  check_layer("3x3x3 of two frames", Conv3D<double>(2, 3, 3, random_weights), {2, 1, 3, 2, 2});
}

TEST_CASE("convolutions with other layers fused into them") {
  const auto conv2 = [](Index in, Index out, ConvolutionFusion fusion) {
    return Conv2D<double>(in, out, 3, random_weights, true, fusion);
  };
  const auto conv3 = [](Index in, Index out, ConvolutionFusion fusion) {
    return Conv3D<double>(in, out, 3, random_weights, true, fusion);
  };
  check_layer("rectified", conv2(3, 4, {.rectify = true}), {2, 4, 5, 3});
  check_layer("pooled", conv2(3, 4, {.pool = true}), {2, 4, 5, 3});
  check_layer("nearest", conv2(3, 2, {.upsample = Upsampling::nearest}), {2, 3, 2, 3});
  check_layer("bilinear", conv2(3, 2, {.upsample = Upsampling::bilinear}), {2, 3, 2, 3});
  check_layer("all", conv2(3, 2, {.rectify = true, .upsample = Upsampling::bilinear, .pool = true}), {2, 3, 2, 3});
  check_layer("video", conv3(2, 3, {.rectify = true, .pool = true}), {5, 2, 4, 3, 2});
  check_layer("one frame", conv3(2, 3, {.rectify = true, .pool = true}), {1, 2, 4, 4, 2});
  // As many channels and tiles as Winograd's method wants.
  check_layer("winograd", conv2(8, 3, {.rectify = true}), {12, 4, 4, 8});
  check_layer("winograd, pooled", conv2(8, 8, {.rectify = true, .pool = true}), {12, 4, 4, 8});
  check_layer("winograd, bilinear", conv2(8, 2, {.upsample = Upsampling::bilinear}), {12, 2, 2, 8});
  check_layer("winograd, video", conv3(8, 2, {.rectify = true, .pool = true}), {2, 12, 4, 4, 8});
}

TEST_CASE("spectral normalisation") {
  const Random u(4);
  check_layer("spectral linear", SpectralNorm<Linear<double>>(u, 5, 3, random_weights), {4, 5});
  check_layer("spectral 3x3", SpectralNorm<Conv2D<double>>(u, 3, 5, 3, random_weights), {2, 4, 5, 3});
  check_layer("spectral 1x1", SpectralNorm<Conv2D<double>>(u, 6, 2, 1, random_weights), {2, 2, 2, 6});
  check_layer("spectral 3x3x3", SpectralNorm<Conv3D<double>>(u, 3, 4, 3, random_weights), {3, 1, 3, 3, 3});
  check_layer("spectral, one output", SpectralNorm<Linear<double>>(u, 5, 1, random_weights), {4, 5});
}

TEST_CASE("activations") {
  check_layer("relu", ReLU<double>(), {3, 4, 7});
  check_layer("sigmoid", Sigmoid<double>(), {3, 4, 7});
  check_layer("tanh", Tanh<double>(), {3, 4, 7});
}

TEST_CASE("resampling") {
  for (const Upsampling kind : {Upsampling::bilinear, Upsampling::nearest}) {
    check_layer("upsample", Upsample<double>(kind), {2, 3, 4, 5, 3});
    check_layer("upsample one pixel", Upsample<double>(kind), {1, 1, 2});
    check_layer("upsample a row", Upsample<double>(kind), {2, 1, 3, 2});
  }
  check_layer("pool", AvgPool<double>(), {2, 4, 6, 3});
  check_layer("pool, odd image", AvgPool<double>(), {2, 5, 3, 3});
  check_layer("pool over time", AvgPool<double>(true), {4, 2, 4, 2, 3});
  check_layer("pool over time, all odd", AvgPool<double>(true), {5, 2, 3, 5, 3});
  check_layer("pool over time, one frame", AvgPool<double>(true), {1, 2, 4, 4, 3});
}

TEST_CASE("what the temporal discriminator sees") {
  check_layer("2x2", TemporalDownsampler<double>(), {3, 2, 4, 6, 3});
  check_layer("4x4", QuarterDownsampler<double>(), {2, 2, 8, 4, 3});
  check_layer("whole", NoDownsampler<double>(), {2, 2, 3, 2, 3});
  check_layer("crop from the middle", RandomHalfCrop<double>(), {2, 3, 5, 4, 2});
  RandomHalfCrop<double> crop;
  const Random random(12);
  Pass pass = Pass::train();
  pass.random = &random;
  check_pass("random crop", differentiable(crop, input({2, 3, 6, 5, 2})), pass);
}

TEST_CASE("attention") {
  check_layer("over a frame", SelfAttention<double>(8, random_weights), {2, 2, 4, 5, 8});
  check_layer("over a frame, few channels", SelfAttention<double>(1, random_weights), {3, 2, 2, 1});
  // More queries than a task takes at a time.
  check_layer("over a large frame", SelfAttention<double>(3, random_weights), {1, 1, 9, 8, 3});
  check_layer("along height, width and time", SeparableAttention<double>(8, random_weights), {3, 2, 4, 3, 8});
  check_layer("along one each", SeparableAttention<double>(2, random_weights), {1, 1, 1, 1, 2});
}

TEST_CASE("sequential") {
  check_layer("sequential",
              Sequential(Conv2D<double>(3, 4, 3, random_weights), ReLU<double>(),
                         SpectralNorm<Conv2D<double>>(random_weights, 4, 2, 3, random_weights), AvgPool<double>(),
                         Upsample<double>(), Tanh<double>()),
              {2, 4, 4, 3});
  check_layer("sequential of one", Sequential(Linear<double>(3, 2, random_weights)), {2, 3});
  check_layer("nested sequential",
              Sequential(Sequential(Linear<double>(3, 2, random_weights), Sigmoid<double>()),
                         Linear<double>(2, 3, random_weights)),
              {2, 3});
}

TEST_CASE("embedding") {
  Embedding<double> embedding(4, 3, random_weights);
  const Labels labels{2, 0, 2, 2};  // a label twice and one never
  Embedding<double>::Cache cache;
  check_gradients("embedding",
                  {{},
                   contents(embedding),
                   [&](const Inputs&, Pass, bool keep) { return embedding.forward(labels, keep ? &cache : nullptr); },
                   [&](const Doubles& dy, Gradients gradients) {
                     if (wants_parameters(gradients)) embedding.backward(dy, cache);
                     return std::vector<Doubles>{};
                   }});
}

TEST_CASE("frames selected from videos") {
  const Doubles video = input({4, 2, 2, 3, 3});
  const FrameIndices frames{2, 3, {0, 2, 3, 1, 1, 3}};  // one of them twice
  check_gradients("select_frames",
                  {{video},
                   {},
                   [&](const Inputs& inputs, Pass, bool) { return select_frames(inputs[0], frames); },
                   [&](const Doubles& dy, Gradients gradients) {
                     return std::vector{wants_inputs(gradients) ? select_frames_backward(dy, frames, 4) : Doubles()};
                   }});
}

// A map of a video x and a condition c.
template <class L, class Forward>
Differentiable conditioned(L& layer, Shape shape, Index condition, const Forward& forward) {
  const Doubles x = input(shape), c = random_tensor(Shape{shape[1], condition}, Random(6));
  const auto cache = std::make_shared<typename L::Cache>();
  return {{x, c},
          contents(layer),
          [&layer, cache, forward](const Inputs& inputs, Pass pass, bool keep) {
            return forward(layer, inputs[0], inputs[1], pass, keep ? cache.get() : nullptr);
          },
          [&layer, cache](const Doubles& dy, Gradients gradients) {
            auto [dx, dcondition] = layer.backward(dy, *cache, gradients);
            return std::vector{std::move(dx), std::move(dcondition)};
          }};
}

TEST_CASE("class-conditional batch norm") {
  for (const bool rectify : {false, true}) {
    const auto forward = [=](auto& layer, const Doubles& x, const Doubles& c, Pass pass, auto* cache) {
      return layer.forward(x, c, pass, cache, rectify);
    };
    ClassConditionalBatchNorm<double> layer(3, 5, 4, random_weights);
    check_gradients("batch norm", conditioned(layer, {3, 2, 2, 3, 5}, 4, forward));
    ClassConditionalBatchNorm<double> single(1, 2, 3, random_weights);
    check_gradients("batch norm of one frame", conditioned(single, {1, 1, 3, 3, 2}, 3, forward));
    check_pass("batch norm, standing", conditioned(layer, {3, 2, 2, 3, 5}, 4, forward), Pass::standing(1));
    for (const Index frames : {2, 5})
      check_pass(concat("batch norm of ", frames, " frames"), conditioned(layer, {frames, 2, 2, 3, 5}, 4, forward),
                 Pass::evaluate());
  }
}

TEST_CASE("the generator's residual block") {
  const auto forward = [](auto& layer, const Doubles& x, const Doubles& c, Pass pass, auto* cache) {
    return layer.forward(x, c, pass, cache);
  };
  struct Variant {
    Index inputs, outputs;
    std::optional<Upsampling> upsampling;
  };
  for (const Variant& variant : {Variant{3, 3, std::nullopt}, Variant{3, 4, std::nullopt},
                                 Variant{4, 3, Upsampling::bilinear}, Variant{3, 3, Upsampling::nearest}}) {
    GeneratorBlock<double> layer(variant.inputs, variant.outputs, 2, 4, variant.upsampling, random_weights);
    Differentiable network = conditioned(layer, {2, 2, 3, 2, variant.inputs}, 4, forward);
    network.empty_unless_wanted = false;
    check_gradients("generator block", network);
  }
}

TEST_CASE("the discriminators' residual blocks") {
  for (const bool first : {false, true})
    for (const bool down : {false, true})
      for (const Index outputs : {3, 4}) {
        check_layer("2-D block", ResBlock2D<double>(3, outputs, first, down, random_weights), {2, 4, 5, 3});
        check_layer("3-D block", ResBlock3D<double>(3, outputs, first, down, random_weights), {3, 2, 2, 4, 3});
      }
  check_layer("3-D block of one frame", ResBlock3D<double>(3, 4, false, true, random_weights), {1, 2, 4, 4, 3});
}

// A recurrent unit over `frames` frames, x holding `given` of them.
template <template <class, class> class Unit>
void check_unit(const std::string& name, Index frames, Index given, bool with_state) {
  constexpr Index width = 3;
  Unit<double, Cpu> layer(width, random_weights);
  const Doubles x = input({given, 2, 3, 2, width});
  typename Unit<double, Cpu>::Cache cache;
  std::vector<Doubles> inputs{x};
  if (with_state) inputs.push_back(random_tensor({2, 3, 2, width}, Random(8)));
  check_gradients(name, {inputs, contents(layer),
                         [&](const Inputs& all, Pass pass, bool keep) {
                           return layer.forward(all[0], frames, with_state ? all[1] : Doubles(), pass,
                                                keep ? &cache : nullptr);
                         },
                         [&](const Doubles& dy, Gradients gradients) {
                           const auto result = layer.backward(dy, cache, gradients);
                           CHECK((with_state || !result.state));
                           return with_state ? std::vector{result.x, result.state} : std::vector{result.x};
                         }});
}

template <template <class, class> class Unit>
void check_recurrent_unit(const std::string& name) {
  check_unit<Unit>(name + " from zero", 3, 3, false);
  check_unit<Unit>(name + " from a state", 3, 3, true);
  check_unit<Unit>(name + ", one frame for all, from zero", 4, 1, false);
  check_unit<Unit>(name + ", one frame for all, from a state", 3, 1, true);
  check_unit<Unit>(name + ", one step from zero", 1, 1, false);
  check_unit<Unit>(name + ", one step from a state", 1, 1, true);
}

TEST_CASE("ConvGRU") { check_recurrent_unit<ConvGRU>("ConvGRU"); }
TEST_CASE("TSRU") { check_recurrent_unit<TSRU>("TSRU"); }
TEST_CASE("TSRU_s") { check_recurrent_unit<TSRUs>("TSRU_s"); }

}  // namespace
