// Every layer and network on the GPU against itself on the CPU in double: results, gradients and what is remembered,
// from the same weights and inputs. That those on the CPU are right is what layers/gradients_test.cpp and
// models/gradients_test.cpp make sure of.
#include "support/devices.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <string>
#include <vector>

#include "dvd/layers/activation.hpp"
#include "dvd/layers/attention.hpp"
#include "dvd/layers/avg_pool.hpp"
#include "dvd/layers/conv_gru.hpp"
#include "dvd/layers/sequential.hpp"
#include "dvd/layers/temporal_downsampler.hpp"
#include "dvd/layers/tsru.hpp"
#include "dvd/models/generator_networks.hpp"
#include "dvd/models/spatial_discriminator.hpp"
#include "dvd/models/temporal_discriminator.hpp"
#include "support/gradient_check.hpp"

namespace {

using namespace dvd;

const Random random_weights(1);
const Labels labels{2, 0};
const FrameIndices frames{2, 2, {0, 2, 1, 2}};

template <class L>
using TensorOf = Tensor<typename L::scalar_type, typename L::device_type>;
template <class L>
using TensorsOf = std::vector<TensorOf<L>>;

// Ways of running a layer: y = forward(layer, inputs, pass), and the gradients of the inputs = backward(layer, dy).

struct Plain {
  template <class L>
  struct Run {
    typename L::Cache cache;

    auto forward(L& layer, const TensorsOf<L>& x, Pass pass) { return layer.forward(x[0], pass, &cache); }
    TensorsOf<L> backward(L& layer, const auto& dy) { return {layer.backward(dy, cache, Gradients::all)}; }
  };
};

template <bool Rectify>
struct Normalizing {
  template <class L>
  struct Run {
    typename L::Cache cache;

    auto forward(L& layer, const TensorsOf<L>& x, Pass pass) {
      return layer.forward(x[0], x[1], pass, &cache, Rectify);
    }
    TensorsOf<L> backward(L& layer, const auto& dy) {
      const auto result = layer.backward(dy, cache, Gradients::all);
      return {result.x, result.condition};
    }
  };
};

struct Conditioned {
  template <class L>
  struct Run {
    typename L::Cache cache;

    auto forward(L& layer, const TensorsOf<L>& x, Pass pass) { return layer.forward(x[0], x[1], pass, &cache); }
    TensorsOf<L> backward(L& layer, const auto& dy) {
      const auto result = layer.backward(dy, cache, Gradients::all);
      return {result.x, result.condition};
    }
  };
};

template <Index Frames>
struct Recurrent {
  template <class L>
  struct Run {
    typename L::Cache cache;

    auto forward(L& layer, const TensorsOf<L>& x, Pass pass) {
      return layer.forward(x[0], Frames, x.size() > 1 ? x[1] : TensorOf<L>(), pass, &cache);
    }
    TensorsOf<L> backward(L& layer, const auto& dy) {
      const auto result = layer.backward(dy, cache, Gradients::all);
      return result.state ? TensorsOf<L>{result.x, result.state} : TensorsOf<L>{result.x};
    }
  };
};

struct LookedUp {
  template <class L>
  struct Run {
    typename L::Cache cache;

    auto forward(L& layer, const TensorsOf<L>&, Pass) { return layer.forward(Labels{2, 0, 2, 2}, &cache); }
    TensorsOf<L> backward(L& layer, const auto& dy) {
      layer.backward(dy, cache);
      return {};
    }
  };
};

// A head or a discriminator of all frames.
struct Labelled {
  template <class L>
  struct Run {
    typename L::Cache cache;

    auto forward(L& layer, const TensorsOf<L>& x, Pass pass) { return layer.forward(x[0], labels, pass, &cache); }
    TensorsOf<L> backward(L& layer, const auto& dy) { return {layer.backward(dy, cache, Gradients::all)}; }
  };
};

struct OfChosenFrames {
  template <class L>
  struct Run {
    typename L::Cache cache;

