// cuBLASLt's functions.
#pragma once

#include <cublasLt.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "dvd/core/bfloat16.hpp"
#include "dvd/device/cpu/parallel.hpp"
#include "emulated_failures.hpp"
#include "emulated_numbers.hpp"

// What a test wants to fail does so here, at the beginning of every function that returns a status.
#define DVD_EMULATED_CALL                                                     \
  if (const int planned = EmulatedFailures::instance().of(__func__); planned) \
  return static_cast<cublasStatus_t>(planned)

inline const char* cublasLtGetStatusString(cublasStatus_t status) {
  switch (status) {
    case CUBLAS_STATUS_SUCCESS:
      return "CUBLAS_STATUS_SUCCESS";
    case CUBLAS_STATUS_NOT_INITIALIZED:
      return "CUBLAS_STATUS_NOT_INITIALIZED";
    case CUBLAS_STATUS_ALLOC_FAILED:
      return "CUBLAS_STATUS_ALLOC_FAILED";
    case CUBLAS_STATUS_INVALID_VALUE:
      return "CUBLAS_STATUS_INVALID_VALUE";
    case CUBLAS_STATUS_ARCH_MISMATCH:
      return "CUBLAS_STATUS_ARCH_MISMATCH";
    case CUBLAS_STATUS_MAPPING_ERROR:
      return "CUBLAS_STATUS_MAPPING_ERROR";
    case CUBLAS_STATUS_EXECUTION_FAILED:
      return "CUBLAS_STATUS_EXECUTION_FAILED";
    case CUBLAS_STATUS_INTERNAL_ERROR:
      return "CUBLAS_STATUS_INTERNAL_ERROR";
    default:
      return "CUBLAS_STATUS_NOT_SUPPORTED";
  }
}
inline std::size_t cublasLtGetVersion() { return 130000; }

inline cublasStatus_t cublasLtCreate(cublasLtHandle_t* handle) {
  DVD_EMULATED_CALL;
  *handle = new cublasLtContext;
  return CUBLAS_STATUS_SUCCESS;
}
inline cublasStatus_t cublasLtDestroy(cublasLtHandle_t handle) {
  DVD_EMULATED_CALL;
  delete handle;
  return CUBLAS_STATUS_SUCCESS;
}
inline cublasStatus_t cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t* layout, cudaDataType_t type,
                                                 std::uint64_t rows, std::uint64_t columns, std::int64_t leading) {
  DVD_EMULATED_CALL;
  *layout = new cublasLtMatrixLayoutOpaque_t{type, rows, columns, leading};
  return CUBLAS_STATUS_SUCCESS;
}
inline cublasStatus_t cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t layout) {
  DVD_EMULATED_CALL;
  delete layout;
  return CUBLAS_STATUS_SUCCESS;
}
inline cublasStatus_t cublasLtMatmulDescCreate(cublasLtMatmulDesc_t* description, cublasComputeType_t compute,
                                               cudaDataType_t scale) {
  DVD_EMULATED_CALL;
  *description = new cublasLtMatmulDescOpaque_t{compute, scale};
  return CUBLAS_STATUS_SUCCESS;
}
inline cublasStatus_t cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t description) {
  DVD_EMULATED_CALL;
  delete description;
  return CUBLAS_STATUS_SUCCESS;
}
inline cublasStatus_t cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t* preference) {
  DVD_EMULATED_CALL;
  *preference = new cublasLtMatmulPreferenceOpaque_t;
  return CUBLAS_STATUS_SUCCESS;
}
inline cublasStatus_t cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t preference) {
  DVD_EMULATED_CALL;
  delete preference;
  return CUBLAS_STATUS_SUCCESS;
}

namespace emulated_cublaslt {

/// The value of an attribute, if it has the size of its place.
template <class Value>
cublasStatus_t assign(Value& place, const void* value, std::size_t bytes) {
  if (!value || bytes != sizeof(Value)) return CUBLAS_STATUS_INVALID_VALUE;
  std::memcpy(&place, value, bytes);
  return CUBLAS_STATUS_SUCCESS;
}

enum AlgorithmWord { identifier, tile, splits, reduction, workspace, alignment };

struct Matrices {
  const cublasLtMatmulDescOpaque_t& description;
  const cublasLtMatrixLayoutOpaque_t &a, &b, &c, &d;

