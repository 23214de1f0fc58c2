// The launches of dvd/device/cuda/parallel.cuh as they are written, block by block on threads of the host: every
// element once, sums whole, tiles in their places.
#include <doctest/doctest.h>

#include <cmath>
#include <numeric>
#include <vector>

#include "dvd/device/cuda/parallel.cuh"
#include "dvd/device/cuda/pool.cuh"
#include "dvd/device/cuda/reduce_rows.cuh"

namespace {

using namespace dvd;
using namespace dvd::cuda;

struct CountEach {
  int* counts;
  void operator()(Index i) const { ++counts[i]; }
};

// y = x + 1, counting how wide the accesses are.
template <class T>
struct AddOne {
  const T* x;
  T* y;
  Index row;

  template <int N>
  void operator()(Index i) const {
    Lanes<N> lanes = load<N>(x + i);
    for (int k = 0; k < N; ++k) lanes[k] += 1;
    store(y + i, lanes);
  }
  template <int N>
  void operator()(Index r, Index column) const {
    operator()<N>(r * row + column);
  }
};

struct SumProducts {
  const int* x;
  Index columns;
  double* result;
  int* finished;

  struct Value {
    double sum, last;
  };
  Value identity() const { return {0, -1}; }
  void add(Index row, Index column, Value& value) const {
    value.sum += x[row * columns + column];
    value.last = std::max(value.last, static_cast<double>(column));
  }
  void combine(Value& value, const Value& other) const {
    value.sum += other.sum;
    value.last = std::max(value.last, other.last);
  }
  void finish(Index row, const Value& value) const {
    result[row] = value.sum + 1e9 * value.last;
    ++finished[row];
  }
};

struct SumOfRows {
  const float* x;
  Index rows, channels;
  double* result;

  using Value = double;
  Value identity() const { return 0; }
  template <int N>
  void add(Index group, Index row, Index channel, Value (&values)[N]) const {
    const Lanes<N> elements = load<N>(x + (group * rows + row) * channels + channel);
    for (int k = 0; k < N; ++k) values[k] += static_cast<double>(elements[k]);
  }
  void combine(Value& value, const Value& other) const { value += other; }
  void finish(Index group, Index channel, const Value& value) const { result[group * channels + channel] = value; }
};

struct Transposed {
  const float* x;
  float* y;
  Index rows, columns;

