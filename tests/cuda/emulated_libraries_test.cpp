// What the code around cuDNN and cuBLASLt does with the emulated libraries: which engines it chooses, what it computes
// with them, and that the emulation takes and refuses what the real cuDNN does.
#include "support/devices.hpp"

#include <cudnn.h>
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "cuda/fused_convolution.hpp"
#include "cuda/refused_descriptors.hpp"
#include "dvd/core/tensor.hpp"
#include "dvd/device/cuda/libraries/libraries.hpp"

namespace {

using namespace dvd;
using namespace dvd::cuda;

using emulated_cudnn::Installation;

TEST_CASE("descriptors: the emulation refuses what cuDNN does, and what is careless") {
  for (const DescriptorCase& descriptor : descriptor_cases()) {
    INFO(descriptor.words);
    std::string refusal;
    CHECK(taken(descriptor, refusal) == (descriptor.verdict == Verdict::taken));
  }
}

// Numbers that every type holds exactly, and their sums, too.
template <class T>
std::vector<T> numbers(Index size, Index seed) {
  std::vector<T> values;
  for (Index i = 0; i < size; ++i) values.push_back(T(static_cast<float>((i * 7 + seed * 5) % 11 - 5) / 4));
  return values;
}

// Arrays of a convolution in its library's layout, on the emulated GPU.
template <class T>
struct Arrays {
  ConvolutionProblem problem;
  Tensor<T, Cuda> x, weight, y, z, bias;

  Arrays(const ConvolutionProblem& p, Index result_size, Index result_channels)
      : problem(p),
        x(Shape{x_pixels() * p.inputs}, numbers<T>(x_pixels() * p.inputs, 1)),
        weight(Shape{p.taps() * p.inputs * p.outputs}, numbers<T>(p.taps() * p.inputs * p.outputs, 2)),
        y(Shape{y_pixels() * p.outputs}, numbers<T>(y_pixels() * p.outputs, 3)),
        z(Shape{result_size}, numbers<T>(result_size, 4)),
        bias(Shape{result_channels}, numbers<T>(result_channels, 5)) {}

