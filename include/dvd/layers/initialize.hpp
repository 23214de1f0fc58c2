// Orthogonal initialisation (Saxe, McClelland, Ganguli 2013), as BigGAN uses it for every weight.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <vector>

#include "dvd/core/parameter.hpp"
#include "dvd/core/random.hpp"
#include "dvd/device/cpu/orthogonal.hpp"
#include "dvd/device/cpu/weights.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// A matrix `[rows, columns]`, row-major, whose shorter side is orthonormal; uniform among such matrices, as
/// orthonormal directions of Gaussian ones are.
inline std::vector<float> orthogonal_matrix(Index rows, Index columns, const Random& random) {
  const Index length = std::max(rows, columns), count = std::min(rows, columns);
  const cpu::Scratch<float> scratch(count * length);
  float* const directions = scratch.data();
  cpu::Weights::random_normal(count * length, random, 1.0f, directions);
  cpu::orthonormalize_rows(count, length, directions);
  std::vector<float> result(directions, directions + count * length);
  if (rows > columns)
    for (Index i = 0; i < count; ++i)
      for (Index j = 0; j < length; ++j) result[static_cast<std::size_t>(j * count + i)] = directions[i * length + j];
  return result;
}

/// Fills a weight, seen as a matrix `[first axis, rest]`, with an orthogonal one; leaves it where `random` is none.
template <Scalar T, DeviceMemory D>
void initialize_orthogonal(Parameter<T, D>& weight, const Random& random) {
  if (random.is_none()) return;
  const Index rows = weight.value.extent(0);
  const std::vector<float> matrix = orthogonal_matrix(rows, weight.value.size() / rows, random);
  weight.value.assign(std::vector<T>(matrix.begin(), matrix.end()));
}

}  // namespace dvd::inline DVD_INSTRUCTION_SET

#include "dvd/core/macros_end.hpp"
