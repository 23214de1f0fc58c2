// That cuDNN can do what it is asked, on GPUs that are only described: its heuristics find engines that keep the rules,
// and plans of them are possible, for the convolutions of models of all sizes. Needs no GPU.
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "cuda/described_gpu.hpp"
#include "dvd/core/error.hpp"
#include "dvd/device/cuda/libraries/cudnn_convolution.cuh"

namespace {

using namespace dvd;
using namespace dvd::cuda;

constexpr ConvolutionDirection directions[] = {ConvolutionDirection::forward, ConvolutionDirection::backward_input,
                                               ConvolutionDirection::backward_weight};

// Layers of models of ch = 64 and 128, odd sizes, the smallest.
std::vector<ConvolutionProblem> problems(NumberType type) {
  return {{type, 384, 1, 64, 64, 128, 64, 1}, {type, 384, 1, 64, 64, 64, 8, 1},   {type, 8, 1, 4, 4, 1024, 2048, 1},
          {type, 32, 1, 8, 8, 512, 1536, 1},  {type, 3, 1, 5, 7, 8, 16, 1},       {type, 1, 1, 1, 1, 8, 8, 1},
          {type, 32, 12, 32, 32, 8, 64, 3},   {type, 8, 24, 16, 16, 256, 512, 3}, {type, 3, 5, 5, 7, 8, 16, 3}};
}

TEST_CASE("the operations are ones that cuDNN knows") {
  for (const NumberType type : {NumberType::float32, NumberType::bfloat16})
    for (const ConvolutionProblem& problem : problems(type))
      for (const ConvolutionDirection direction : directions) {
        CHECK(ConvolutionGraph(problem, direction, false, "a test").operations.size() == 1);
        if (direction == ConvolutionDirection::forward)
          CHECK(ConvolutionGraph(problem, direction, true, "a test").operations.size() == 2);
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
          for (const bool with_bias : {false, true}) {
            if (with_bias && direction != ConvolutionDirection::forward) continue;
            const bool coarse = type == NumberType::bfloat16;
            const std::string what =
                concat(gpu.name, ", ", coarse ? "bfloat16" : "float32", ", direction ", static_cast<int>(direction),
                       ", ", problem.images, "x", problem.frames, "x", problem.height, ", ", problem.inputs, " to ",
                       problem.outputs, with_bias ? ", bias" : "");
            const ConvolutionGraph graph(problem, direction, with_bias, what);
            const GraphPlan plan =
                best_plan({.device = device.get()}, graph.operations,
                          {.tensor_cores = coarse, .rounded_inputs = coarse, .workspace = std::size_t{1} << 30}, what);
            CHECK_MESSAGE(plan.plan, what);
          }
  }
}

}  // namespace

int main(int argc, char** argv) { return doctest::Context(argc, argv).run(); }
