// Every call of cuDNN and cuBLASLt fails once with every kind of status: what comes out is one of our errors, in words,
// and nothing wrong is remembered; where something is merely not supported, another engine computes the same sums.
#include "support/devices.hpp"

#include <cublasLt.h>
#include <cudnn.h>
#include <doctest/doctest.h>

#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "dvd/core/tensor.hpp"
#include "dvd/device/cuda/libraries/libraries.hpp"

namespace {

using namespace dvd;
using namespace dvd::cuda;

// A convolution and its gradients, over images of ones: every sum is the number of pixels seen, times the channels.
class Convolved {
 public:
  // Of a size that no other has, so that its plan is made anew.
  explicit Convolved(int number)
      : direction_(number % 3),
        problem_{NumberType::float32, 1 + number % 11, 1, 1 + number / 11 % 11, 1 + number / 121, 8, 8, 1},
        x_(ones(pixels() * 8)),
        weight_(ones(9 * 64)),
        y_(ones(pixels() * 8)),
        bias_(ones(8)) {}

  void run() {
    if (direction_ == 0)
      library_convolve(problem_, x_.data(), weight_.data(), bias_.data(), y_.data(), false, false);
    else if (direction_ == 1)
      library_convolve_backward_input(problem_, y_.data(), weight_.data(), x_.data(), false);
    else
      library_convolve_backward_weight(problem_, x_.data(), y_.data(), weight_.data());
  }

  bool right() const {
    const std::vector<float> result = (direction_ == 0 ? y_ : direction_ == 1 ? x_ : weight_).to_vector();
    const auto seen = [](Index place, Index extent) { return 1 + (place > 0) + (place + 1 < extent); };
    for (std::size_t i = 0; i < result.size(); ++i) {
      const Index pixel = static_cast<Index>(i) / 8, tap = pixel % 9;
      // How many pixels of an extent a tap meets.
      const auto met = [](Index offset, Index extent) { return extent - (offset == 1 ? 0 : 1); };
      const Index sum = direction_ == 2 ? problem_.images * met(tap / 3, problem_.height) * met(tap % 3, problem_.width)
                                        : 8 * seen(pixel / problem_.width % problem_.height, problem_.height) *
                                                  seen(pixel % problem_.width, problem_.width) +
                                              (direction_ == 0 ? 1 : 0);
      if (result[i] != static_cast<float>(sum)) return false;
    }
    return true;
  }

 private:
  static Tensor<float, Cuda> ones(Index size) { return Tensor<float, Cuda>::full(Shape{size}, 1); }
  Index pixels() const { return problem_.images * problem_.height * problem_.width; }

  int direction_;
  ConvolutionProblem problem_;
  Tensor<float, Cuda> x_, weight_, y_, bias_;
};

// Two products of ones, with a bias, of a size that no other has.
class Multiplied {
 public:
  explicit Multiplied(int number)
      : depth_(1 + number),
        a_(Tensor<float, Cuda>::full(Shape{2 * 3 * depth_}, 1)),
        b_(Tensor<float, Cuda>::full(Shape{2 * 4 * depth_}, 1)),
        bias_(Tensor<float, Cuda>::full(Shape{4}, 1)),
        result_(Shape{24}) {}

  void run() {
    library_multiply({.type = NumberType::float32, .rows = 3, .columns = 4, .depth = depth_, .batches = 2},
                     {a_.data(), depth_, false, 3 * depth_}, {b_.data(), 4, false, 4 * depth_}, result_.data(), 4, 12,
                     bias_.data());
  }
  bool right() const { return result_.to_vector() == std::vector<float>(24, static_cast<float>(depth_ + 1)); }