  static bool valid(const cublasLtMatrixLayoutOpaque_t& layout) {
    return layout.rows > 0 && layout.columns > 0 && layout.leading >= static_cast<std::int64_t>(layout.rows) &&
           layout.batches >= 1;
  }
  cublasStatus_t check() const {
    for (const auto* layout : {&a, &b, &c, &d})
      if (!valid(*layout)) return CUBLAS_STATUS_INVALID_VALUE;
    const bool first = description.first_operation == CUBLAS_OP_T, second = description.second_operation == CUBLAS_OP_T;
    if ((first ? a.columns : a.rows) != d.rows || (second ? b.rows : b.columns) != d.columns ||
        (first ? a.rows : a.columns) != (second ? b.columns : b.rows))
      return CUBLAS_STATUS_INVALID_VALUE;
    if (c.rows != d.rows || c.columns != d.columns || a.batches != d.batches || b.batches != d.batches ||
        c.batches != d.batches)
      return CUBLAS_STATUS_INVALID_VALUE;
    if (a.type != b.type || c.type != d.type || (d.type != a.type && d.type != CUDA_R_32F))
      return CUBLAS_STATUS_NOT_SUPPORTED;
    if (description.scale != CUDA_R_32F ||
        (description.compute == CUBLAS_COMPUTE_32F_FAST_TF32 && a.type != CUDA_R_32F))
      return CUBLAS_STATUS_NOT_SUPPORTED;
    if (description.epilogue == CUBLASLT_EPILOGUE_BIAS && !description.bias) return CUBLAS_STATUS_INVALID_VALUE;
    return CUBLAS_STATUS_SUCCESS;
  }
};

inline bool aligned(const void* array, std::uint64_t bytes) {
  return reinterpret_cast<std::uintptr_t>(array) % bytes == 0;
}

}  // namespace emulated_cublaslt

inline cublasStatus_t cublasLtMatrixLayoutSetAttribute(cublasLtMatrixLayout_t layout,
                                                       cublasLtMatrixLayoutAttribute_t name, const void* value,
                                                       std::size_t bytes) {
  DVD_EMULATED_CALL;
  if (name == CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT) return emulated_cublaslt::assign(layout->batches, value, bytes);
  return emulated_cublaslt::assign(layout->batch_offset, value, bytes);
}
inline cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t description,
                                                     cublasLtMatmulDescAttributes_t name, const void* value,
                                                     std::size_t bytes) {
  DVD_EMULATED_CALL;
  using emulated_cublaslt::assign;
  switch (name) {
    case CUBLASLT_MATMUL_DESC_TRANSA:
      return assign(description->first_operation, value, bytes);
    case CUBLASLT_MATMUL_DESC_TRANSB:
      return assign(description->second_operation, value, bytes);
    case CUBLASLT_MATMUL_DESC_EPILOGUE:
      return assign(description->epilogue, value, bytes);
    default:
      return assign(description->bias, value, bytes);
  }
}
inline cublasStatus_t cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t preference,
                                                           cublasLtMatmulPreferenceAttributes_t name, const void* value,
                                                           std::size_t bytes) {
  DVD_EMULATED_CALL;
  using emulated_cublaslt::assign;
  if (name == CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES) return assign(preference->workspace, value, bytes);
  if (name == CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK) return assign(preference->reductions, value, bytes);
  return assign(preference->alignments[name - CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES], value, bytes);
}

inline cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t handle, cublasLtMatmulDesc_t description,
                                                     cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
                                                     cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d,
                                                     cublasLtMatmulPreference_t preference, int requested,
                                                     cublasLtMatmulHeuristicResult_t* results, int* count) {
  DVD_EMULATED_CALL;
  using namespace emulated_cublaslt;
  *count = 0;
  if (!handle || requested < 1) return CUBLAS_STATUS_INVALID_VALUE;
  if (const auto status = Matrices{*description, *a, *b, *c, *d}.check(); status != CUBLAS_STATUS_SUCCESS)
    return status;
  const std::uint64_t least = *std::min_element(std::begin(preference->alignments), std::end(preference->alignments));
  cublasLtMatmulHeuristicResult_t& result = results[0];
  result = {};
  auto& data = result.algo.data;
  data[identifier] = 21;
  data[tile] = 20;
  data[alignment] = least >= 16 ? 16 : least;
  if (preference->reductions & CUBLASLT_REDUCTION_SCHEME_INPLACE) {
    data[splits] = 4;
    data[reduction] = CUBLASLT_REDUCTION_SCHEME_INPLACE;
  } else if (preference->workspace >= 4096 && (preference->reductions & CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE)) {
    data[splits] = 4;
    data[reduction] = CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE;
    data[workspace] = 4096;
  }
  result.workspaceSize = data[workspace];
  result.state = CUBLAS_STATUS_SUCCESS;
  *count = 1;
  return CUBLAS_STATUS_SUCCESS;
}

inline cublasStatus_t cublasLtMatmulAlgoConfigGetAttribute(const cublasLtMatmulAlgo_t* algorithm,
                                                           cublasLtMatmulAlgoConfigAttributes_t name, void* value,
                                                           std::size_t bytes, std::size_t* written) {
  DVD_EMULATED_CALL;
  if (bytes != sizeof(std::uint32_t)) return CUBLAS_STATUS_INVALID_VALUE;
  const auto word = name < 4 ? static_cast<std::uint32_t>(algorithm->data[name]) : std::uint32_t{0};
  std::memcpy(value, &word, bytes);
  if (written) *written = bytes;
  return CUBLAS_STATUS_SUCCESS;
}

