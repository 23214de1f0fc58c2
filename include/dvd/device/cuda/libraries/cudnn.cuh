// Convolutions by cuDNN.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <tuple>
#include <type_traits>
#include <vector>

#include "dvd/core/error.hpp"
#include "dvd/device/cuda/context.cuh"
#include "dvd/device/cuda/definition.hpp"
#include "dvd/device/cuda/libraries/cudnn_convolution.cuh"
#include "dvd/device/cuda/libraries/libraries.hpp"
#include "dvd/device/cuda/memory.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::cuda {

namespace detail {

/// "a 3x3 convolution of 32 images of 64x64, 96 to 48 channels, in bfloat16, on GPU 0 (...)"; "a 4x4 convolution,
/// stride 2, of ..."
inline std::string words(const ConvolutionProblem& problem, ConvolutionDirection direction) {
  const char* const of = direction == ConvolutionDirection::forward          ? ""
                         : direction == ConvolutionDirection::backward_input ? "the gradient of the input of "
                                                                             : "the gradient of the weight of ";
  const Index kernel = problem.kernel();
  return concat(of, "a ", problem.kernel_frames > 1 ? "3x" : "", kernel, "x", kernel, " convolution",
                problem.halved ? ", stride 2, of " : " of ", problem.images,
                problem.kernel_frames > 1 ? concat(" videos of ", problem.frames, " frames of ") : " images of ",
                problem.width, "x", problem.height, " pixels, ", problem.inputs, " to ", problem.outputs,
                " channels, in ", problem.type == NumberType::float32 ? "float32" : "bfloat16", ", on ",
                device_words());
}

inline const char* words_of(ConvolutionSum sum) {
  switch (sum) {
    case ConvolutionSum::bias:
      return ", with a bias";
    case ConvolutionSum::rectified_bias:
      return ", with a bias and ReLU";
    case ConvolutionSum::result:
      return ", added to what is there";
    case ConvolutionSum::biased_result:
      return ", added to what is there, with a bias";
    default:
      return "";
  }
}

class Convolutions {
 public:
  static Convolutions& instance() {
    static auto& convolutions = *new Convolutions;
    return convolutions;
  }

  /// Returns false, having done nothing, if there is no engine for a convolution with this sum. `bias` is null without
  /// one.
  bool run(const ConvolutionProblem& problem, ConvolutionDirection direction, ConvolutionSum sum, const void* x,
           const void* weight, const void* bias, const void* y) {
    const std::string what = words(problem, direction);
    const Turn turn;
    const std::lock_guard lock(mutex_);
    if (!handle_) create_handle(what);
    const GraphPlan& plan = plan_for(problem, direction, sum, what);
    if (!plan.plan && sum != ConvolutionSum::nothing) return false;
    if (!plan.plan)
      throw Error(
          concat("cuDNN ", cudnnGetVersion(), " has no engine that computes the same bits every time for ", what));
    std::vector<std::int64_t> names{ConvolutionGraph::x, ConvolutionGraph::weight, ConvolutionGraph::y};
    std::vector<void*> arrays{const_cast<void*>(x), const_cast<void*>(weight), const_cast<void*>(y)};
    if (bias) {
      names.push_back(ConvolutionGraph::bias);
      arrays.push_back(const_cast<void*>(bias));
    }
    if (sum == ConvolutionSum::biased_result) {
      names.push_back(ConvolutionGraph::before);
      arrays.push_back(const_cast<void*>(y));
    }
    execute(handle_, plan, names, arrays, what);
    return true;
  }

  std::vector<std::string> plans() {
    const std::lock_guard lock(mutex_);
    std::vector<std::string> lines;
    for (const auto& [key, plan] : plans_) lines.push_back(plan.words);
    return lines;
  }

 private:
  using Key = std::tuple<NumberType, Index, Index, Index, Index, Index, Index, Index, bool, ConvolutionDirection,
                         ConvolutionSum, bool>;

  static constexpr std::size_t largest_workspace = std::size_t{1} << 30;

  void create_handle(const std::string& what) {
    struct Destroyer {
      void operator()(cudnnHandle_t handle) const { cudnnDestroy(handle); }
    };
    cudnnHandle_t created = nullptr;
    check(cudnnCreate(&created), "cudnnCreate", what);
    std::unique_ptr<std::remove_pointer_t<cudnnHandle_t>, Destroyer> handle(created);
    check(cudnnSetStream(created, stream()), "cudnnSetStream", what);
    handle_ = handle.release();
  }

