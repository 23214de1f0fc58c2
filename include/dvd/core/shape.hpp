// The extents of a tensor.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <ostream>

#include "dvd/core/error.hpp"

namespace dvd {

/// Sizes, counts and positions.
using Index = std::int64_t;

/// Up to six extents, the last one contiguous in memory. A scalar has rank 0 and one element.
class Shape {
 public:
  static constexpr int max_rank = 6;

  constexpr Shape() = default;
  Shape(std::initializer_list<Index> extents) {
    require(extents.size() <= max_rank, "a shape has at most ", max_rank, " extents");
    for (const Index extent : extents) append(extent);
  }

  int rank() const { return rank_; }
  Index operator[](int axis) const { return extents_[static_cast<std::size_t>(axis < 0 ? rank_ + axis : axis)]; }
  const Index* begin() const { return extents_.data(); }
  const Index* end() const { return extents_.data() + rank_; }

  /// Number of elements.
  Index size() const {
    Index product = 1;
    for (const Index extent : *this) product *= extent;
    return product;
  }

  void append(Index extent) {
    require(rank_ < max_rank && extent >= 0, "extent ", extent, " cannot be appended to shape ", *this);
    extents_[static_cast<std::size_t>(rank_++)] = extent;
  }

  /// The shape without its first axis.
  Shape tail() const {
    Shape result;
    for (int axis = 1; axis < rank_; ++axis) result.append((*this)[axis]);
    return result;
  }

  friend bool operator==(const Shape&, const Shape&) = default;

  friend std::ostream& operator<<(std::ostream& out, const Shape& shape) {
    out << '[';
    for (int axis = 0; axis < shape.rank_; ++axis) out << (axis ? ", " : "") << shape[axis];
    return out << ']';
  }

 private:
  std::array<Index, max_rank> extents_{};
  int rank_ = 0;
};

}  // namespace dvd
