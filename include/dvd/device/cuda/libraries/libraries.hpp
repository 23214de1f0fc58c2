// What is asked of the vendor's libraries: convolutions of cuDNN, matrix products of cuBLASLt.
#pragma once

#include <string>
#include <vector>

#include "dvd/device/cuda/scalar.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::cuda {

enum class NumberType { float32, bfloat16 };

template <CudaScalar T>
constexpr NumberType number_type = std::same_as<T, bfloat16> ? NumberType::bfloat16 : NumberType::float32;

/// A convolution of x `[images, frames, height, width, inputs]` to y `[images, frames, y_height, y_width, outputs]`
/// with a weight `[outputs, kernel_frames, kernel, kernel, inputs]`, all dense, of numbers of one type. kernel_frames
/// is 1, and frames then too, or 3. The kernel is 3x3, of stride 1 and "same" zero padding, or, if `halved`, 4x4 of
/// stride 2 over the same padding, one pixel all around: y then has half the height and width of x, rounded down.
struct ConvolutionProblem {
  NumberType type;
  Index images, frames, height, width, inputs, outputs, kernel_frames;
  bool halved = false;

  Index kernel() const { return halved ? 4 : 3; }
  Index stride() const { return halved ? 2 : 1; }
  Index y_height() const { return height / stride(); }
  Index y_width() const { return width / stride(); }
  Index taps() const { return kernel_frames * kernel() * kernel(); }

  friend bool operator==(const ConvolutionProblem&, const ConvolutionProblem&) = default;
};

/// y = x * weight, plus a bias `[outputs]`, of numbers of the same type, where that is not null, plus y, if
/// `accumulate`; with a bias and without y then max(., 0), if `rectify`.
void library_convolve(const ConvolutionProblem& problem, const void* x, const void* weight, const void* bias, void* y,
                      bool accumulate, bool rectify);
/// The gradient of x, or dx + that.
void library_convolve_backward_input(const ConvolutionProblem& problem, const void* dy, const void* weight, void* dx,
                                     bool accumulate);
/// The gradient of the weight.
void library_convolve_backward_weight(const ConvolutionProblem& problem, const void* x, const void* dy, void* dweight);

/// y[row] += bias, then max(., 0) if `rectify`, for where the library does not do so itself; our own kernel.
void add_bias(NumberType type, Index rows, Index channels, const void* bias, bool rectify, void* y);
/// y += x, likewise.
void add_array(NumberType type, Index size, const void* x, void* y);

/// One side of a product: a row-major matrix whose rows lie `row` elements apart; `transposed` if the product takes its
/// transpose. In a batch of products, matrices lie `batch` elements apart.
struct ProductSide {
  const void* data;
  Index row;
  bool transposed = false;
  Index batch = 0;
};

/// result = a b (+ result, if `accumulate`) (+ bias of every column), a being [rows, depth], b [depth, columns] and the
/// result [rows, columns], row-major.
struct ProductProblem {
  NumberType type;
  Index rows, columns, depth;
  bool accumulate = false;
  Index batches = 1;
  NumberType result_type = type;  ///< float32, or that of the sides
};

/// `bias` is null or of the result's type.
void library_multiply(const ProductProblem& problem, const ProductSide& a, const ProductSide& b, void* result,
                      Index result_row, Index result_batch, const void* bias);

/// What the libraries compute with, a line for every kind of convolution or product that there has been so far:
/// "a 3x3 convolution of ... -> engine 5 (knobs 2=1), tensor cores, 0 bytes of workspace". Where two installations
/// differ in bits, these lines show whether they differ in engines.
std::vector<std::string> convolution_plans();
std::vector<std::string> product_plans();

}  // namespace dvd::cuda
