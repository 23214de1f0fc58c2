// That cuDNN can do what it is asked, on GPUs that are only described: its heuristics find engines that keep the rules,
// and plans of them are possible, for the convolutions of models of all sizes. Needs no GPU.
#include <doctest/doctest.h>

#include <cstdio>
#include <iterator>
#include <string>
#include <vector>

#include "cuda/described_gpu.hpp"
#include "cuda/fused_convolution.hpp"
#include "cuda/model_convolutions.hpp"
#include "cuda/refused_descriptors.hpp"
#include "dvd/core/error.hpp"
#include "dvd/device/cuda/libraries/cudnn_convolution.cuh"

namespace {

using namespace dvd;
using namespace dvd::cuda;

constexpr ConvolutionDirection directions[] = {ConvolutionDirection::forward, ConvolutionDirection::backward_input,
                                               ConvolutionDirection::backward_weight};

// Layers of models of ch = 64 and 128, odd sizes, the smallest; and those whose outputs are averaged.
std::vector<ConvolutionProblem> problems(NumberType type) {
  return {{type, 384, 1, 64, 64, 128, 64, 1},
          {type, 384, 1, 64, 64, 64, 8, 1},
          {type, 8, 1, 4, 4, 1024, 2048, 1},
          {type, 32, 1, 8, 8, 512, 1536, 1},
          {type, 3, 1, 5, 7, 8, 16, 1},
          {type, 1, 1, 1, 1, 8, 8, 1},
          {type, 32, 12, 32, 32, 8, 64, 3},
          {type, 8, 24, 16, 16, 256, 512, 3},
          {type, 3, 5, 5, 7, 8, 16, 3},
          {type, 512, 1, 64, 64, 128, 128, 1, true},
          {type, 64, 1, 8, 8, 2048, 2048, 1, true},
          {type, 3, 1, 5, 7, 8, 16, 1, true},
          {type, 1, 1, 2, 2, 8, 8, 1, true},
          {type, 64, 12, 32, 32, 64, 64, 3, true},
          {type, 3, 5, 5, 7, 8, 16, 3, true}};
}

TEST_CASE("the operations are ones that cuDNN knows") {
  for (const NumberType type : {NumberType::float32, NumberType::bfloat16})
    for (const ConvolutionProblem& problem : problems(type))
      for (const ConvolutionDirection direction : directions) {
        CHECK(ConvolutionGraph(problem, direction, ConvolutionSum::nothing, "a test").operations.size() == 1);
        if (direction == ConvolutionDirection::forward)
          CHECK(ConvolutionGraph(problem, direction, ConvolutionSum::bias, "a test").operations.size() == 2);
        if (direction == ConvolutionDirection::forward)
          CHECK(ConvolutionGraph(problem, direction, ConvolutionSum::rectified_bias, "a test").operations.size() == 3);
        if (direction == ConvolutionDirection::forward)
          CHECK(ConvolutionGraph(problem, direction, ConvolutionSum::biased_result, "a test").operations.size() == 3);
        if (direction != ConvolutionDirection::backward_weight)
          CHECK(ConvolutionGraph(problem, direction, ConvolutionSum::result, "a test").operations.size() == 1);
      }
}

TEST_CASE("there is a plan for every convolution") {
  for (const DescribedGpu& gpu : gpus) {
    const auto device = described(gpu);
    if (!device) {
      MESSAGE("this cuDNN makes no plans for GPUs that are only described");
      continue;
    }
    for (const NumberType type : {NumberType::float32, NumberType::bfloat16})
      for (const ConvolutionProblem& problem : problems(type))
        for (const ConvolutionDirection direction : directions)
          for (const ConvolutionSum sum :
               {ConvolutionSum::nothing, ConvolutionSum::bias, ConvolutionSum::rectified_bias, ConvolutionSum::result,
                ConvolutionSum::biased_result}) {
            const bool with_bias = sum == ConvolutionSum::bias || sum == ConvolutionSum::rectified_bias ||
                                   sum == ConvolutionSum::biased_result;
            if (with_bias && direction != ConvolutionDirection::forward) continue;
            if (sum == ConvolutionSum::result && direction == ConvolutionDirection::backward_weight) continue;
            const bool coarse = type == NumberType::bfloat16;
            const std::string what =
                concat(gpu.name, ", ", coarse ? "bfloat16" : "float32", ", direction ", static_cast<int>(direction),
                       ", ", problem.images, "x", problem.frames, "x", problem.height, ", ", problem.inputs, " to ",
                       problem.outputs, ", sum ", static_cast<int>(sum));
            const ConvolutionGraph graph(problem, direction, sum, what);
            const GraphPlan plan =
                best_plan({.device = device.get()}, graph.operations,
                          {.tensor_cores = coarse, .rounded_inputs = coarse, .workspace = std::size_t{1} << 30}, what);
            CHECK_MESSAGE(plan.plan, what);
          }
  }
}

TEST_CASE("descriptors: cuDNN refuses what the emulation does, but for what is careless") {
  for (const DescriptorCase& descriptor : descriptor_cases()) {
    INFO(descriptor.words);
    std::string refusal;
    CHECK(taken(descriptor, refusal) == (descriptor.verdict != Verdict::refused));
  }
}

// What a graph may be of: everything that has kernels which need not be compiled at run time.
struct Kind {
  ConvolutionDirection direction;
  Fusion fusion;
};
constexpr Kind kinds[] = {
    {ConvolutionDirection::forward, {}},
    {ConvolutionDirection::forward, {.accumulate = true}},
    {ConvolutionDirection::forward, {.bias = true}},
    {ConvolutionDirection::forward, {.bias = true, .relu = true}},
    {ConvolutionDirection::forward, {.addend = true, .bias = true}},
    {ConvolutionDirection::forward, {.addend = true, .bias = true, .relu = true}},
    {ConvolutionDirection::backward_input, {}},
    {ConvolutionDirection::backward_input, {.accumulate = true}},
    {ConvolutionDirection::backward_weight, {}},
    {ConvolutionDirection::backward_weight, {.accumulate = true}},
};

enum class Arithmetic { float32, tf32, bfloat16 };

EngineRules rules_of(Arithmetic arithmetic) {
  return {.tensor_cores = arithmetic != Arithmetic::float32,
          .rounded_inputs = arithmetic == Arithmetic::bfloat16,
          .workspace = std::size_t{1} << 30};
}

NumberType type_of(Arithmetic arithmetic) {
  return arithmetic == Arithmetic::bfloat16 ? NumberType::bfloat16 : NumberType::float32;
}

GraphPlan plan_of(const Descriptor& device, const ConvolutionProblem& problem, const Kind& kind,
                  Arithmetic arithmetic) {
  const std::string what =
      concat("direction ", static_cast<int>(kind.direction), words(kind.fusion), ", ", problem.images, "x",
             problem.frames, "x", problem.height, ", ", problem.inputs, " to ", problem.outputs);
  const FusedConvolution graph(problem, kind.direction, kind.fusion, what);
  return best_plan({.device = &device}, graph.operations, rules_of(arithmetic), what);
}

bool has(const GraphPlan& plan, const char* note) { return plan.words.find(note) != std::string::npos; }

TEST_CASE("there is a plan for everything that models do, and for what may be fused into it") {
  for (const DescribedGpu& gpu : gpus) {
    const auto device = described(gpu);
    if (!device) continue;
    for (const Arithmetic arithmetic : {Arithmetic::float32, Arithmetic::tf32, Arithmetic::bfloat16})
      for (const Index channels : {16, 64, 128})
        for (const Kind& kind : kinds) {
          int without_tensor_cores = 0;
          for (const ConvolutionProblem& problem : model_problems(type_of(arithmetic), channels)) {
            const GraphPlan plan = plan_of(*device, problem, kind, arithmetic);
            CHECK_MESSAGE(plan.plan, plan.words);
            CHECK_MESSAGE(!has(plan, "nondeterministic"), plan.words);
            CHECK_MESSAGE(!has(plan, "compiled at run time"), plan.words);
            without_tensor_cores += !has(plan, "tensor cores");
            if (arithmetic == Arithmetic::float32) CHECK_MESSAGE(!has(plan, "tensor cores"), plan.words);
            if (arithmetic == Arithmetic::bfloat16) CHECK_MESSAGE(has(plan, "tensor cores"), plan.words);
          }
          if (arithmetic == Arithmetic::tf32 && without_tensor_cores > 0)
            std::printf("%s, TF32, %d channels, direction %d%s: %d of %d convolutions without tensor cores\n", gpu.name,
                        static_cast<int>(channels), static_cast<int>(kind.direction), words(kind.fusion).c_str(),
                        without_tensor_cores, static_cast<int>(std::size(model_convolutions)));
        }
  }
}

TEST_CASE("what has no plan: sums and ReLUs that no bias stands among, and those behind gradients") {
  // Not a fault, but what the callers rely on: a cuDNN that can do more shows up here.
  for (const DescribedGpu& gpu : gpus) {
    const auto device = described(gpu);
    if (!device) continue;
    const ConvolutionProblem problem{NumberType::bfloat16, 8, 1, 16, 16, 64, 128, 1};
    for (const Kind& kind :
         {Kind{ConvolutionDirection::forward, {.addend = true}}, Kind{ConvolutionDirection::forward, {.relu = true}},
          Kind{ConvolutionDirection::forward, {.accumulate = true, .bias = true}},
          Kind{ConvolutionDirection::backward_input, {.addend = true}},
          Kind{ConvolutionDirection::backward_input, {.bias = true}}}) {
      const GraphPlan plan = plan_of(*device, problem, kind, Arithmetic::bfloat16);
      WARN_MESSAGE(!plan.plan, plan.words);
      if (!plan.plan) std::printf("%s: %s\n", gpu.name, plan.words.c_str());
    }
  }
}

}  // namespace

int main(int argc, char** argv) { return doctest::Context(argc, argv).run(); }
