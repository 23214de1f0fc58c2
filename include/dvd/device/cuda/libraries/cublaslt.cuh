// Matrix products by cuBLASLt.
//
// It counts matrices by columns, so a row-major product is its transpose there: result^T = b^T a^T, and what is a row
// of ours is a column of its. The bias of every column of ours is then its bias of every row, an epilogue that costs
// nothing.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <cublasLt.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <type_traits>
#include <vector>

#include "dvd/device/cuda/context.cuh"
#include "dvd/device/cuda/definition.hpp"
#include "dvd/device/cuda/libraries/libraries.hpp"
#include "dvd/device/cuda/memory.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::cuda {

namespace detail {

constexpr std::size_t product_workspace = std::size_t{32} << 20;

inline std::string words(const ProductProblem& problem) {
  return concat(problem.batches > 1 ? concat(problem.batches, " products") : "a product", " of ", problem.rows, "x",
                problem.depth, " and ", problem.depth, "x", problem.columns, " matrices of ",
                problem.type == NumberType::float32 ? "float32" : "bfloat16");
}

/// What can be done about a status, behind a semicolon; empty where no more is known than its name says.
inline const char* remedy(cublasStatus_t status) {
  switch (status) {
    case CUBLAS_STATUS_NOT_INITIALIZED:
      return "; cuBLASLt cannot start: see that nvidia-smi finds the GPU, and that libcublasLt.so is that of CUDA";
    case CUBLAS_STATUS_ALLOC_FAILED:
      return "; the host's or the GPU's memory does not suffice: use a smaller batch, or see what else uses the GPU";
    case CUBLAS_STATUS_ARCH_MISMATCH:
      return "; this cuBLASLt knows no such GPU: install a newer CUDA";
    default:
      return "";
  }
}

inline void check_cublas(cublasStatus_t status, const char* call, const ProductProblem& problem) {
  if (status != CUBLAS_STATUS_SUCCESS)
    throw Error(concat(call, " failed on ", device_words(), " for ", words(problem), ": ",
                       cublasLtGetStatusString(status), remedy(status)));
}

inline cudaDataType_t cublas_type(NumberType type) { return type == NumberType::float32 ? CUDA_R_32F : CUDA_R_16BF; }

/// cuBLASLt's descriptions of things, which are to be destroyed.
template <auto Destroy>
struct Destroyer {
  template <class Handle>
  void operator()(Handle* handle) const {
    Destroy(handle);
  }
};
using Description = std::unique_ptr<std::remove_pointer_t<cublasLtMatmulDesc_t>, Destroyer<cublasLtMatmulDescDestroy>>;
using Layout = std::unique_ptr<std::remove_pointer_t<cublasLtMatrixLayout_t>, Destroyer<cublasLtMatrixLayoutDestroy>>;
using Preference =
    std::unique_ptr<std::remove_pointer_t<cublasLtMatmulPreference_t>, Destroyer<cublasLtMatmulPreferenceDestroy>>;

/// A matrix of `rows` contiguous elements a column.
inline Layout layout_of(const ProductProblem& problem, NumberType type, Index rows, Index columns, Index distance,
                        Index batch_distance) {
  cublasLtMatrixLayout_t created = nullptr;
  check_cublas(cublasLtMatrixLayoutCreate(&created, cublas_type(type), static_cast<std::uint64_t>(rows),
                                          static_cast<std::uint64_t>(columns), distance),
               "cublasLtMatrixLayoutCreate", problem);
  Layout layout(created);
  if (problem.batches > 1) {
    const auto count = static_cast<std::int32_t>(problem.batches);
    const std::int64_t offset = batch_distance;
    check_cublas(cublasLtMatrixLayoutSetAttribute(created, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, &count, sizeof(count)),
                 "cublasLtMatrixLayoutSetAttribute", problem);
    check_cublas(
        cublasLtMatrixLayoutSetAttribute(created, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, &offset, sizeof(offset)),
        "cublasLtMatrixLayoutSetAttribute", problem);
  }
  return layout;
}

/// The largest power of two, up to 256, that an address is a multiple of.
inline std::uint32_t alignment_of(const void* array) {
  const auto address = reinterpret_cast<std::uintptr_t>(array);
  std::uint32_t alignment = 256;
  while (address % alignment != 0) alignment /= 2;
  return alignment;
}

/// All that the choice of an algorithm depends on.
using ProductKey = std::array<Index, 20>;

class Products {
 public:
  static Products& instance() {
    static auto& products = *new Products;
    return products;
  }

