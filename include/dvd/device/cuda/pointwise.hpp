// Kernels that treat every element alone, copies, and the gates of the ConvGRU. All are bound by memory.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <cstdint>
#include <vector>

#include "dvd/core/arrays.hpp"
#include "dvd/core/gru_gates.hpp"
#include "dvd/core/random.hpp"
#include "dvd/device/cuda/scalar.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::cuda {

/// Pointwise kernels of the contract; see core/device.hpp.
struct Pointwise {
  template <CudaScalar T>
  static void fill(Index size, T value, T* y);
  template <CudaScalar T>
  static void add(Index size, const T* x, T* y);
  template <CudaScalar T>
  static void scale(Index size, T factor, const T* x, T* y);
  template <CudaScalar T>
  static void relu(Index size, const T* x, T* y);
  template <CudaScalar T>
  static void relu_backward(Index size, const T* y, const T* dy, T* dx);
  template <CudaScalar T>
  static void sigmoid(Index size, const T* x, T* y);
  template <CudaScalar T>
  static void sigmoid_backward(Index size, const T* y, const T* dy, T* dx);
  template <CudaScalar T>
  static void tanh(Index size, const T* x, T* y);
  template <CudaScalar T>
  static void tanh_backward(Index size, const T* y, const T* dy, T* dx);
  template <CudaScalar T>
  static void blend(Index size, const T* gate, const T* x, const T* y, T* z);
  template <CudaScalar T>
  static void blend_backward(Index size, const T* gate, const T* x, const T* y, const T* dz, T* dgate, T* dx, T* dy);
  template <CudaScalar From, CudaScalar To>
  static void convert(Index size, const From* x, To* y);
  template <CudaScalar T>
  static void copy_rows(Index blocks, Index rows, Index width, const T* x, Index x_block, Index x_row, T* y,
                        Index y_block, Index y_row);
  template <CudaScalar T>
  static void copy_rows(const std::vector<RowsToCopy<T>>& list);
  // The libraries read and write whole arrays, and add to them.
  static constexpr bool gru_gates_apart = true;
  template <CudaScalar T>
  static void gru_reset(Index rows, Index width, const GruGates<T>& gates, const T* state, T* reset_state,
                        bool keep = true);
  template <CudaScalar T>
  static void gru_output(Index rows, Index width, const GruGates<T>& gates, const T* state, T* output,
                         bool tanh_candidate = false, bool keep = true);
  template <CudaScalar T>
  static void gru_output_backward(Index rows, Index width, const GruGates<const T>& gates, const T* state,
                                  const T* doutput, const T* added, const GruGates<T>& dgates, T* dstate,
                                  bool tanh_candidate = false);
  template <CudaScalar T>
  static void gru_reset_backward(Index rows, Index width, const GruGates<const T>& gates, const T* state,
                                 const T* dreset_state, const GruGates<T>& dgates, T* dstate);
  template <CudaScalar T>
  static void multiply_columns(Index rows, Index width, const T* x, Index x_row, const T* y, T* z);
  template <CudaScalar T>
  static void moving_average(Index size, T decay, const T* x, T* average);
};

/// Pointwise kernels of the contract that take a function or random numbers; see core/device.hpp.
struct Mapping {
  // Compiled for the functions of layers/functions.hpp. A program with a function of its own compiles these kernels for
  // it: see device/cuda/map.cuh.
  template <class Function, CudaScalar T>
  static void map(Index size, const Function& function, const T* x, T* y);
  template <class Function, CudaScalar T>
  static void map(Index size, const Function& function, const T* x, const T* y, T* z);
  template <CudaScalar T>
  static void dropout(Index size, const Random& random, std::uint64_t first, double probability, const T* x, T* y);
};

/// Kernels of a ConvLSTM's gates of the contract; see core/device.hpp.
struct Lstm {
  template <CudaScalar T>
  static void lstm_output(Index rows, Index width, T* gates, const float* before, float* cell, T* y);
  template <CudaScalar T>
  static void lstm_output_backward(Index rows, Index width, const T* gates, const float* before, const float* cell,
                                   const T* dy, const T* added, float* dcell, T* dgates);
};

/// Kernels over lists of arrays of the contract, each one launch for hundreds of arrays; see core/device.hpp.
struct Lists {
  static void adam(const std::vector<AdamArrays<float>>& arrays, float beta1, float beta2, float epsilon,
                   const float* rates, const float* apply);
  static void momentum(const std::vector<MomentumArrays<float>>& arrays, float momentum, bool nesterov,
                       float weight_decay, const float* rate, const float* apply);
  static void fill_arrays(const std::vector<MutableArray<float>>& arrays, float value);
  static void scale_arrays(const std::vector<MutableArray<float>>& arrays, const float* factor, const float* apply);
  static void follow(const std::vector<ArrayPair<float>>& arrays, const float* decay, const float* apply);
  static void copy_arrays(const std::vector<ArrayPair<float>>& arrays, const float* unless);
  static void sum_squares(const std::vector<ArrayView<float>>& arrays, float* result);
  static void check_finite(const std::vector<ArrayView<float>>& arrays, float* finite);
};

}  // namespace dvd::cuda

#include "dvd/core/macros_end.hpp"
