// Orthogonal initialisation: what it promises, for tall, wide and square matrices over several blocks of rows.
#include "dvd/layers/initialize.hpp"

#include <doctest/doctest.h>

#include "dvd/device/cpu.hpp"

namespace {
constexpr double orthogonality = 2e-6;  // largest error of an inner product of two rows of up to 600 floats
}

TEST_CASE("the shorter side of an orthogonal matrix is orthonormal") {
  const std::pair<dvd::Index, dvd::Index> sizes[] = {{1, 1},   {1, 7},   {7, 1},     {3, 27},   {32, 32},
                                                     {33, 40}, {40, 33}, {100, 600}, {600, 65}, {130, 130}};
  for (const auto& [rows, columns] : sizes) {
    CAPTURE(rows);
    const auto matrix = dvd::orthogonal_matrix(rows, columns, dvd::Random(static_cast<std::uint64_t>(rows)));
    const bool wide = rows <= columns;
    const dvd::Index count = wide ? rows : columns, length = wide ? columns : rows;
    const auto element = [&, width = columns](dvd::Index i, dvd::Index k) {
      return static_cast<double>(matrix[static_cast<std::size_t>(wide ? i * width + k : k * width + i)]);
    };
    double worst = 0;
    for (dvd::Index i = 0; i < count; ++i)
      for (dvd::Index j = 0; j <= i; ++j) {
        double dot = 0;
        for (dvd::Index k = 0; k < length; ++k) dot += element(i, k) * element(j, k);
        worst = std::max(worst, std::abs(dot - (i == j)));
      }
    CHECK(worst < orthogonality);
  }
}

TEST_CASE("the same seed gives the same matrix on any number of threads, another seed another one") {
  std::vector<float> one, two;
  {
    const dvd::ThreadLimit threads(1);
    one = dvd::orthogonal_matrix(70, 300, dvd::Random(5));
  }
  {
    const dvd::ThreadLimit threads(3);
    two = dvd::orthogonal_matrix(70, 300, dvd::Random(5));
  }
  CHECK(one == two);
  CHECK(one != dvd::orthogonal_matrix(70, 300, dvd::Random(6)));
}
