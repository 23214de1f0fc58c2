// Every layer and network on the GPU against itself on the CPU in double: results, gradients and what is remembered,
// from the same weights and inputs. That those on the CPU are right is what layers/gradients_test.cpp and
// models/gradients_test.cpp make sure of.
#include "support/devices.hpp"

#include <doctest/doctest.h>

#include <optional>
#include <string>
#include <vector>

#include "dvd/layers/activation.hpp"
#include "dvd/layers/attention.hpp"
#include "dvd/layers/augmentation.hpp"
#include "dvd/layers/avg_pool.hpp"
#include "dvd/layers/conv_gru.hpp"
#include "dvd/layers/sequential.hpp"
#include "dvd/layers/temporal_downsampler.hpp"
#include "dvd/layers/tsru.hpp"
#include "dvd/models/generator_networks.hpp"
#include "dvd/models/spatial_discriminator.hpp"
#include "dvd/models/temporal_discriminator.hpp"
#include "support/against_double.hpp"

namespace {

using namespace dvd;
using dvd::testing::check_against_double;
using dvd::testing::TensorsOf;

const Random random_weights(1);
const Labels labels{2, 0};
const FrameIndices frames{2, 2, {0, 2, 1, 2}};

// Ways of running layers that `Plainly` does not know.

template <class... Options>
struct Conditioned {
  template <class L>
  static auto forward(L& layer, const TensorsOf<L>& x, Pass pass, typename L::Cache* cache) {
    return layer.forward(x[0], x[1], pass, cache, Options::value...);
  }
  template <class L, class Y>
  static TensorsOf<L> backward(L& layer, const Y& dy, const typename L::Cache& cache) {
    const auto result = layer.backward(dy, cache, Gradients::all);
    return {result.x, result.condition};
  }
};

template <Index Frames>
struct Recurrent {
  template <class L>
  static auto forward(L& layer, const TensorsOf<L>& x, Pass pass, typename L::Cache* cache) {
    return layer.forward(x[0], Frames, x.size() > 1 ? x[1] : TensorOf<L>(), pass, cache);
  }
  template <class L, class Y>
  static TensorsOf<L> backward(L& layer, const Y& dy, const typename L::Cache& cache) {
    const auto result = layer.backward(dy, cache, Gradients::all);
    return result.state ? TensorsOf<L>{result.x, result.state} : TensorsOf<L>{result.x};
  }
};

struct LookedUp {
  template <class L>
  static auto forward(L& layer, const TensorsOf<L>&, Pass, typename L::Cache* cache) {
    return layer.forward(Labels{2, 0, 2, 2}, cache);
  }
  template <class L, class Y>
  static TensorsOf<L> backward(L& layer, const Y& dy, const typename L::Cache& cache) {
    layer.backward(dy, cache);
    return {};
  }
};

// A head or a discriminator of all frames.
struct Labelled : dvd::testing::Plainly {
  template <class L>
  static auto forward(L& layer, const TensorsOf<L>& x, Pass pass, typename L::Cache* cache) {
    if constexpr (VideoDiscriminator<L>)
      return layer.forward({x[0], labels}, pass, cache);
    else
      return layer.forward(x[0], labels, pass, cache);
  }
};

struct OfChosenFrames : dvd::testing::Plainly {
  template <class L>
  static auto forward(L& layer, const TensorsOf<L>& x, Pass pass, typename L::Cache* cache) {
    return layer.forward({x[0], labels, frames}, pass, cache);
  }
};

// A generator of z and perhaps initial states.
struct Generating {
  template <class L>
  static auto forward(L& layer, const TensorsOf<L>& x, Pass pass, typename L::Cache* cache) {
    return layer.forward(x[0], labels, pass, cache, {x.begin() + 1, x.end()});
  }
  template <class L, class Y>
  static TensorsOf<L> backward(L& layer, const Y& dy, const typename L::Cache& cache) {
    const auto result = layer.backward(dy, cache, Gradients::all);
    TensorsOf<L> all{result.z};
    for (const auto& state : result.states)
      if (state) all.push_back(state);
    return all;
  }
};

struct Predicting {
  template <class L>
  static auto forward(L& layer, const TensorsOf<L>& x, Pass pass, typename L::Cache* cache) {
    return layer.generate(x[0], labels, x[1], pass, cache);
  }
  template <class L, class Y>
  static TensorsOf<L> backward(L& layer, const Y& dy, const typename L::Cache& cache) {
    const auto result = layer.backward(dy, cache, Gradients::all);
    return {result.z, result.condition};
  }
};

// What is allowed for; see support/against_double.hpp.
constexpr double no_pooling = 0, of_pooling = 0.5;

// A map of one tensor.
template <class O, template <class, class> class L, class... Arguments>
void check_layer(const std::string& name, const Shape& input, const Arguments&... arguments) {
  check_against_double<O, L>(name, {input}, no_pooling, arguments...);
}

TEST_CASE_TEMPLATE("linear maps and convolutions", O, DVD_DEVICES) {
  check_layer<O, Linear>("linear", {4, 5}, 5, 3, random_weights);
  check_layer<O, Linear>("linear without bias", {3, 2}, 2, 7, random_weights, false);
  check_layer<O, Conv2D>("1x1", {2, 3, 4, 5}, 5, 3, 1, random_weights);
  check_layer<O, Conv2D>("3x3", {2, 4, 5, 3}, 3, 5, 3, random_weights);
  check_layer<O, Conv2D>("3x3 of many images", {2, 3, 2, 3, 2}, 2, 9, 3, random_weights);
  check_layer<O, Conv2D>("3x3 without bias", {1, 1, 1, 1}, 1, 2, 3, random_weights, false);
  check_layer<O, Conv3D>("1x1x1", {3, 2, 2, 3, 3}, 3, 4, 1, random_weights);
  check_layer<O, Conv3D>("3x3x3", {3, 2, 4, 3, 3}, 3, 4, 3, random_weights);
  check_layer<O, Conv3D>("3x3x3 of one frame", {1, 2, 3, 3, 2}, 2, 3, 3, random_weights);
  check_layer<O, Conv3D>("3x3x3 of two frames", {2, 1, 3, 2, 2}, 2, 3, 3, random_weights);
}

TEST_CASE_TEMPLATE("convolutions with other layers fused into them", O, DVD_DEVICES) {
  for (const bool rectify : {false, true})
    for (const bool pool : {false, true}) {
      for (const auto& upsample :
           {std::optional<Upsampling>(), std::optional(Upsampling::nearest), std::optional(Upsampling::bilinear)}) {
        const ConvolutionFusion fusion{.rectify = rectify, .upsample = upsample, .pool = pool};
        check_layer<O, Conv2D>("fused 3x3", {2, 4, 5, 3}, 3, 4, 3, random_weights, true, fusion);
        check_layer<O, Conv2D>("fused 3x3, many channels", {12, 4, 4, 8}, 8, 16, 3, random_weights, true, fusion);
      }
      const ConvolutionFusion fusion{.rectify = rectify, .pool = pool};
      for (const Index count : {1, 2, 5})
        check_layer<O, Conv3D>("fused 3x3x3", {count, 2, 4, 4, 2}, 2, 3, 3, random_weights, true, fusion);
    }
}

template <Scalar T, Device D>
using SpectralLinear = SpectralNorm<Linear<T, D>>;
template <Scalar T, Device D>
using SpectralConv2D = SpectralNorm<Conv2D<T, D>>;
template <Scalar T, Device D>
using SpectralConv3D = SpectralNorm<Conv3D<T, D>>;

TEST_CASE_TEMPLATE("spectral normalisation", O, DVD_DEVICES) {
  const Random u(4);
  check_layer<O, SpectralLinear>("spectral linear", {4, 5}, u, 5, 3, random_weights);
  check_layer<O, SpectralConv2D>("spectral 3x3", {2, 4, 5, 3}, u, 3, 5, 3, random_weights);
  check_layer<O, SpectralConv2D>("spectral 1x1", {2, 2, 2, 6}, u, 6, 2, 1, random_weights);
  check_layer<O, SpectralConv3D>("spectral 3x3x3", {3, 1, 3, 3, 3}, u, 3, 4, 3, random_weights);
}

TEST_CASE_TEMPLATE("activations", O, DVD_DEVICES) {
  check_layer<O, ReLU>("relu", {3, 4, 7});
  check_layer<O, Sigmoid>("sigmoid", {3, 4, 7});
  check_layer<O, Tanh>("tanh", {3, 4, 7});
}

TEST_CASE_TEMPLATE("resampling", O, DVD_DEVICES) {
  for (const Upsampling kind : {Upsampling::bilinear, Upsampling::nearest}) {
    check_layer<O, Upsample>("upsample", {2, 3, 4, 5, 3}, kind);
    check_layer<O, Upsample>("upsample one pixel", {1, 1, 2}, kind);
  }
  check_layer<O, AvgPool>("pool", {2, 5, 3, 3});
  check_layer<O, AvgPool>("pool over time", {5, 2, 3, 5, 3}, true);
  check_layer<O, AvgPool>("pool over time, one frame", {1, 2, 4, 4, 3}, true);
  check_layer<O, TemporalDownsampler>("2x2", {3, 2, 4, 6, 3});
  check_layer<O, QuarterDownsampler>("4x4", {2, 2, 8, 4, 3});
  check_layer<O, NoDownsampler>("whole", {2, 2, 3, 2, 3});
  check_layer<O, RandomHalfCrop>("crop", {2, 3, 6, 5, 2});
}

TEST_CASE_TEMPLATE("augmentation", O, DVD_DEVICES) {
  check_layer<O, Augmentation>("all of it", {3, 5, 6, 5, 3}, AugmentationOptions::all());
  check_layer<O, Augmentation>("colour of one channel", {2, 4, 3, 5, 1}, AugmentationOptions{.color = true});
  check_layer<O, Augmentation>("moved far", {2, 6, 4, 8, 4}, AugmentationOptions{.flip = true, .translation = 0.5});
}

TEST_CASE_TEMPLATE("attention", O, DVD_DEVICES) {
  check_against_double<O, SelfAttention>("over a frame", {{2, 2, 4, 6, 8}}, of_pooling, 8, random_weights);
  check_against_double<O, SelfAttention>("over a frame, few channels", {{3, 2, 2, 1}}, of_pooling, 1, random_weights);
  check_against_double<O, SelfAttention>("over a large frame", {{1, 1, 16, 8, 3}}, of_pooling, 3, random_weights);
  check_against_double<O, SeparableAttention>("along height, width and time", {{3, 2, 4, 3, 8}}, of_pooling, 8,
                                              random_weights);
}

template <Scalar T, Device D>
struct Mixed
    : Sequential<Conv2D<T, D>, ReLU<T, D>, SpectralNorm<Conv2D<T, D>>, AvgPool<T, D>, Upsample<T, D>, Tanh<T, D>> {
  explicit Mixed(const Random& random)
      : Mixed::Sequential(Conv2D<T, D>(3, 4, 3, random), ReLU<T, D>(),
                          SpectralNorm<Conv2D<T, D>>(random, 4, 2, 3, random), AvgPool<T, D>(), Upsample<T, D>(),
                          Tanh<T, D>()) {}
};

TEST_CASE_TEMPLATE("sequential", O, DVD_DEVICES) {
  check_against_double<O, Mixed>("sequential", {{2, 4, 4, 3}}, no_pooling, random_weights);
}

// select_frames, as a layer.
template <Scalar T, Device D>
struct Selection {
  using scalar_type = T;
  using device_type = D;
  struct Cache {
    Index total;
  };
  Tensor<T, D> forward(const ConstTensorView<T, D>& x, Pass, Cache* cache) {
    cache->total = x.extent(0);
    return select_frames(x, frames);
  }
  Tensor<T, D> backward(const ConstTensorView<T, D>& dy, const Cache& cache, Gradients) {
    return select_frames_backward(dy, frames, cache.total);
  }
  template <class F>
  void visit(const std::string&, F&) {}
};

TEST_CASE_TEMPLATE("rows of tables and frames of videos", O, DVD_DEVICES) {
  check_against_double<O, Embedding, LookedUp>("embedding", {}, no_pooling, 4, 3, random_weights);
  check_layer<O, Selection>("select_frames", {4, 2, 2, 3, 3});
}

TEST_CASE_TEMPLATE("class-conditional batch norm", O, DVD_DEVICES) {
  check_against_double<O, ClassConditionalBatchNorm, Conditioned<std::false_type>>(
      "batch norm", {{3, 2, 2, 3, 5}, {2, 4}}, no_pooling, 3, 5, 4, random_weights);
  check_against_double<O, ClassConditionalBatchNorm, Conditioned<std::true_type>>(
      "batch norm, rectified", {{3, 2, 2, 3, 5}, {2, 4}}, no_pooling, 3, 5, 4, random_weights);
  check_against_double<O, ClassConditionalBatchNorm, Conditioned<std::false_type>>(
      "batch norm of one frame", {{1, 1, 3, 3, 2}, {1, 3}}, no_pooling, 1, 2, 3, random_weights);
}

TEST_CASE_TEMPLATE("residual blocks", O, DVD_DEVICES) {
  using Up = std::optional<Upsampling>;
  for (const auto& [outputs, up] :
       {std::pair(3, Up()), {4, Up()}, {4, Up(Upsampling::bilinear)}, {3, Up(Upsampling::nearest)}})
    check_against_double<O, GeneratorBlock, Conditioned<>>("generator block", {{2, 2, 3, 2, 3}, {2, 4}}, no_pooling, 3,
                                                           outputs, 2, 4, up, random_weights);
  for (const bool first : {false, true})
    for (const bool down : {false, true})
      for (const Index outputs : {3, 4}) {
        check_against_double<O, ResBlock2D>("2-D block", {{2, 4, 6, 3}}, no_pooling, 3, outputs, first, down,
                                            random_weights);
        check_against_double<O, ResBlock3D>("3-D block", {{3, 2, 2, 4, 3}}, no_pooling, 3, outputs, first, down,
                                            random_weights);
      }
  check_against_double<O, ResBlock3D>("3-D block of one frame", {{1, 2, 4, 4, 3}}, no_pooling, 3, 4, false, true,
                                      random_weights);
}

template <class O, template <class, class> class Unit>
void check_unit(const std::string& name) {
  const Shape state{2, 3, 2, 3}, one{1, 2, 3, 2, 3}, three{3, 2, 3, 2, 3};
  check_against_double<O, Unit, Recurrent<3>>(name + " from zero", {three}, no_pooling, 3, random_weights);
  check_against_double<O, Unit, Recurrent<3>>(name + " from a state", {three, state}, no_pooling, 3, random_weights);
  check_against_double<O, Unit, Recurrent<3>>(name + ", one frame for all", {one}, no_pooling, 3, random_weights);
  check_against_double<O, Unit, Recurrent<1>>(name + ", one step", {one, state}, no_pooling, 3, random_weights);
}

TEST_CASE_TEMPLATE("recurrent units", O, DVD_DEVICES) {
  check_unit<O, ConvGRU>("ConvGRU");
  check_unit<O, TSRU>("TSRU");
  check_unit<O, TSRUs>("TSRU_s");
}

DvdGanConfig small(Index count, Index condition_frames = 0) {
  return {.frames = count,
          .resolution = 16,
          .channels = 1,
          .classes = 3,
          .latent_dim = 4,
          .embed_dim = 3,
          .spatial_frames = 2,
          .condition_frames = condition_frames};
}

template <Scalar T, Device D>
using PlainGenerator = Generator<T, D>;
template <Scalar T, Device D>
using AttentiveGenerator = Generator<T, D, TSRU<T, D>, SeparableAttention<T, D>>;
template <Scalar T, Device D>
using Networks = GeneratorNetworks<Generator<T, D>>;

TEST_CASE_TEMPLATE("generators", O, DVD_DEVICES) {
  check_against_double<O, PlainGenerator, Generating>("generator", {{2, 4}}, no_pooling, small(2), random_weights);
  DvdGanConfig nearest = small(2);
  nearest.upsample = Upsampling::nearest;
  const auto widths = nearest.generator_widths();
  check_against_double<O, PlainGenerator, Generating>("generator with states",
                                                      {{2, 4}, {2, 4, 4, widths[0]}, {2, 8, 8, widths[1]}}, no_pooling,
                                                      nearest, random_weights);
  check_against_double<O, AttentiveGenerator, Generating>("generator of other parts", {{2, 4}}, no_pooling, small(2),
                                                          random_weights);
  check_against_double<O, Networks, Predicting>("generator that predicts", {{2, 4}, {3, 2, 16, 16, 3}}, no_pooling,
                                                small(2, 3), random_weights);
}

template <Scalar T, Device D>
using PlainSpatial = SpatialDiscriminator<T, D>;
template <Scalar T, Device D>
using AttentiveSpatial = SpatialDiscriminator<T, D, SelfAttention<T, D>>;
template <Scalar T, Device D>
using PlainTemporal = TemporalDiscriminator<T, D>;
template <Scalar T, Device D>
using AttentiveTemporal = TemporalDiscriminator<T, D, RandomHalfCrop<T, D>, SeparableAttention<T, D>>;

TEST_CASE_TEMPLATE("discriminators", O, DVD_DEVICES) {
  check_against_double<O, ProjectionHead, Labelled>("projection head", {{3, 2, 2, 3, 5}}, no_pooling, 5, 4,
                                                    random_weights);
  check_against_double<O, PlainSpatial, OfChosenFrames>("spatial", {{3, 2, 16, 16, 3}}, no_pooling, small(3),
                                                        random_weights);
  check_against_double<O, AttentiveSpatial, OfChosenFrames>("spatial with attention", {{3, 2, 16, 16, 3}}, no_pooling,
                                                            small(3), random_weights);
  for (const Index count : {1, 5, 8})
    check_against_double<O, PlainTemporal, Labelled>("temporal", {{count, 2, 16, 16, 3}}, no_pooling, small(count),
                                                     random_weights);
  check_against_double<O, AttentiveTemporal, Labelled>("temporal of other parts", {{4, 2, 16, 16, 3}}, no_pooling,
                                                       small(4), random_weights);
}

}  // namespace
