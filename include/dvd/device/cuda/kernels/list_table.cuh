// Arrays of several sizes that one launch works on, element by element.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <vector>

#include "dvd/device/cuda/kernels/find_entry.cuh"
#include "dvd/device/cuda/kernels/launch_bytes.cuh"
#include "dvd/device/cuda/parallel.cuh"

namespace dvd::inline DVD_INSTRUCTION_SET::cuda {

namespace detail {

// A piece of an array is for neighbouring threads, each of which takes some of its elements, list_threads apart.
constexpr Index list_threads = 512, list_piece = 8 * list_threads;

/// Arrays that one launch works on, cut into pieces, which are counted through all arrays.
template <class Entry>
struct ListTable {
  static constexpr int capacity = (launch_bytes - 256) / static_cast<int>(sizeof(Entry) + sizeof(int));

  int count = 0;
  int first_piece[capacity];
  Entry entry[capacity];

  /// Calls act(entry, i) for the elements that are thread `thread`'s, of list_threads a piece.
  template <class Act>
  DVD_DEVICE void visit(Index thread, Act&& act) const {
    const int piece = static_cast<int>(thread / list_threads);
    const int low = find_entry(count, piece, [this](int at) { return first_piece[at]; });
    const Entry& found = entry[low];
    const Index first = (piece - first_piece[low]) * list_piece;
    const Index last = first + list_piece < found.size ? first + list_piece : found.size;
    for (Index i = first + thread % list_threads; i < last; i += list_threads) act(found, i);
  }
};

/// Calls launch(table, threads, first, last) for as many tables as the arrays need: one at least.
template <class Entry, class Launch>
void by_tables(const std::vector<Entry>& arrays, const Launch& launch) {
  std::size_t next = 0;
  do {
    ListTable<Entry> table;
    const bool first = next == 0;
    Index pieces = 0;
    for (; next < arrays.size() && table.count < table.capacity; ++next) {
      if (arrays[next].size <= 0) continue;
      table.first_piece[table.count] = static_cast<int>(pieces);
      table.entry[table.count++] = arrays[next];
      pieces += (arrays[next].size + list_piece - 1) / list_piece;
    }
    launch(table, pieces * list_threads, first, next == arrays.size());
  } while (next < arrays.size());
}

}  // namespace detail

}  // namespace dvd::cuda

#include "dvd/core/macros_end.hpp"
