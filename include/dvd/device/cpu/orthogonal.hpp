// Random matrices with orthonormal rows, by block Gram-Schmidt: nearly all of its work is matrix products, which the
// product kernel does at the arithmetic's speed. For the widest layers of the paper see cholesky_orthogonal.hpp.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <algorithm>

#include "dvd/device/cpu/cholesky_orthogonal.hpp"
#include "dvd/device/cpu/convolution.hpp"
#include "dvd/device/cpu/eigen_arrays.hpp"
#include "dvd/device/cpu/weights.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::cpu {

/// Makes the rows of a matrix `[count, length]` from the arena, count <= length, orthonormal in place, each row within
/// the span of itself and those before it. Every block of rows is cleared of its part along the rows before it, then
/// made orthonormal within itself; and all that twice, because once is not enough in floating point (Giraud, Langou
/// 2005).
template <class T>
void orthonormalize_rows(Index count, Index length, T* matrix) {
  using Row = Eigen::Map<Eigen::Matrix<T, Eigen::Dynamic, 1>, Eigen::Unaligned, detail::Contiguous>;
  constexpr Index block = 32;
  const Scratch<T> transposed(length * block), along(count * block);
  for (Index begin = 0; begin < count; begin += block) {
    const Index rows = std::min(block, count - begin);
    T* const current = matrix + begin * length;
    for (int round = 0; round < 2; ++round) {
      if (begin > 0) {
        // along[j, i] = -<row j, row begin + i>
        parallel_chunks(length, 512, [&](Index first, Index last) {
          for (Index c = first; c < last; ++c)
            for (Index i = 0; i < rows; ++i) transposed.data()[c * rows + i] = -current[i * length + c];
        });
        const Filter<T> filter(Method::rows, 1, length, rows, transposed.data());
        detail::multiply_rows<T>(begin, length, rows, matrix, length, filter, nullptr, along.data(), rows, false);
        // row begin + i += sum over j of along[j, i] * row j
        const ProductStrides<T> strides{1, begin, 1, 0, rows, 0, length, true};
        RowGroup groups[block / group_rows];
        Index group_count = 0;
        for (Index i = 0; i < rows; i += group_rows)
          groups[group_count++] = {i, i * length, std::min(group_rows + Index{0}, rows - i)};
        parallel_chunks(length, 512, [&](Index first, Index last) {
          product(strides, along.data(), matrix + first, current + first, length, groups, group_count, last - first,
                  nullptr);
        });
      }
      // A finished row is taken out of all rows after it, which do not wait for each other.
      for (Index i = 0; i < rows; ++i) {
        Row done(current + i * length, length);
        done.normalize();
        parallel_chunks(rows - i - 1, std::max<Index>(1, pointwise_grain / length), [&](Index first, Index last) {
          for (Index j = i + 1 + first; j < i + 1 + last; ++j) {
            Row row(current + j * length, length);
            row -= done.dot(row) * done;
          }
        });
      }
    }
  }
}

/// Fills an array from the arena with a matrix `[rows, columns]`, row-major, whose shorter side is orthonormal; uniform
/// among such matrices, as orthonormal directions of Gaussian ones are.
template <class T>
void random_orthogonal(Index rows, Index columns, const Random& random, T* matrix) {
  const bool tall = rows > columns;
  const Index length = std::max(rows, columns), count = std::min(rows, columns);
  // A constant of the format: which method makes a matrix decides its bits.
  constexpr Index large = Index{3} << 20;
  if (count * length >= large && 2 * count <= length)
    return CholeskyOrthogonal<T>(count, length, random).write(tall, matrix);
  const Scratch<T> scratch(tall ? count * length : 0);
  T* const directions = tall ? scratch.data() : matrix;
  Weights::random_normal(count * length, random, T{1}, directions);
  orthonormalize_rows(count, length, directions);
  if (tall) Weights::transpose(1, count, length, directions, matrix);
}

}  // namespace dvd::cpu

#include "dvd/core/macros_end.hpp"
