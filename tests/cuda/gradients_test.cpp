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
      if (result.states.size() > 0 && result.states[0]) all.insert(all.end(), result.states.begin(), result.states.end());
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

// How far results may be off: the largest difference of a tensor relative to its largest value or, in networks, the
// root of the mean square of differences relative to that of values.
struct Bounds {
  double of_float, of_bfloat16;
  bool mean_square = false;
};

constexpr Bounds of_layers{1e-4, 2e-2};

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

double size_of(const std::vector<double>& x, bool mean_square) {
  double largest = 0, squares = 0;
  for (const double value : x) {
    largest = std::isnan(value) ? INFINITY : std::max(largest, std::abs(value));
    squares += value * value;
  }
  return mean_square ? std::sqrt(squares / static_cast<double>(std::max<std::size_t>(x.size(), 1))) : largest;
}

// A layer on the GPU beside the same on the CPU.
template <class Way, class OnGpu, class OnCpu>
class Comparison {
 public:
  using T = typename OnGpu::scalar_type;
  using D = typename OnGpu::device_type;
  using P = FullPrecision<T>;

  Comparison(std::string name, OnGpu& on_gpu, OnCpu& on_cpu, const std::vector<Shape>& inputs, Bounds bounds)
      : name_(std::move(name)), on_gpu_(on_gpu), on_cpu_(on_cpu), bounds_(bounds) {
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
    compare("the result", dy, y, 0);
    Tensor<double> upstream = dvd::testing::random_tensor(y.shape(), Random(99));
    dy = decltype(dy)(y.shape());
    make_equal(dy, upstream);
    const auto expected_inputs = on_cpu.backward(on_cpu_, upstream);
    const auto actual_inputs = on_gpu.backward(on_gpu_, dy);

    // A gradient that is 0 but for rounding is held against the others: a tenth of their largest.
    double others = 0;
    for (const auto& [name, parameter] : expected.parameters)
      others = std::max(others, size_of(doubles(parameter->gradient), bounds_.mean_square));
    REQUIRE(actual_inputs.size() == expected_inputs.size());
    for (std::size_t i = 0; i < expected_inputs.size(); ++i)
      compare(concat("the gradient of input ", i), actual_inputs[i], expected_inputs[i], others);
    for (std::size_t i = 0; i < expected.parameters.size(); ++i) {
      const auto& gradient = actual.parameters[i].parameter->gradient;
      compare("the gradient of " + expected.parameters[i].name, gradient, expected.parameters[i].parameter->gradient,
              others);
    }
    for (std::size_t i = 0; i < expected.buffers.size(); ++i)
      compare(expected.buffers[i].name, actual.buffers[i].buffer->value, expected.buffers[i].buffer->value, 0);
  }

 private:
  // Both become the second, rounded to the first's scalar.
  template <class U>
  static void make_equal(Tensor<U, D>& on_gpu, Tensor<double>& on_cpu) {
    on_gpu.copy_from(tensor<U, D>(on_cpu.shape(), doubles(on_cpu)));
    on_cpu.copy_from(tensor<double, Cpu>(on_cpu.shape(), doubles(on_gpu)));
  }

  template <class U>
  void compare(const std::string& what, const Tensor<U, D>& actual, const Tensor<double>& expected, double others) {
    std::vector<double> differences = doubles(actual);
    const std::vector<double> values = doubles(expected);
    REQUIRE_MESSAGE(differences.size() == values.size(), name_, ": ", what);
    for (std::size_t i = 0; i < values.size(); ++i) differences[i] -= values[i];
    double scale = size_of(values, bounds_.mean_square);
    if (scale <= 1e-9 * others) scale = 0.1 * others;
    const double error = size_of(differences, bounds_.mean_square);
    const double bound = std::same_as<T, bfloat16> ? bounds_.of_bfloat16 : bounds_.of_float;
    CHECK_MESSAGE(error <= bound * scale, name_, ": ", what, " is off by ", error / scale, ", more than ", bound);
  }