namespace emulated_cublaslt {

/// What a product is to the count of work: its operations, and the bytes of its arrays, each once.
inline EmulatedWork described(const Matrices& matrices, bool accumulates) {
  const auto bytes = [](const cublasLtMatrixLayoutOpaque_t& layout) {
    return static_cast<double>(layout.rows * layout.columns) * layout.batches * (layout.type == CUDA_R_32F ? 4 : 2);
  };
  EmulatedWork work{EmulatedWork::product, "product"};
  const auto& [description, a, b, c, d] = matrices;
  work.read = bytes(a) + bytes(b) + (accumulates ? bytes(c) : 0);
  work.written = bytes(d);
  work.flop = 2.0 * static_cast<double>(d.rows * d.columns) * d.batches *
              static_cast<double>(description.first_operation == CUBLAS_OP_T ? a.rows : a.columns);
  return work;
}

}  // namespace emulated_cublaslt

inline cublasStatus_t cublasLtMatmul(cublasLtHandle_t handle, cublasLtMatmulDesc_t description, const void* alpha_at,
                                     const void* a, cublasLtMatrixLayout_t a_layout, const void* b,
                                     cublasLtMatrixLayout_t b_layout, const void* beta_at, const void* c,
                                     cublasLtMatrixLayout_t c_layout, void* d, cublasLtMatrixLayout_t d_layout,
                                     const cublasLtMatmulAlgo_t* algorithm, void* space, std::size_t bytes,
                                     cudaStream_t stream) {
  DVD_EMULATED_CALL;
  using namespace emulated_cublaslt;
  using namespace emulated_numbers;
  if (!handle || !algorithm || !a || !b || !c || !d) return CUBLAS_STATUS_INVALID_VALUE;
  if (const auto status = Matrices{*description, *a_layout, *b_layout, *c_layout, *d_layout}.check();
      status != CUBLAS_STATUS_SUCCESS)
    return status;
  const std::uint64_t alignment_wanted = algorithm->data[alignment], space_wanted = algorithm->data[workspace];
  if (space_wanted > bytes || (space_wanted > 0 && !space)) return CUBLAS_STATUS_INVALID_VALUE;
  for (const void* array : {a, b, c, static_cast<const void*>(d)})
    if (!aligned(array, alignment_wanted)) return CUBLAS_STATUS_INVALID_VALUE;
  const double alpha = static_cast<double>(*static_cast<const float*>(alpha_at)),
               beta = static_cast<double>(*static_cast<const float*>(beta_at));
  // Any order, made large: each run a little more.
  static int runs = 0;
  const bool any_order = algorithm->data[reduction] == CUBLASLT_REDUCTION_SCHEME_INPLACE;
  EmulatedGpu::instance().submit(
      stream,
      [=, what = *description, first = *a_layout, second = *b_layout, added = *c_layout, result = *d_layout] {
        if (space_wanted > 0) std::memset(space, 0xA5, space_wanted);
        const double drift = any_order ? 1 + std::ldexp(++runs % 100, -10) : 1;
        const int fraction = what.compute == CUBLAS_COMPUTE_32F_FAST_TF32 ? 10 : 23;
        const auto type_of = [](const cublasLtMatrixLayoutOpaque_t& layout) {
          return layout.type == CUDA_R_32F ? Type::float32 : Type::bfloat16;
        };
        const Index rows = static_cast<Index>(result.rows), columns = static_cast<Index>(result.columns),
                    depth = static_cast<Index>(what.first_operation == CUBLAS_OP_T ? first.rows : first.columns),
                    batches = result.batches;
        // The first side, as the product takes it: [batches, depth, rows].
        Numbers left(static_cast<std::size_t>(batches * depth * rows));
        dvd::cpu::parallel_for(batches * depth, [&](Index i) {
          const Index batch = i / depth, k = i % depth;
          for (Index row = 0; row < rows; ++row)
            left[static_cast<std::size_t>(i * rows + row)] = rounded(
                load(type_of(first), a,
                     batch * first.batch_offset +
                         (what.first_operation == CUBLAS_OP_T ? row * first.leading + k : k * first.leading + row)),
                fraction);
        });
        dvd::cpu::parallel_for(batches * columns, [&](Index i) {
          const Index batch = i / columns, column = i % columns;
          Numbers sums(static_cast<std::size_t>(rows));
          for (Index k = 0; k < depth; ++k)
            add_multiple(rows,
                         rounded(load(type_of(second), b,
                                      batch * second.batch_offset + (what.second_operation == CUBLAS_OP_T
                                                                         ? k * second.leading + column
                                                                         : column * second.leading + k)),
                                 fraction),
                         left.data() + (batch * depth + k) * rows, sums.data());
          for (Index row = 0; row < rows; ++row) {
            double value = alpha * drift * sums[static_cast<std::size_t>(row)];
            if (beta != 0)
              value += beta * load(type_of(added), c, batch * added.batch_offset + column * added.leading + row);
            if (what.epilogue == CUBLASLT_EPILOGUE_BIAS) value += load(type_of(result), what.bias, row);
            store(type_of(result), d, batch * result.batch_offset + column * result.leading + row, value);
          }
        });
      },
      [&] {
        return described({*description, *a_layout, *b_layout, *c_layout, *d_layout}, beta != 0);
      });
  return CUBLAS_STATUS_SUCCESS;
}

#undef DVD_EMULATED_CALL