  void multiply(const ProductProblem& problem, const ProductSide& a, const ProductSide& b, void* result,
                Index result_row, Index result_batch, const void* bias) {
    const Description description = describe(problem, a, b, bias);
    const Layout b_layout = layout_of(problem, problem.type, b.transposed ? problem.depth : problem.columns,
                                      b.transposed ? problem.columns : problem.depth, b.row, b.batch),
                 a_layout = layout_of(problem, problem.type, a.transposed ? problem.rows : problem.depth,
                                      a.transposed ? problem.depth : problem.rows, a.row, a.batch),
                 result_layout =
                     layout_of(problem, problem.result_type, problem.columns, problem.rows, result_row, result_batch);
    const ProductKey key{static_cast<Index>(problem.type),
                         static_cast<Index>(problem.result_type),
                         problem.rows,
                         problem.columns,
                         problem.depth,
                         problem.accumulate,
                         problem.batches,
                         a.row,
                         a.transposed,
                         a.batch,
                         b.row,
                         b.transposed,
                         b.batch,
                         result_row,
                         result_batch,
                         bias ? alignment_of(bias) : 0,
                         alignment_of(a.data),
                         alignment_of(b.data),
                         alignment_of(result),
                         Memory::tf32_allowed()};
    const std::lock_guard lock(mutex_);
    if (!handle_) create_handle(problem);
    auto known = choices_.find(key);
    if (known == choices_.end())
      known = choices_
                  .emplace(key, choose(problem, description.get(), b_layout.get(), a_layout.get(), result_layout.get(),
                                       alignment_of(b.data), alignment_of(a.data), alignment_of(result)))
                  .first;
    const auto workspace = Memory::allocate(known->second.workspace);
    const float alpha = 1, beta = problem.accumulate ? 1 : 0;
    check_cublas(cublasLtMatmul(handle_, description.get(), &alpha, b.data, b_layout.get(), a.data, a_layout.get(),
                                &beta, result, result_layout.get(), result, result_layout.get(), &known->second.algo,
                                workspace.get(), known->second.workspace, stream()),
                 "cublasLtMatmul", problem);
  }

  std::vector<std::string> plans() {
    const std::lock_guard lock(mutex_);
    std::vector<std::string> lines;
    for (const auto& [key, choice] : choices_) lines.push_back(choice.words);
    return lines;
  }

 private:
  struct Choice {
    cublasLtMatmulAlgo_t algo;
    std::size_t workspace;
    std::string words;  ///< "a product of ... -> algorithm 66 (...), 0 bytes of workspace"
  };

  void create_handle(const ProductProblem& problem) {
    cublasLtHandle_t created = nullptr;
    check_cublas(cublasLtCreate(&created), "cublasLtCreate", problem);
    handle_ = created;
  }

  static Description describe(const ProductProblem& problem, const ProductSide& a, const ProductSide& b,
                              const void* bias) {
    const bool tf32 = problem.type == NumberType::float32 && Memory::tf32_allowed();
    cublasLtMatmulDesc_t created = nullptr;
    check_cublas(
        cublasLtMatmulDescCreate(&created, tf32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F, CUDA_R_32F),
        "cublasLtMatmulDescCreate", problem);
    Description description(created);
    const auto set = [&](cublasLtMatmulDescAttributes_t attribute, const auto& value) {
      check_cublas(cublasLtMatmulDescSetAttribute(created, attribute, &value, sizeof(value)),
                   "cublasLtMatmulDescSetAttribute", problem);
    };
    set(CUBLASLT_MATMUL_DESC_TRANSA, b.transposed ? CUBLAS_OP_T : CUBLAS_OP_N);
    set(CUBLASLT_MATMUL_DESC_TRANSB, a.transposed ? CUBLAS_OP_T : CUBLAS_OP_N);
    if (bias) {
      set(CUBLASLT_MATMUL_DESC_EPILOGUE, CUBLASLT_EPILOGUE_BIAS);
      set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, bias);
    }
    return description;
  }