  const GraphPlan& plan_for(const ConvolutionProblem& problem, ConvolutionDirection direction, ConvolutionSum sum,
                            const std::string& what) {
    const bool tf32 = Memory::tf32_allowed();
    const Key key{problem.type,    problem.images,        problem.frames, problem.height, problem.width, problem.inputs,
                  problem.outputs, problem.kernel_frames, problem.halved, direction,      sum,           tf32};
    const auto known = plans_.find(key);
    if (known != plans_.end()) return known->second;
    const bool coarse = problem.type == NumberType::bfloat16;
    const ConvolutionGraph graph(problem, direction, sum, what);
    const EngineRules rules{.tensor_cores = coarse || tf32, .rounded_inputs = coarse, .workspace = largest_workspace};
    const std::string words = concat(what, words_of(sum), tf32 ? ", TF32 allowed" : "");
    return plans_.emplace(key, best_plan({.handle = handle_}, graph.operations, rules, words)).first->second;
  }

  std::mutex mutex_;
  cudnnHandle_t handle_ = nullptr;
  std::map<Key, GraphPlan> plans_;
};

inline Index x_pixels(const ConvolutionProblem& problem) {
  return problem.images * problem.frames * problem.height * problem.width;
}
inline Index y_pixels(const ConvolutionProblem& problem) {
  return problem.images * problem.frames * problem.y_height() * problem.y_width();
}

/// y, of `size` elements, += a convolution that `run(sum, to)` does: by itself or, where no engine does that, from an
/// array between.
template <class Run>
void add_convolution(const ConvolutionProblem& problem, Index size, void* y, const Run& run) {
  if (run(ConvolutionSum::result, y)) return;
  const Index bytes = problem.type == NumberType::float32 ? 4 : 2;
  const auto between = Memory::allocate(static_cast<std::size_t>(size * bytes));
  run(ConvolutionSum::nothing, between.get());
  add_array(problem.type, size, between.get(), y);
}

}  // namespace detail

DVD_CUDA_DEFINITION void library_convolve(const ConvolutionProblem& problem, const void* x, const void* weight,
                                          const void* bias, void* y, bool accumulate, bool rectify) {
  constexpr auto forward = ConvolutionDirection::forward;
  detail::Convolutions& convolutions = detail::Convolutions::instance();
  if (accumulate) {
    if (bias && convolutions.run(problem, forward, ConvolutionSum::biased_result, x, weight, bias, y)) return;
    detail::add_convolution(problem, detail::y_pixels(problem) * problem.outputs, y,
                            [&](ConvolutionSum sum, const void* to) {
                              return convolutions.run(problem, forward, sum, x, weight, nullptr, to);
                            });
    if (bias) add_bias(problem.type, detail::y_pixels(problem), problem.outputs, bias, false, y);
    return;
  }
  const auto with_bias = rectify ? ConvolutionSum::rectified_bias : ConvolutionSum::bias;
  if (bias && convolutions.run(problem, forward, with_bias, x, weight, bias, y)) return;
  convolutions.run(problem, forward, ConvolutionSum::nothing, x, weight, nullptr, y);
  if (bias) add_bias(problem.type, detail::y_pixels(problem), problem.outputs, bias, rectify, y);
}

DVD_CUDA_DEFINITION void library_convolve_backward_input(const ConvolutionProblem& problem, const void* dy,
                                                         const void* weight, void* dx, bool accumulate) {
  const auto run = [&](ConvolutionSum sum, const void* to) {
    return detail::Convolutions::instance().run(problem, ConvolutionDirection::backward_input, sum, to, weight, nullptr,
                                                dy);
  };
  if (accumulate)
    detail::add_convolution(problem, detail::x_pixels(problem) * problem.inputs, dx, run);
  else
    run(ConvolutionSum::nothing, dx);
}

DVD_CUDA_DEFINITION void library_convolve_backward_weight(const ConvolutionProblem& problem, const void* x,
                                                          const void* dy, void* dweight) {
  detail::Convolutions::instance().run(problem, ConvolutionDirection::backward_weight, ConvolutionSum::nothing, x,
                                       dweight, nullptr, dy);
}

DVD_CUDA_DEFINITION std::vector<std::string> convolution_plans() { return detail::Convolutions::instance().plans(); }

}  // namespace dvd::cuda

#include "dvd/core/macros_end.hpp"
