// Orthogonal initialisation (Saxe, McClelland, Ganguli 2013), as BigGAN uses it for every weight.
#pragma once

#include <Eigen/QR>

#include "dvd/core/parameter.hpp"
#include "dvd/core/random.hpp"

namespace dvd {

/// A matrix `[rows, columns]`, row-major, whose shorter side is orthonormal; uniform among such matrices.
inline Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor> orthogonal_matrix(Index rows,
                                                                                               Index columns,
                                                                                               const Random& random) {
  const Index tall = std::max(rows, columns), narrow = std::min(rows, columns);
  Eigen::MatrixXf gaussian(tall, narrow);
  for (Index i = 0; i < gaussian.size(); ++i)
    gaussian.data()[i] = static_cast<float>(random.normal(static_cast<std::uint64_t>(i)));
  const Eigen::HouseholderQR<Eigen::MatrixXf> decomposition(gaussian);
  Eigen::MatrixXf q = decomposition.householderQ() * Eigen::MatrixXf::Identity(tall, narrow);
  // The signs of R's diagonal make the distribution uniform (Mezzadri 2007).
  for (Index i = 0; i < narrow; ++i)
    if (decomposition.matrixQR()(i, i) < 0) q.col(i) *= -1;
  if (rows < columns) return q.transpose();
  return q;
}

/// Fills a weight, seen as a matrix `[first axis, rest]`, with an orthogonal one.
template <Scalar T, DeviceMemory D>
void initialize_orthogonal(Parameter<T, D>& weight, const Random& random) {
  const Index rows = weight.value.extent(0);
  const auto matrix = orthogonal_matrix(rows, weight.value.size() / rows, random);
  const std::vector<T> values(matrix.data(), matrix.data() + matrix.size());
  weight.value.assign(values);
}

}  // namespace dvd