  Choice choose(const ProductProblem& problem, cublasLtMatmulDesc_t description, cublasLtMatrixLayout_t first,
                cublasLtMatrixLayout_t second, cublasLtMatrixLayout_t result, std::uint32_t first_alignment,
                std::uint32_t second_alignment, std::uint32_t result_alignment) const {
    cublasLtMatmulPreference_t created = nullptr;
    check_cublas(cublasLtMatmulPreferenceCreate(&created), "cublasLtMatmulPreferenceCreate", problem);
    const Preference preference(created);
    const auto set = [&](cublasLtMatmulPreferenceAttributes_t attribute, const auto& value) {
      check_cublas(cublasLtMatmulPreferenceSetAttribute(created, attribute, &value, sizeof(value)),
                   "cublasLtMatmulPreferenceSetAttribute", problem);
    };
    set(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, std::uint64_t{product_workspace});
    // Not INPLACE, which adds partial sums as they come: the same bits every time.
    set(CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK,
        static_cast<std::uint32_t>(CUBLASLT_REDUCTION_SCHEME_NONE | CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE |
                                   CUBLASLT_REDUCTION_SCHEME_OUTPUT_TYPE));
    set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, first_alignment);
    set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, second_alignment);
    set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, result_alignment);
    set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, result_alignment);
    cublasLtMatmulHeuristicResult_t found{};
    int count = 0;
    const cublasStatus_t status = cublasLtMatmulAlgoGetHeuristic(handle_, description, first, second, result, result,
                                                                 preference.get(), 1, &found, &count);
    if (status == CUBLAS_STATUS_SUCCESS && count == 0)
      throw Error(concat("cuBLASLt has no algorithm on ", device_words(), " for ", words(problem)));
    check_cublas(status, "cublasLtMatmulAlgoGetHeuristic", problem);
    check_cublas(found.state, "cublasLtMatmulAlgoGetHeuristic", problem);
    const auto setting = [&](cublasLtMatmulAlgoConfigAttributes_t name) {
      std::uint32_t value = 0;
      std::size_t written = 0;
      check_cublas(cublasLtMatmulAlgoConfigGetAttribute(&found.algo, name, &value, sizeof(value), &written),
                   "cublasLtMatmulAlgoConfigGetAttribute", problem);
      return value;
    };
    return {found.algo, found.workspaceSize,
            concat(words(problem), " on ", device_words(), Memory::tf32_allowed() ? ", TF32 allowed" : "",
                   " -> algorithm ", setting(CUBLASLT_ALGO_CONFIG_ID), " (tile ", setting(CUBLASLT_ALGO_CONFIG_TILE_ID),
                   ", stages ", setting(CUBLASLT_ALGO_CONFIG_STAGES_ID), ", splits ",
                   setting(CUBLASLT_ALGO_CONFIG_SPLITK_NUM), ", reduction ",
                   setting(CUBLASLT_ALGO_CONFIG_REDUCTION_SCHEME), "), ", found.workspaceSize, " bytes of workspace")};
  }

  std::mutex mutex_;
  cublasLtHandle_t handle_ = nullptr;
  std::map<ProductKey, Choice> choices_;
};

}  // namespace detail

DVD_CUDA_DEFINITION void library_multiply(const ProductProblem& problem, const ProductSide& a, const ProductSide& b,
                                          void* result, Index result_row, Index result_batch, const void* bias) {
  if (problem.rows == 0 || problem.columns == 0 || problem.depth == 0 || problem.batches == 0) return;
  const Turn turn;
  stream();  // chooses the GPU
  detail::Products::instance().multiply(problem, a, b, result, result_row, result_batch, bias);
}

DVD_CUDA_DEFINITION std::vector<std::string> product_plans() { return detail::Products::instance().plans(); }

}  // namespace dvd::cuda

#include "dvd/core/macros_end.hpp"
