// Orthogonal initialisation (Saxe, McClelland, Ganguli 2013), as BigGAN uses it for every weight.
#pragma once

#include <Eigen/Core>

#include "dvd/core/parameter.hpp"
#include "dvd/core/random.hpp"
#include "dvd/device/cpu/parallel.hpp"

namespace dvd {

namespace detail {

/// Makes the rows of a matrix `[count, length]`, count <= length, orthonormal, by modified Gram-Schmidt: from every row
/// its part along each row before is taken away, twice, because once is not enough in floating point (Giraud, Langou
/// 2005). Rows go in blocks: a block is cleared of all rows before it, on all cores, and then within itself.
inline void orthonormalize_rows(Index count, Index length, float* matrix) {
  using Row = Eigen::Map<Eigen::VectorXf>;
  constexpr Index block = 32;
  const auto row = [=](Index i) { return Row(matrix + i * length, length); };
  const auto clear = [&](Index i, Index first, Index last) {
    Row target = row(i);
    for (Index j = first; j < last; ++j) target -= row(j).dot(target) * row(j);
  };
  for (Index begin = 0; begin < count; begin += block) {
    const Index end = std::min(count, begin + block);
    for (int round = 0; round < 2; ++round) {
      cpu::parallel_for(end - begin, [&](Index i) { clear(begin + i, 0, begin); });
      for (Index i = begin; i < end; ++i) {
        clear(i, begin, i);
        row(i).normalize();
      }
    }
  }
}

}  // namespace detail

/// A matrix `[rows, columns]`, row-major, whose shorter side is orthonormal; uniform among such matrices, as
/// orthonormal directions of Gaussian ones are.
inline Eigen::VectorXf orthogonal_matrix(Index rows, Index columns, const Random& random) {
  const Index length = std::max(rows, columns), count = std::min(rows, columns);
  Eigen::VectorXf directions(rows * columns);
  cpu::parallel_chunks(count * length, 4096, [&](Index begin, Index end) {
    for (Index i = begin; i < end; ++i)
      directions[i] = static_cast<float>(random.normal(static_cast<std::uint64_t>(i)));
  });
  detail::orthonormalize_rows(count, length, directions.data());
  if (rows <= columns) return directions;
  Eigen::VectorXf transposed(directions.size());
  for (Index i = 0; i < count; ++i)
    for (Index j = 0; j < length; ++j) transposed[j * count + i] = directions[i * length + j];
  return transposed;
}

/// Fills a weight, seen as a matrix `[first axis, rest]`, with an orthogonal one.
template <Scalar T, DeviceMemory D>
void initialize_orthogonal(Parameter<T, D>& weight, const Random& random) {
  const Index rows = weight.value.extent(0);
  const Eigen::VectorXf matrix = orthogonal_matrix(rows, weight.value.size() / rows, random);
  const std::vector<T> values(matrix.data(), matrix.data() + matrix.size());
  weight.value.assign(values);
}

}  // namespace dvd
