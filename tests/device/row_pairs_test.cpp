// Inner products and distances of all pairs of rows, against plain loops.
#include "dvd/device/cpu/row_pairs.hpp"

#include <doctest/doctest.h>

#include "support/random_rows.hpp"

namespace {

using namespace dvd;
using dvd::testing::random_rows;

template <class Term>
void check_against_loops(Index length, Index a_rows, Index b_rows) {
  CAPTURE(length);
  const FeatureRows a = random_rows(1, a_rows, length), b = random_rows(2, b_rows, length);
  cpu::RowPairs<Term> pairs;
  pairs.compute(length, a.values.data(), a_rows, b.values.data(), b_rows);
  cpu::RowPairs<Term> exchanged;
  exchanged.compute(length, b.values.data(), b_rows, a.values.data(), a_rows);
  for (Index i = 0; i < a_rows; ++i)
    for (Index j = 0; j < b_rows; ++j) {
      double sum = 0, magnitudes = 0;
      for (Index k = 0; k < length; ++k) {
        const double x = a.row(i)[static_cast<std::size_t>(k)], y = b.row(j)[static_cast<std::size_t>(k)];
        sum = Term::add(sum, x, y);
        magnitudes += (std::abs(x) + std::abs(y)) * (std::abs(x) + std::abs(y));
      }
      // Sums of `length` terms, here with other roundings of the single products.
      CHECK(std::abs(pairs(i, j) - sum) <= static_cast<double>(length) * 0x1p-52 * magnitudes);
      CHECK(pairs(i, j) == exchanged(j, i));
      cpu::RowPairs<Term> alone;
      if ((i + j) % 7 != 0) continue;
      alone.compute(length, a.row(i).data(), 1, b.row(j).data(), 1);
      CHECK(alone(0, 0) == pairs(i, j));
    }
}

TEST_CASE("pairs of rows are those of plain loops, whichever others are there") {
  for (const Index length : {1, 3, 255, 256, 257, 700}) {
    check_against_loops<cpu::InnerProduct>(length, 5, 19);
    check_against_loops<cpu::SquaredDistance>(length, 13, 6);
  }
  check_against_loops<cpu::SquaredDistance>(40, 64, 64);
  check_against_loops<cpu::InnerProduct>(40, 64, 64);
}

TEST_CASE("equal rows are at distance 0, however long") {
  const FeatureRows a = random_rows(3, 4, 500, 1, 1e6);
  cpu::RowPairs<cpu::SquaredDistance> pairs;
  pairs.compute(500, a.values.data(), 4, a.values.data(), 4);
  for (Index i = 0; i < 4; ++i) CHECK(pairs(i, i) == 0);
}

}  // namespace