  float load(Index batch, Index row, Index column) const { return x[(batch * rows + row) * columns + column]; }
  void store(Index batch, Index row, Index column, float value) const {
    y[(batch * columns + column) * rows + row] += value;
  }
};

std::vector<int> numbers(Index size) {
  std::vector<int> result(static_cast<std::size_t>(size));
  for (std::size_t i = 0; i < result.size(); ++i) result[i] = static_cast<int>(i * 7919 % 1009);
  return result;
}

TEST_CASE("every element once") {
  for (const Index size : {1, 31, 256, 257, 5000}) {
    std::vector<int> counts(static_cast<std::size_t>(size), 0);
    for_each(size, CountEach{counts.data()});
    CHECK(counts == std::vector<int>(static_cast<std::size_t>(size), 1));
  }
  for_each(0, CountEach{nullptr});
}

TEST_CASE_TEMPLATE("lanes", T, float, bfloat16) {
  for (const Index size : {1, 7, 8, 64, 1001})
    for (const Index offset : {0, 1}) {
      const auto memory = Memory::allocate(4096 * sizeof(T)), other = Memory::allocate(4096 * sizeof(T));
      T* const x = static_cast<T*>(memory.get()) + offset;
      T* const y = static_cast<T*>(other.get());
      for (Index i = 0; i < size + 1; ++i) {
        x[i] = T(i % 100);
        y[i] = T(-7);
      }
      for_each_lanes<T>(size, AddOne<T>{x, y, 0}, x, y);
      Index wrong = 0;
      for (Index i = 0; i < size; ++i) wrong += static_cast<float>(y[i]) != static_cast<float>(i % 100 + 1);
      CHECK(wrong == 0);
      CHECK(static_cast<float>(y[size]) == -7);
    }
  for (const auto& [rows, columns, row] :
       {std::array<Index, 3>{1, 8, 8}, {5, 16, 24}, {300, 3, 3}, {17, 40, 48}, {3, 700, 700}, {70, 24, 25}}) {
    const auto memory = Memory::allocate(static_cast<std::size_t>(rows * row) * sizeof(T)),
               other = Memory::allocate(static_cast<std::size_t>(rows * row) * sizeof(T));
    T* const x = static_cast<T*>(memory.get());
    T* const y = static_cast<T*>(other.get());
    for (Index i = 0; i < rows * row; ++i) {
      x[i] = T(i % 100);
      y[i] = T(-7);
    }
    for_each_row_lanes<T>(rows, columns, std::gcd(columns, row), AddOne<T>{x, y, row}, x, y);
    Index wrong = 0;
    for (Index i = 0; i < rows * row; ++i)
      wrong += static_cast<float>(y[i]) != (i % row < columns ? static_cast<float>(i % 100 + 1) : -7);
    CHECK(wrong == 0);
  }
}

TEST_CASE("sums along rows, in pieces or whole") {
  for (const auto& [rows, columns] : {std::pair<Index, Index>{1, 1}, {3, 100}, {1, 20000}, {5, 9001}, {60, 33}}) {
    const std::vector<int> x = numbers(rows * columns);
    std::vector<double> result(static_cast<std::size_t>(rows), -1);
    std::vector<int> finished(static_cast<std::size_t>(rows), 0);
    reduce(rows, columns, SumProducts{x.data(), columns, result.data(), finished.data()});
    for (Index row = 0; row < rows; ++row) {
      const double sum = std::accumulate(x.begin() + row * columns, x.begin() + (row + 1) * columns, 0.0);
      CHECK(result[static_cast<std::size_t>(row)] == sum + 1e9 * static_cast<double>(columns - 1));
      CHECK(finished[static_cast<std::size_t>(row)] == 1);
    }
  }
}

TEST_CASE("sums over rows") {
  for (const auto& [groups, rows, channels] : {std::array<Index, 3>{1, 1, 1},
                                               {2, 100, 3},
                                               {1, 1500, 7},
                                               {12, 33, 65},
                                               {3, 0, 4},
                                               {5, 333, 8},
                                               {1, 1000, 48},
                                               {2, 900, 9},
                                               {300, 5, 2}}) {
    const std::vector<int> x = numbers(groups * rows * channels);
    const std::vector<float> from(x.begin(), x.end());
    std::vector<double> result(static_cast<std::size_t>(groups * channels), -1);
    reduce_rows<float>(groups, rows, channels, channels, SumOfRows{from.data(), rows, channels, result.data()},
                       from.data());
    for (Index g = 0; g < groups; ++g)
      for (Index c = 0; c < channels; ++c) {
        double sum = 0;
        for (Index r = 0; r < rows; ++r) sum += x[static_cast<std::size_t>((g * rows + r) * channels + c)];
        CHECK(result[static_cast<std::size_t>(g * channels + c)] == sum);
      }
  }
}

TEST_CASE("sums over rows have the same bits however many channels a thread takes") {
  constexpr Index groups = 3, rows = 1300, channels = 24;
  std::vector<float> x(static_cast<std::size_t>(groups * rows * channels));
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = std::exp(static_cast<float>(i * 7919 % 1009) * 0.04f);
  std::vector<double> alone(static_cast<std::size_t>(groups * channels), -1), wide(alone);
  reduce_rows<float>(groups, rows, channels, 1, SumOfRows{x.data(), rows, channels, alone.data()}, x.data());
  reduce_rows<float>(groups, rows, channels, channels, SumOfRows{x.data(), rows, channels, wide.data()}, x.data());
  CHECK(alone == wide);
}

// Notes how many bits its positions have.
struct NoteIndices {
  Index furthest;
  int *small, *large, *widest;

