// Lists of arrays that one kernel works on together: what an optimizer does to all parameters of a network.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <vector>

#include "dvd/core/bfloat16.hpp"
#include "dvd/core/shape.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// An array to look at.
template <class T>
struct ArrayView {
  Index size;
  const T* x;
};

/// An array to change.
template <class T>
struct MutableArray {
  Index size;
  T* x;
};

/// Two arrays of one size: what is read and what is changed.
template <class T>
struct ArrayPair {
  Index size;
  const T* x;
  T* y;
};

/// Blocks of rows to copy: what `copy_rows` is given. Rows and blocks may lie backwards, at negative distances.
template <class T>
struct RowsToCopy {
  Index blocks, rows, width;
  const T* x;
  Index x_block, x_row;
  T* y;
  Index y_block, y_row;
};

/// A parameter under Adam, with its gradient and its running moments.
template <class T>
struct AdamArrays {
  Index size;
  const T* gradient;
  T* weight;
  T* average;
  T* average_square;
};

/// A parameter under gradient descent with momentum, with its gradient and its velocity.
template <class T>
struct MomentumArrays {
  Index size;
  const T* gradient;
  T* weight;
  T* velocity;
};

/// A weight, seen as a matrix, and what a power iteration on it reads and makes.
template <class T>
struct SpectralArrays {
  Index rows, columns;
  const T* weight;  ///< [rows, columns]
  T* u;             ///< [rows]
  T* v;             ///< [columns]
  T* sigma;         ///< one number
};

/// Running statistics that are to follow a batch's, as `follow_statistics` says.
template <class T>
struct RunningStatistics {
  T decay, unbias;
  T *mean, *variance;
};

/// A weight and its packed form, which is to be made: what `pack_weight` is given.
template <class T>
struct WeightToPack {
  Index outputs, inputs, taps;
  const FullPrecision<T>* weight;  ///< [outputs, inputs, taps]
  const FullPrecision<T>* sigma;   ///< one number, or null
  T* packed;                       ///< [taps, inputs, outputs]
};

/// The gradient of a packed weight, from which that of the weight follows: what `unpack_weight_gradient` is given.
template <class T>
struct WeightGradientToUnpack {
  Index outputs, inputs, taps;
  const T *dpacked, *packed;
  const FullPrecision<T>*sigma, *u, *v;  ///< null where nothing was divided
  FullPrecision<T>* dweight;             ///< [outputs, inputs, taps], added to
  bool filters = false;                  ///< dpacked and packed lie as a device's filters do
  bool pool = false;                     ///< of a convolution whose outputs are averaged over 2x2 pixels
};

/// A packed weight that a convolution is to read, and the bias [outputs] that goes with it, or null.
template <class T>
struct PackedWeight {
  Index outputs, inputs, taps;
  const T* packed;  ///< [taps, inputs, outputs]
  const FullPrecision<T>* bias = nullptr;
  bool pool = false;  ///< the convolution's outputs are averaged over 2x2 pixels
};

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