 private:
  Index depth_;
  Tensor<float, Cuda> a_, b_, bias_, result_;
};

// The message of a call that fails, empty if none does. `reached` is whether there were so many calls.
template <class Work>
std::string failure(const char* function, int call, int status, bool& reached, Work& work) {
  EmulatedFailures& failures = EmulatedFailures::instance();
  failures.plan(function, call, status);
  std::string message;
  try {
    work.run();
  } catch (const Error& error) {
    message = error.what();
  }
  reached = failures.end();
  return message;
}

const std::map<int, std::string> cudnn_words{
    {CUDNN_STATUS_NOT_INITIALIZED, "cuDNN cannot start: see that nvidia-smi finds the GPU"},
    {CUDNN_STATUS_SUBLIBRARY_VERSION_MISMATCH,
     "are of different versions; install all of them from one package, "
     "cudnn9-cuda-13"},
    {CUDNN_STATUS_SUBLIBRARY_LOADING_FAILED, "is missing or cannot be loaded; install all of it"},
    {CUDNN_STATUS_NOT_SUPPORTED, "CUDNN_STATUS_NOT_SUPPORTED"},
    {CUDNN_STATUS_NOT_SUPPORTED_INCOMPATIBLE_CUDA_DRIVER,
     "the NVIDIA driver is too old for this cuDNN; install a newer"},
    {CUDNN_STATUS_NOT_SUPPORTED_INCOMPATIBLE_CUDART, "made for another version of CUDA; install the package "},
    {CUDNN_STATUS_NOT_SUPPORTED_RUNTIME_PREREQUISITE_MISSING, "install CUDA's NVRTC (cuda-nvrtc-13-0)"},
    {CUDNN_STATUS_NOT_SUPPORTED_SUBLIBRARY_UNAVAILABLE, "is missing or cannot be loaded; install all of it"},
    {CUDNN_STATUS_INTERNAL_ERROR, "CUDNN_STATUS_INTERNAL_ERROR"},
    {CUDNN_STATUS_INTERNAL_ERROR_COMPILATION_FAILED, "install CUDA's NVRTC (cuda-nvrtc-13-0)"},
    {CUDNN_STATUS_INTERNAL_ERROR_HOST_ALLOCATION_FAILED, "the host's memory does not suffice"},
    {CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED, "the GPU's memory does not suffice; use a smaller batch"},
    {CUDNN_STATUS_EXECUTION_FAILED, "CUDNN_STATUS_EXECUTION_FAILED"}};
const std::map<int, std::string> cublas_words{
    {CUBLAS_STATUS_NOT_INITIALIZED, "cuBLASLt cannot start: see that nvidia-smi finds the GPU"},
    {CUBLAS_STATUS_ALLOC_FAILED, "memory does not suffice: use a smaller batch"},
    {CUBLAS_STATUS_INVALID_VALUE, "CUBLAS_STATUS_INVALID_VALUE"},
    {CUBLAS_STATUS_ARCH_MISMATCH, "knows no such GPU: install a newer CUDA"},
    {CUBLAS_STATUS_EXECUTION_FAILED, "CUBLAS_STATUS_EXECUTION_FAILED"},
    {CUBLAS_STATUS_INTERNAL_ERROR, "CUBLAS_STATUS_INTERNAL_ERROR"},
    {CUBLAS_STATUS_NOT_SUPPORTED, "CUBLAS_STATUS_NOT_SUPPORTED"}};

void check_words(const std::string& message, const std::string& function, const std::string& what,
                 const std::string& words) {
  CHECK(message.starts_with(function + " failed "));
  CHECK(message.find(what) != std::string::npos);
  CHECK(message.find(words) != std::string::npos);
  CHECK(message.find('\n') == std::string::npos);
}

int next_number = 0;

// Lets the calls of a function fail, one after the other, in every way. Returns how many calls there are.
template <class Work>
int try_all(const char* function, const std::string& what, const std::map<int, std::string>& statuses) {
  int calls = 0;
  for (const auto& [status, words] : statuses)
    for (int call = 1;; ++call) {
      INFO(std::string(function) << ", call " << call << ", status " << status);
      Work work(next_number++);
      bool reached = false;
      const std::string message = failure(function, call, status, reached, work);
      if (!reached) {
        CHECK(message.empty());
        CHECK(work.right());
        break;
      }
      calls = std::max(calls, call);
      if (message.empty()) {
        // It went on by another engine or, for the bias, another kernel.
        CHECK(std::string(function) == "cudnnBackendFinalize");
        CHECK(status == CUDNN_STATUS_NOT_SUPPORTED);
        CHECK(work.right());
        continue;
      }
      if (message.find("has no engine") == std::string::npos)
        check_words(message, function, what, words);
      else
        CHECK(status == CUDNN_STATUS_NOT_SUPPORTED);
    }
  return calls;
}

TEST_CASE("libraries that do not start say why, and start when they can") {
  // First, before they have started.
  for (const char* function : {"cudnnCreate", "cudnnSetStream"})
    for (const auto& [status, words] : cudnn_words) {
      Convolved work(next_number++);
      bool reached = false;
      check_words(failure(function, 1, status, reached, work), function, "3x3 convolution of ", words);
    }
  for (const auto& [status, words] : cublas_words) {
    Multiplied work(next_number++);
    bool reached = false;
    check_words(failure("cublasLtCreate", 1, status, reached, work), "cublasLtCreate", "for 2 products of ", words);
  }
  Convolved convolved(next_number++);
  convolved.run();
  CHECK(convolved.right());
  Multiplied multiplied(next_number++);
  multiplied.run();
  CHECK(multiplied.right());
}

TEST_CASE("every call of cuDNN") {
  next_number = 3;
  CHECK(try_all<Convolved>("cudnnBackendCreateDescriptor", "3x3 convolution of ", cudnn_words) > 10);
  CHECK(try_all<Convolved>("cudnnBackendSetAttribute", "3x3 convolution of ", cudnn_words) > 30);
  CHECK(try_all<Convolved>("cudnnBackendFinalize", "3x3 convolution of ", cudnn_words) > 10);
  CHECK(try_all<Convolved>("cudnnBackendGetAttribute", "3x3 convolution of ", cudnn_words) > 10);
  CHECK(try_all<Convolved>("cudnnBackendExecute", "3x3 convolution of ", cudnn_words) == 1);
}

TEST_CASE("every call of cuBLASLt") {
  for (const char* function :
       {"cublasLtMatrixLayoutCreate", "cublasLtMatrixLayoutSetAttribute", "cublasLtMatmulDescCreate",
        "cublasLtMatmulDescSetAttribute", "cublasLtMatmulPreferenceCreate", "cublasLtMatmulPreferenceSetAttribute",
        "cublasLtMatmulAlgoGetHeuristic", "cublasLtMatmulAlgoConfigGetAttribute", "cublasLtMatmul"})
    CHECK(try_all<Multiplied>(function, "for 2 products of 3x", cublas_words) > 0);
}

TEST_CASE("what failed once works the next time, with the engine that it would have had") {
  for (const int status : {CUDNN_STATUS_NOT_SUPPORTED_RUNTIME_PREREQUISITE_MISSING, CUDNN_STATUS_INTERNAL_ERROR})
    for (int call = 1; call < 20; ++call) {
      Convolved work(1000 + next_number++);
      bool reached = false;
      const std::size_t plans = convolution_plans().size();
      const std::string message = failure("cudnnBackendFinalize", call, status, reached, work);
      CHECK(reached == !message.empty());
      work.run();
      CHECK(work.right());
      CHECK(convolution_plans().size() == plans + 1);
    }
  for (const std::string& line : convolution_plans()) {
    INFO(line);
    // Not supported was the one status that may lead elsewhere.
    CHECK(line.find("-> engine 57 ") == std::string::npos);
    CHECK(line.find("-> engine 58 ") == std::string::npos);
  }
}

TEST_CASE("a call that fails while work is recorded leaves the device in order") {
  Convolved work(2000);
  work.run();
  Cuda::Recording recording;
  recording.run([&] { work.run(); });
  EmulatedFailures::instance().plan("cudnnBackendExecute", 1, CUDNN_STATUS_EXECUTION_FAILED);
  CHECK_THROWS_AS(recording.run([&] { work.run(); }), Error);
  CHECK(EmulatedFailures::instance().end());
  for (int i = 0; i < 3; ++i) recording.run([&] { work.run(); });
  Convolved other(2001);
  other.run();
  CHECK(other.right());
}

}  // namespace
