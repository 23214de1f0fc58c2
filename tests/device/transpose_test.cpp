// Columns of matrices, taken some rows at a time.
#include <doctest/doctest.h>

#include <dvd/device/cpu/transpose.hpp>
#include <vector>

using dvd::Index;

namespace {

template <class T>
void check_transpose(Index rows, Index columns) {
  CAPTURE(rows);
  CAPTURE(columns);
  std::vector<T> x(static_cast<std::size_t>(rows * columns) + 16), y(x.size(), T{-1});
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<T>(i);
  dvd::cpu::for_columns<T>(
      rows, columns, [&](Index row) { return x.data() + row * columns; },
      [&](Index column, Index row, const auto& values) { dvd::cpu::store(y.data() + column * rows + row, values); });
  bool all = true;
  for (Index row = 0; row < rows; ++row)
    for (Index column = 0; column < columns; ++column)
      all = all && y[static_cast<std::size_t>(column * rows + row)] == static_cast<T>(row * columns + column);
  CHECK(all);
  CHECK(y[static_cast<std::size_t>(rows * columns)] == T{-1});
}

}  // namespace

TEST_CASE_TEMPLATE("columns of a matrix", T, float, double) {
  for (const Index rows : {1, 2, 3, 4, 7, 8, 15, 16, 17, 33, 64})
    for (const Index columns : {1, 2, 5, 8, 9, 16, 27, 31, 32, 48}) check_transpose<T>(rows, columns);
}
