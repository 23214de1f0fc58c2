// Orthogonal initialisation (Saxe, McClelland, Ganguli 2013), as BigGAN uses it for every weight.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <concepts>
#include <vector>

#include "dvd/core/parameter.hpp"
#include "dvd/core/random.hpp"
#include "dvd/device/cpu/orthogonal.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// A matrix `[rows, columns]`, row-major, whose shorter side is orthonormal; uniform among such matrices.
inline std::vector<float> orthogonal_matrix(Index rows, Index columns, const Random& random) {
  const cpu::Scratch<float> matrix(rows * columns);
  cpu::random_orthogonal(rows, columns, random, matrix.data());
  return {matrix.data(), matrix.data() + rows * columns};
}

/// Fills a weight, seen as a matrix `[first axis, rest]`, with an orthogonal one; leaves it where `random` is none.
template <Scalar T, DeviceMemory D>
void initialize_orthogonal(Parameter<T, D>& weight, const Random& random) {
  if (random.is_none()) return;
  const Index rows = weight.value.extent(0), columns = weight.value.size() / rows;
  if constexpr (std::same_as<T, float> && std::same_as<D, Cpu>) {
    cpu::random_orthogonal(rows, columns, random, weight.value.data());
  } else {
    const std::vector<float> matrix = orthogonal_matrix(rows, columns, random);
    weight.value.assign(std::vector<T>(matrix.begin(), matrix.end()));
  }
}

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
