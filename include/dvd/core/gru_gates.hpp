// Where the gates of a ConvGRU's step lie.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include "dvd/core/shape.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// The gates of a number of rows, `width` elements each: a row's reset and update gates side by side, and its
/// candidate. They may lie in one array `[rows, 3 * width]`, reset | update | candidate, or in two, `[rows, 2 * width]`
/// and `[rows, width]`.
template <class T>
struct GruGates {
  T* reset;         ///< of the first row; its update gate follows
  Index reset_row;  ///< distance between rows
  T* candidate;     ///< of the first row
  Index candidate_row;
};

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