    auto forward(L& layer, const TensorsOf<L>& x, Pass pass) {
      return layer.forward(x[0], labels, frames, pass, &cache);
    }
    TensorsOf<L> backward(L& layer, const auto& dy) { return {layer.backward(dy, cache, Gradients::all)}; }
  };
};

// A generator of z and perhaps initial states.
struct Generating {
  template <class L>
  struct Run {
    typename L::Cache cache;

    auto forward(L& layer, const TensorsOf<L>& x, Pass pass) {
      return layer.forward(x[0], labels, pass, &cache, {x.begin() + 1, x.end()});
    }
    TensorsOf<L> backward(L& layer, const auto& dy) {
      const auto result = layer.backward(dy, cache, Gradients::all);
      TensorsOf<L> all{result.z};
      if (result.states.size() > 0 && result.states[0])
        all.insert(all.end(), result.states.begin(), result.states.end());
      return all;
    }
  };
};

struct Predicting {
  template <class L>
  struct Run {
    typename L::Cache cache;

    auto forward(L& layer, const TensorsOf<L>& x, Pass pass) {
      return layer.generate(x[0], labels, x[1], pass, &cache);
    }
    TensorsOf<L> backward(L& layer, const auto& dy) {
      const auto result = layer.backward(dy, cache, Gradients::all);
      return {result.z, result.condition};
    }
  };
};

// How far results may be off, relative to the largest value of a tensor, in float and in bfloat16.
constexpr double bound_of_float = 1e-4, bound_of_bfloat16 = 2e-2;

// What bfloat16 is granted where a ReLU or a pooling of maxima decides otherwise because rounding lets a near tie fall
// to the other side; see expect_ties in support/parity.hpp, where such bounds are held against double with rounded
// inputs. Gradients, and of networks results, are then compared by the root of the mean square.
struct Ties {
  double gradients = 0, results = 0;  // 0 standing for none
};

template <class U, class D>
std::vector<double> doubles(const Tensor<U, D>& x) {
  const std::vector<U> values = x ? x.to_vector() : std::vector<U>();
  return {values.begin(), values.end()};
}

// A tensor of the same numbers, rounded to U.
template <class U, class D>
Tensor<U, D> tensor(const Shape& shape, const std::vector<double>& values) {
  std::vector<U> rounded;
  for (const double value : values) rounded.push_back(static_cast<U>(value));
  return Tensor<U, D>(shape, rounded);
}

double largest_of(const std::vector<double>& x) {
  double largest = 0;
  for (const double value : x) largest = std::isnan(value) ? INFINITY : std::max(largest, std::abs(value));
  return largest;
}

double root_mean_square(const std::vector<double>& x) {
  double squares = 0;
  for (const double value : x) squares += value * value;
  return std::isnan(squares) ? INFINITY : std::sqrt(squares / static_cast<double>(std::max<std::size_t>(x.size(), 1)));
}

// A layer on the GPU beside the same on the CPU.
template <class Way, class OnGpu, class OnCpu>
class Comparison {
 public:
  using T = typename OnGpu::scalar_type;
  using D = typename OnGpu::device_type;
  using P = FullPrecision<T>;

  Comparison(std::string name, OnGpu& on_gpu, OnCpu& on_cpu, const std::vector<Shape>& inputs, Ties ties)
      : name_(std::move(name)), on_gpu_(on_gpu), on_cpu_(on_cpu) {
    if (std::same_as<T, bfloat16>) ties_ = ties;
    auto expected = contents(on_cpu);
    dvd::testing::randomize(expected, Random(3));
    auto actual = contents(on_gpu);
    REQUIRE(actual.parameters.size() == expected.parameters.size());
    REQUIRE(actual.buffers.size() == expected.buffers.size());
    for (std::size_t i = 0; i < expected.parameters.size(); ++i)
      make_equal(actual.parameters[i].parameter->value, expected.parameters[i].parameter->value);
    for (std::size_t i = 0; i < expected.buffers.size(); ++i)
      make_equal(actual.buffers[i].buffer->value, expected.buffers[i].buffer->value);
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      cpu_inputs_.push_back(dvd::testing::random_tensor(inputs[i], Random(2).stream(i)));
      gpu_inputs_.push_back(TensorOf<OnGpu>(inputs[i]));
      make_equal(gpu_inputs_.back(), cpu_inputs_.back());
    }
  }

