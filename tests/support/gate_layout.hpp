// The two ways in which the gates of a ConvGRU may lie.
#pragma once

#include "dvd/core/gru_gates.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::testing {

// Gates of rows in one array [rows, 3 * width] or, `apart`, in two, [rows, 2 * width] and behind it [rows, width].
struct GateLayout {
  Index rows, width;
  bool apart;

  Index size() const { return rows * 3 * width; }

  // Where gate 0 (reset), 1 or 2 (candidate) of element i of [rows, width] is.
  Index at(Index i, Index gate) const {
    const Index row = i / width, column = i % width;
    if (!apart) return (row * 3 + gate) * width + column;
    return gate < 2 ? (row * 2 + gate) * width + column : (rows * 2 + row) * width + column;
  }

  template <class T>
  GruGates<T> gates(T* data) const {
    if (apart) return {data, 2 * width, data + rows * 2 * width, width};
    return {data, 3 * width, data + 2 * width, 3 * width};
  }
};

}  // namespace dvd::testing