  Index largest() const { return furthest; }

  template <int N, class I>
  void operator()(I row, I column) const {
    if (row == 0 && column == 0) {
      ++*(sizeof(I) == 4 ? small : large);
      *widest = N;
    }
  }
};

TEST_CASE("positions of 32 bits where all that is counted fits") {
  for (const auto& [furthest, expected] :
       {std::pair<Index, int>{1, 1}, {largest_small_index, 1}, {largest_small_index + 1, 0}, {Index{1} << 40, 0}}) {
    int small = 0, large = 0, widest = 0;
    for_each_row_lanes<float>(3, 8, 8, NoteIndices{furthest, &small, &large, &widest});
    CHECK(small == expected);
    CHECK(large == 1 - expected);
    CHECK(widest == (expected ? 4 : 1));
  }
  const NoteIndices body{0, nullptr, nullptr, nullptr};
  CHECK(counts_small(largest_small_index, 8, body));
  CHECK_FALSE(counts_small(largest_small_index + 1, 8, body));
  CHECK_FALSE(counts_small(8, largest_small_index + 1, body));
  CHECK_FALSE(counts_small(1, 1, AddOne<float>{nullptr, nullptr, 0}));  // which knows only 64
}

// Arrays of several sizes, one behind the other.
struct TransposedArrays {
  std::vector<Transposed> arrays;

  TransposedTile tile(Index i) const {
    Index array = 0;
    for (;; ++array) {
      const Transposed& here = arrays[static_cast<std::size_t>(array)];
      const Index tiles = tiles_of(here.rows) * tiles_of(here.columns);
      if (i < tiles) return tile_of(array, i, here.rows, here.columns);
      i -= tiles;
    }
  }
  float load(Index array, Index row, Index column) const {
    return arrays[static_cast<std::size_t>(array)].load(0, row, column);
  }
  void store(Index array, Index row, Index column, float value) const {
    arrays[static_cast<std::size_t>(array)].store(0, row, column, value);
  }
};

TEST_CASE("tiles of arrays of several sizes") {
  constexpr std::array<std::array<Index, 2>, 4> sizes{{{1, 1}, {33, 31}, {5, 70}, {100, 9}}};
  Index total = 0, tiles = 0;
  for (const auto& [rows, columns] : sizes) total += rows * columns;
  const std::vector<int> x = numbers(total);
  const std::vector<float> from(x.begin(), x.end());
  std::vector<float> to(from.size(), 0), expected(from.size(), 0);
  TransposedArrays all;
  Index first = 0;
  for (const auto& [rows, columns] : sizes) {
    all.arrays.push_back({from.data() + first, to.data() + first, rows, columns});
    for (Index r = 0; r < rows; ++r)
      for (Index c = 0; c < columns; ++c)
        expected[static_cast<std::size_t>(first + c * rows + r)] =
            from[static_cast<std::size_t>(first + r * columns + c)];
    first += rows * columns;
    tiles += tiles_of(rows) * tiles_of(columns);
  }
  transpose_tiles(tiles, all);
  CHECK(to == expected);
}

TEST_CASE("tiles") {
  for (const auto& [batches, rows, columns] :
       {std::array<Index, 3>{1, 1, 1}, {2, 32, 32}, {1, 33, 31}, {3, 5, 70}, {1, 100, 9}}) {
    const std::vector<int> x = numbers(batches * rows * columns);
    const std::vector<float> from(x.begin(), x.end());
    std::vector<float> to(from.size(), 0);
    dvd::cuda::transpose(batches, rows, columns, Transposed{from.data(), to.data(), rows, columns});
    Index wrong = 0;
    for (Index b = 0; b < batches; ++b)
      for (Index r = 0; r < rows; ++r)
        for (Index c = 0; c < columns; ++c)
          wrong += to[static_cast<std::size_t>((b * columns + c) * rows + r)] !=
                   from[static_cast<std::size_t>((b * rows + r) * columns + c)];
    CHECK(wrong == 0);
  }
}

}  // namespace