  std::string name_;
  OnGpu& on_gpu_;
  OnCpu& on_cpu_;
  Bounds bounds_;
  TensorsOf<OnGpu> gpu_inputs_;
  TensorsOf<OnCpu> cpu_inputs_;
};

// Compares L, made from `arguments`, in passes of both kinds.
template <class O, template <Scalar, Device> class L, class Way = Plain, class... Arguments>
void compare(const std::string& name, const std::vector<Shape>& inputs, Bounds bounds, const Arguments&... arguments) {
  L<typename O::T, typename O::D> on_gpu(arguments...);
  L<double, Cpu> on_cpu(arguments...);
  for (const bool training : {false, true})
    Comparison<Way, L<typename O::T, typename O::D>, L<double, Cpu>>(name + (training ? ", training" : ", evaluating"),
                                                                   on_gpu, on_cpu, inputs, bounds)
        .check(training ? Pass::train() : Pass::evaluate());
}

template <class O, template <Scalar, Device> class L, class... Arguments>
void check(const std::string& name, const Shape& input, const Arguments&... arguments) {
  compare<O, L>(name, {input}, of_layers, arguments...);
}

TEST_CASE_TEMPLATE("linear maps and convolutions", O, DVD_DEVICES) {
  check<O, Linear>("linear", {4, 5}, 5, 3, random_weights);
  check<O, Linear>("linear without bias", {3, 2}, 2, 7, random_weights, false);
  check<O, Conv2D>("1x1", {2, 3, 4, 5}, 5, 3, 1, random_weights);
  check<O, Conv2D>("3x3", {2, 4, 5, 3}, 3, 5, 3, random_weights);
  check<O, Conv2D>("3x3 of many images", {2, 3, 2, 3, 2}, 2, 9, 3, random_weights);
  check<O, Conv2D>("3x3 without bias", {1, 1, 1, 1}, 1, 2, 3, random_weights, false);
  check<O, Conv3D>("1x1x1", {3, 2, 2, 3, 3}, 3, 4, 1, random_weights);
  check<O, Conv3D>("3x3x3", {3, 2, 4, 3, 3}, 3, 4, 3, random_weights);
  check<O, Conv3D>("3x3x3 of one frame", {1, 2, 3, 3, 2}, 2, 3, 3, random_weights);
  check<O, Conv3D>("3x3x3 of two frames", {2, 1, 3, 2, 2}, 2, 3, 3, random_weights);
}

TEST_CASE_TEMPLATE("convolutions with other layers fused into them", O, DVD_DEVICES) {
  for (const bool rectify : {false, true})
    for (const bool pool : {false, true}) {
      for (const auto& upsample :
           {std::optional<Upsampling>(), std::optional(Upsampling::nearest), std::optional(Upsampling::bilinear)}) {
        const ConvolutionFusion fusion{.rectify = rectify, .upsample = upsample, .pool = pool};
        check<O, Conv2D>("fused 3x3", {2, 4, 5, 3}, 3, 4, 3, random_weights, true, fusion);
        check<O, Conv2D>("fused 3x3, many channels", {12, 4, 4, 8}, 8, 16, 3, random_weights, true, fusion);
      }
      const ConvolutionFusion fusion{.rectify = rectify, .pool = pool};
      for (const Index count : {1, 2, 5})
        check<O, Conv3D>("fused 3x3x3", {count, 2, 4, 4, 2}, 2, 3, 3, random_weights, true, fusion);
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
  check<O, SpectralLinear>("spectral linear", {4, 5}, u, 5, 3, random_weights);
  check<O, SpectralConv2D>("spectral 3x3", {2, 4, 5, 3}, u, 3, 5, 3, random_weights);
  check<O, SpectralConv2D>("spectral 1x1", {2, 2, 2, 6}, u, 6, 2, 1, random_weights);
  check<O, SpectralConv3D>("spectral 3x3x3", {3, 1, 3, 3, 3}, u, 3, 4, 3, random_weights);
}