  void check(Pass pass) {
    auto expected = contents(on_cpu_);
    auto actual = contents(on_gpu_);
    for (auto& [name, parameter] : expected.parameters) parameter->gradient = {};
    for (auto& [name, parameter] : actual.parameters) parameter->gradient = {};
    typename Way::template Run<OnCpu> on_cpu;
    typename Way::template Run<OnGpu> on_gpu;
    const auto y = on_cpu.forward(on_cpu_, cpu_inputs_, pass);
    auto dy = on_gpu.forward(on_gpu_, gpu_inputs_, pass);
    REQUIRE(dy.shape() == y.shape());
    compare("the result", dy, y, ties_.results, 0);
    Tensor<double> upstream = dvd::testing::random_tensor(y.shape(), Random(99));
    dy = decltype(dy)(y.shape());
    make_equal(dy, upstream);
    const auto expected_inputs = on_cpu.backward(on_cpu_, upstream);
    const auto actual_inputs = on_gpu.backward(on_gpu_, dy);

    double others = 0;
    for (const auto& [name, parameter] : expected.parameters)
      others = std::max(others, size_of(doubles(parameter->gradient), ties_.gradients > 0));
    REQUIRE(actual_inputs.size() == expected_inputs.size());
    for (std::size_t i = 0; i < expected_inputs.size(); ++i)
      compare(concat("the gradient of input ", i), actual_inputs[i], expected_inputs[i], ties_.gradients, others);
    for (std::size_t i = 0; i < expected.parameters.size(); ++i)
      compare("the gradient of " + expected.parameters[i].name, actual.parameters[i].parameter->gradient,
              expected.parameters[i].parameter->gradient, ties_.gradients, others);
    for (std::size_t i = 0; i < expected.buffers.size(); ++i)
      compare(expected.buffers[i].name, actual.buffers[i].buffer->value, expected.buffers[i].buffer->value,
              ties_.results, 0);
  }

 private:
  // Both become the second, rounded to the first's scalar.
  template <class U>
  static void make_equal(Tensor<U, D>& on_gpu, Tensor<double>& on_cpu) {
    on_gpu.copy_from(tensor<U, D>(on_cpu.shape(), doubles(on_cpu)));
    on_cpu.copy_from(tensor<double, Cpu>(on_cpu.shape(), doubles(on_gpu)));
  }

  static double size_of(const std::vector<double>& x, bool mean_square) {
    return mean_square ? root_mean_square(x) : largest_of(x);
  }

  // `others` is the size of the largest gradient, a tenth of which a gradient is measured by that is 0 but for rounding
  // or, where ties are expected, smaller.
  template <class U>
  void compare(const std::string& what, const Tensor<U, D>& actual, const Tensor<double>& expected, double ties,
               double others) {
    std::vector<double> differences = doubles(actual);
    const std::vector<double> values = doubles(expected);
    REQUIRE_MESSAGE(differences.size() == values.size(), name_, ": ", what);
    for (std::size_t i = 0; i < values.size(); ++i) differences[i] -= values[i];
    double scale = size_of(values, ties > 0);
    if (ties > 0 || scale <= 1e-9 * others) scale = std::max(scale, 0.1 * others);
    const double bound = ties > 0 ? ties : std::same_as<T, bfloat16> ? bound_of_bfloat16 : bound_of_float;
    const double error = size_of(differences, ties > 0);
    CHECK_MESSAGE(error <= bound * scale, name_, ": ", what, " is off by ", error / scale, ", more than ", bound, " own ", scale, " others ", others);
  }