  Index x_pixels() const { return problem.images * problem.frames * problem.height * problem.width; }
  Index y_pixels() const { return problem.images * problem.frames * problem.y_height() * problem.y_width(); }
};

// The convolution by the definition, in double.
std::vector<double> plain(const ConvolutionProblem& p, ConvolutionDirection direction, const std::vector<double>& x,
                          const std::vector<double>& weight, const std::vector<double>& y) {
  const bool forward = direction == ConvolutionDirection::forward,
             backward = direction == ConvolutionDirection::backward_input;
  std::vector<double> result((forward ? y : backward ? x : weight).size());
  const Index reach = p.kernel_frames / 2, kernel = p.kernel();
  for (Index image = 0; image < p.images; ++image)
    for (Index t = 0; t < p.frames; ++t)
      for (Index h = 0; h < p.y_height(); ++h)
        for (Index w = 0; w < p.y_width(); ++w)
          for (Index dt = 0; dt < p.kernel_frames; ++dt)
            for (Index dh = 0; dh < kernel; ++dh)
              for (Index dw = 0; dw < kernel; ++dw) {
                const Index t2 = t + dt - reach, h2 = h * p.stride() + dh - 1, w2 = w * p.stride() + dw - 1;
                if (t2 < 0 || t2 >= p.frames || h2 < 0 || h2 >= p.height || w2 < 0 || w2 >= p.width) continue;
                const Index to = ((image * p.frames + t) * p.y_height() + h) * p.y_width() + w,
                            from = ((image * p.frames + t2) * p.height + h2) * p.width + w2,
                            tap = (dt * kernel + dh) * kernel + dw;
                for (Index o = 0; o < p.outputs; ++o)
                  for (Index i = 0; i < p.inputs; ++i) {
                    const auto xi = static_cast<std::size_t>(from * p.inputs + i),
                               yi = static_cast<std::size_t>(to * p.outputs + o),
                               wi = static_cast<std::size_t>((o * p.taps() + tap) * p.inputs + i);
                    if (forward)
                      result[yi] += x[xi] * weight[wi];
                    else if (backward)
                      result[xi] += y[yi] * weight[wi];
                    else
                      result[wi] += x[xi] * y[yi];
                  }
              }
  return result;
}

template <class T>
std::vector<double> doubles(const Tensor<T, Cuda>& tensor) {
  const std::vector<T> values = tensor.to_vector();
  std::vector<double> result;
  for (const T& value : values) result.push_back(static_cast<double>(static_cast<float>(value)));
  return result;
}

cudnnHandle_t handle() {
  static const cudnnHandle_t the_one = [] {
    cudnnHandle_t created = nullptr;
    cudnnCreate(&created);
    cudnnSetStream(created, stream());
    return created;
  }();
  return the_one;
}

GraphPlan plan_of(const ConvolutionProblem& problem, ConvolutionDirection direction, const Fusion& fusion,
                  const EngineRules& rules) {
  const FusedConvolution graph(problem, direction, fusion, "a test");
  return best_plan({.handle = handle()}, graph.operations, rules, "a test");
}

constexpr ConvolutionDirection directions[] = {ConvolutionDirection::forward, ConvolutionDirection::backward_input,
                                               ConvolutionDirection::backward_weight};
constexpr EngineRules exact{.tensor_cores = false, .rounded_inputs = false, .workspace = std::size_t{1} << 20};
constexpr EngineRules fast{.tensor_cores = true, .rounded_inputs = false, .workspace = std::size_t{1} << 20};

TEST_CASE_TEMPLATE("graphs compute what their operations say", T, float, bfloat16) {
  for (const ConvolutionProblem& problem : {ConvolutionProblem{number_type<T>, 2, 1, 5, 4, 8, 16, 1},
                                            ConvolutionProblem{number_type<T>, 1, 3, 3, 4, 16, 8, 3},
                                            ConvolutionProblem{number_type<T>, 2, 1, 6, 5, 8, 16, 1, true},
                                            ConvolutionProblem{number_type<T>, 1, 3, 3, 4, 16, 8, 3, true}})
    for (const ConvolutionDirection direction : directions)
      for (int which = 0; which < 16; ++which) {
        const Fusion fusion{(which & 1) != 0, (which & 2) != 0, (which & 4) != 0, (which & 8) != 0};
        const bool forward = direction == ConvolutionDirection::forward,
                   backward = direction == ConvolutionDirection::backward_input;
        INFO("direction " << static_cast<int>(direction) << ", " << problem.kernel() << "x" << problem.kernel()
                          << " over " << problem.frames << words(fusion));
        const GraphPlan plan = plan_of(problem, direction, fusion, fast);
        const bool chained = fusion.addend || fusion.bias || fusion.relu;
        REQUIRE((plan.plan != nullptr) == (!chained || (forward && fusion.bias && !fusion.accumulate)));
        if (!plan.plan) continue;
        const Index images = problem.images * problem.frames;
        Arrays<T> a(problem,
                    forward    ? images * problem.y_height() * problem.y_width() * problem.outputs
                    : backward ? images * problem.height * problem.width * problem.inputs
                               : problem.taps() * problem.inputs * problem.outputs,
                    forward ? problem.outputs : problem.inputs);
        Tensor<T, Cuda>& result = forward ? a.y : backward ? a.x : a.weight;
        const auto before = doubles(result), z = doubles(a.z), bias = doubles(a.bias);
        std::vector<double> expected = plain(problem, direction, doubles(a.x), doubles(a.weight), doubles(a.y));
        for (std::size_t i = 0; i < expected.size(); ++i) {
          if (fusion.accumulate) expected[i] += before[i];
          if (fusion.addend) expected[i] += z[i];
          if (fusion.bias) expected[i] += bias[i % bias.size()];
          if (fusion.relu) expected[i] = std::max(expected[i], 0.0);
          expected[i] = static_cast<double>(static_cast<float>(T(expected[i])));
        }
        execute(handle(), plan,
                {FusedConvolution::x, FusedConvolution::y, FusedConvolution::weight, FusedConvolution::z,
                 FusedConvolution::bias},
                {a.x.data(), a.y.data(), a.weight.data(), a.z.data(), a.bias.data()}, "a test");
        CHECK(doubles(result) == expected);
      }
}

bool chose(const GraphPlan& plan, int engine) {
  return plan.words.find(concat("-> engine ", engine, " (knobs ")) != std::string::npos;
}

TEST_CASE("the engine is the first one that keeps the rules, whatever else is installed") {
  const ConvolutionProblem problem{NumberType::float32, 1, 1, 3, 3, 8, 8, 1};
  Installation& installation = Installation::instance();
  for (const bool compiler : {true, false}) {
    installation.compiler = compiler;
    for (const Fusion& fusion : {Fusion{}, Fusion{.accumulate = true}, Fusion{.bias = true, .relu = true}}) {
      const auto plan = [&](const EngineRules& rules) {
        return plan_of(problem, ConvolutionDirection::forward, fusion, rules);
      };
      CHECK(plan(fast).words == "a test -> engine 14 (knobs 2=2), tensor cores, 65536 bytes of workspace");
      CHECK(chose(plan({.tensor_cores = true, .rounded_inputs = false, .workspace = 1000}), 15));
      CHECK(chose(plan({.tensor_cores = true, .rounded_inputs = false, .workspace = std::size_t{4} << 30}), 12));
      CHECK(chose(plan(exact), 24));
      CHECK(chose(plan({.tensor_cores = false, .rounded_inputs = false, .workspace = 0}), 1));  // by the fallback
      CHECK(chose(plan({.tensor_cores = false, .rounded_inputs = true, .workspace = 0}), 21));
    }
    // For these there are only engines that compile.
    CHECK(plan_of(problem, ConvolutionDirection::forward, {.relu = true}, fast).words == "a test -> no engine");
  }
  installation.compiler = true;
  installation.missing = {1, 24};
  CHECK(!plan_of(problem, ConvolutionDirection::forward, {}, exact).plan);
  installation.missing.clear();
}

TEST_CASE("a convolution without an engine of its own for the bias gets it by a kernel, and one without any says so") {
  const ConvolutionProblem problem{NumberType::float32, 1, 1, 3, 3, 8, 8, 1},
      other{NumberType::float32, 1, 1, 3, 2, 8, 8, 1};
  Arrays<float> a(problem, 1, 8);
  Installation::instance().missing = {1, 24};
  CHECK_THROWS_WITH_AS(library_convolve(other, a.x.data(), a.weight.data(), a.bias.data(), a.y.data(), false, false),
                       "cuDNN 91900 has no engine that computes the same bits every time for a 3x3 convolution of 1 "
                       "images of 2x3 pixels, 8 to 8 channels, in float32, on GPU 0 (emulated GPU)",
                       Error);
  Installation::instance().missing.clear();
  library_convolve(problem, a.x.data(), a.weight.data(), a.bias.data(), a.y.data(), false, false);
  std::vector<double> expected =
      plain(problem, ConvolutionDirection::forward, doubles(a.x), doubles(a.weight), doubles(a.y));
  for (std::size_t i = 0; i < expected.size(); ++i) expected[i] += doubles(a.bias)[i % 8];
  CHECK(doubles(a.y) == expected);
}

// To 10 bits of fraction, the nearest, to even.
float tf32(float value) {
  std::uint32_t bits;
  std::memcpy(&bits, &value, sizeof(bits));
  bits += 0xFFF + (bits >> 13 & 1);
  bits &= ~std::uint32_t{0x1FFF};
  std::memcpy(&value, &bits, sizeof(bits));
  return value;
}

TEST_CASE("TF32 rounds the inputs of convolutions and products where it is allowed, and nowhere else") {
  const ConvolutionProblem problem{NumberType::float32, 1, 1, 1, 1, 8, 8, 1};
  std::vector<float> x, weight(9 * 64);
  for (int i = 0; i < 8; ++i) x.push_back(1 + static_cast<float>(i * 731 + 1) / (1 << 14));
  for (int o = 0; o < 8; ++o) weight[static_cast<std::size_t>((o * 9 + 4) * 8 + o)] = 1 + 1.0f / (1 << 12);
  const Tensor<float, Cuda> x_array(Shape{8}, x), weight_array(Shape{9 * 64}, weight);
  Tensor<float, Cuda> y(Shape{8}), product(Shape{8});
  for (const bool allowed : {false, true, false}) {
    Memory::allow_tf32(allowed);
    library_convolve(problem, x_array.data(), weight_array.data(), nullptr, y.data(), false, false);
    library_multiply({.type = NumberType::float32, .rows = 8, .columns = 1, .depth = 1}, {x_array.data(), 1},
                     {weight_array.data() + 32, 1}, product.data(), 1, 0, nullptr);
    const auto seen = [&](float value) { return allowed ? tf32(value) : value; };
    for (std::size_t i = 0; i < 8; ++i) {
      const float expected =
          static_cast<float>(static_cast<double>(seen(x[i])) * static_cast<double>(seen(weight[32])));
      CHECK(y.to_vector()[i] == expected);
      CHECK(product.to_vector()[i] == expected);
    }
  }
}

TEST_CASE("what was chosen is listed, a line for each") {
  const auto has = [](const std::vector<std::string>& lines, const std::string& line) {
    return std::count(lines.begin(), lines.end(), line);
  };
  CHECK(has(convolution_plans(),
            "a 3x3 convolution of 1 images of 1x1 pixels, 8 to 8 channels, in float32, on GPU 0 (emulated GPU), TF32 "
            "allowed -> engine 14 (knobs 2=2), tensor cores, 65536 bytes of workspace") == 1);
  CHECK(has(convolution_plans(),
            "a 3x3 convolution of 1 images of 1x1 pixels, 8 to 8 channels, in float32, on GPU 0 (emulated GPU) -> "
            "engine 24 (knobs 2=0), 1024 bytes of workspace") == 1);
  CHECK(has(product_plans(),
            "a product of 8x1 and 1x1 matrices of float32 on GPU 0 (emulated GPU), TF32 allowed -> algorithm 21 (tile "
            "20, stages 0, splits 4, reduction 2), 4096 bytes of workspace") == 1);
}

}  // namespace