  std::string name_;
  OnGpu& on_gpu_;
  OnCpu& on_cpu_;
  Ties ties_;
  TensorsOf<OnGpu> gpu_inputs_;
  TensorsOf<OnCpu> cpu_inputs_;
};

// Compares L, made from `arguments`, in passes of both kinds.
template <class O, template <Scalar, Device> class L, class Way = Plain, class... Arguments>
void check(const std::string& name, const std::vector<Shape>& inputs, Ties ties, const Arguments&... arguments) {
  using OnGpu = L<typename O::T, typename O::D>;
  using OnCpu = L<double, Cpu>;
  OnGpu on_gpu(arguments...);
  OnCpu on_cpu(arguments...);
  const Random random(12);
  Pass evaluate = Pass::evaluate(), train = Pass::train();
  train.random = &random;
  Comparison<Way, OnGpu, OnCpu> comparison(name, on_gpu, on_cpu, inputs, ties);
  comparison.check(evaluate);
  comparison.check(train);
}

// A map of one tensor without such ties.
template <class O, template <Scalar, Device> class L, class... Arguments>
void check_layer(const std::string& name, const Shape& input, const Arguments&... arguments) {
  check<O, L>(name, {input}, Ties(), arguments...);
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

TEST_CASE_TEMPLATE("attention", O, DVD_DEVICES) {
  constexpr Ties of_pooling{0.3};
  check<O, SelfAttention>("over a frame", {{2, 2, 4, 6, 8}}, of_pooling, 8, random_weights);
  check<O, SelfAttention>("over a frame, few channels", {{3, 2, 2, 1}}, of_pooling, 1, random_weights);
  check<O, SelfAttention>("over a large frame", {{1, 1, 16, 8, 3}}, of_pooling, 3, random_weights);
  check<O, SeparableAttention>("along height, width and time", {{3, 2, 4, 3, 8}}, of_pooling, 8, random_weights);
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
  check<O, Mixed>("sequential", {{2, 4, 4, 3}}, {0.1}, random_weights);
}

// select_frames, as a layer.
template <Scalar T, Device D>
struct Selection {
  using scalar_type = T;
  using device_type = D;
  struct Cache {
    Index total;
  };
  Tensor<T, D> forward(const Tensor<T, D>& x, Pass, Cache* cache) {
    cache->total = x.extent(0);
    return select_frames(x, frames);
  }
  Tensor<T, D> backward(const Tensor<T, D>& dy, const Cache& cache, Gradients) {
    return select_frames_backward(dy, frames, cache.total);
  }
  template <class F>
  void visit(const std::string&, F&) {}
};

TEST_CASE_TEMPLATE("rows of tables and frames of videos", O, DVD_DEVICES) {
  check<O, Embedding, LookedUp>("embedding", {}, {}, 4, 3, random_weights);
  check_layer<O, Selection>("select_frames", {4, 2, 2, 3, 3});
}

TEST_CASE_TEMPLATE("class-conditional batch norm", O, DVD_DEVICES) {
  constexpr Ties of_relu{0.1};
  check<O, ClassConditionalBatchNorm, Normalizing<false>>("batch norm", {{3, 2, 2, 3, 5}, {2, 4}}, {}, 3, 5, 4,
                                                          random_weights);
  check<O, ClassConditionalBatchNorm, Normalizing<true>>("batch norm, rectified", {{3, 2, 2, 3, 5}, {2, 4}}, of_relu, 3,
                                                         5, 4, random_weights);
  check<O, ClassConditionalBatchNorm, Normalizing<false>>("batch norm of one frame", {{1, 1, 3, 3, 2}, {1, 3}}, {}, 1,
                                                          2, 3, random_weights);
}

TEST_CASE_TEMPLATE("residual blocks", O, DVD_DEVICES) {
  constexpr Ties of_generator{0.5}, of_discriminator{0.1};
  using Up = std::optional<Upsampling>;
  for (const auto& [outputs, up] :
       {std::pair(3, Up()), {4, Up()}, {4, Up(Upsampling::bilinear)}, {3, Up(Upsampling::nearest)}})
    check<O, GeneratorBlock, Conditioned>("generator block", {{2, 2, 3, 2, 3}, {2, 4}}, of_generator, 3, outputs, 2, 4,
                                          up, random_weights);
  for (const bool first : {false, true})
    for (const bool down : {false, true})
      for (const Index outputs : {3, 4}) {
        check<O, ResBlock2D>("2-D block", {{2, 4, 6, 3}}, of_discriminator, 3, outputs, first, down, random_weights);
        check<O, ResBlock3D>("3-D block", {{3, 2, 2, 4, 3}}, of_discriminator, 3, outputs, first, down, random_weights);
      }
  check<O, ResBlock3D>("3-D block of one frame", {{1, 2, 4, 4, 3}}, of_discriminator, 3, 4, false, true,
                       random_weights);
}

TEST_CASE_TEMPLATE("recurrent units", O, DVD_DEVICES) {
  constexpr Ties of_candidates{0.3};
  const auto check_unit = [&]<template <Scalar, Device> class Unit>(const std::string& name) {
    const Shape state{2, 3, 2, 3}, one{1, 2, 3, 2, 3}, three{3, 2, 3, 2, 3};
    check<O, Unit, Recurrent<3>>(name + " from zero", {three}, of_candidates, 3, random_weights);
    check<O, Unit, Recurrent<3>>(name + " from a state", {three, state}, of_candidates, 3, random_weights);
    check<O, Unit, Recurrent<3>>(name + ", one frame for all", {one}, of_candidates, 3, random_weights);
    check<O, Unit, Recurrent<1>>(name + ", one step", {one, state}, of_candidates, 3, random_weights);
  };
  check_unit.template operator()<ConvGRU>("ConvGRU");
  check_unit.template operator()<TSRU>("TSRU");
  check_unit.template operator()<TSRUs>("TSRU_s");
}

constexpr Ties of_generators{0.5, 0.05}, of_discriminators{0.2};

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
  check<O, PlainGenerator, Generating>("generator", {{2, 4}}, of_generators, small(2), random_weights);
  DvdGanConfig nearest = small(2);
  nearest.upsample = Upsampling::nearest;
  const auto widths = nearest.generator_widths();
  check<O, PlainGenerator, Generating>("generator with states", {{2, 4}, {2, 4, 4, widths[0]}, {2, 8, 8, widths[1]}},
                                       of_generators, nearest, random_weights);
  check<O, AttentiveGenerator, Generating>("generator of other parts", {{2, 4}}, of_generators, small(2),
                                           random_weights);
  check<O, Networks, Predicting>("generator that predicts", {{2, 4}, {3, 2, 16, 16, 3}}, of_generators, small(2, 3),
                                 random_weights);
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
  check<O, ProjectionHead, Labelled>("projection head", {{3, 2, 2, 3, 5}}, {}, 5, 4, random_weights);
  check<O, PlainSpatial, OfChosenFrames>("spatial", {{3, 2, 16, 16, 3}}, of_discriminators, small(3), random_weights);
  check<O, AttentiveSpatial, OfChosenFrames>("spatial with attention", {{3, 2, 16, 16, 3}}, of_discriminators, small(3),
                                             random_weights);
  for (const Index count : {1, 5, 8})
    check<O, PlainTemporal, Labelled>("temporal", {{count, 2, 16, 16, 3}}, of_discriminators, small(count),
                                      random_weights);
  check<O, AttentiveTemporal, Labelled>("temporal of other parts", {{4, 2, 16, 16, 3}}, of_discriminators, small(4),
                                        random_weights);
}

}  // namespace
