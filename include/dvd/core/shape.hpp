// The extents of a tensor.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <initializer_list>
#include <ostream>

#include "dvd/core/error.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// Sizes, counts and positions.
using Index = std::int64_t;

/// Up to six extents, the last one contiguous in memory. A scalar has rank 0 and one element.
///
/// The product of all extents, those that are 0 left out, is at most `max_size`: what follows from a shape, strides and
/// numbers of bytes among it, always fits an Index. Throws ArgumentError for a negative extent, one too many, or a
/// product beyond that.
class Shape {
 public:
  static constexpr int max_rank = 6;
  static constexpr Index max_size = Index{1} << 59;

  constexpr Shape() = default;
  Shape(std::initializer_list<Index> extents) {
    require(extents.size() <= max_rank, "a shape has at most ", max_rank, " extents, not ", extents.size());
    for (const Index extent : extents) append(extent);
  }

  int rank() const { return rank_; }

  /// The extent of an axis; those below 0 count from the last one, -1. Throws ArgumentError if there is no such axis.
  Index operator[](int axis) const {
    const int place = axis < 0 ? rank_ + axis : axis;
    if (place < 0 || place >= rank_) [[unlikely]]
      no_axis(axis);
    return extents_[static_cast<std::size_t>(place)];
  }

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
    Index product = 1;
    for (const Index other : *this) product *= std::max<Index>(other, 1);
    require(extent <= max_size / product, "shape ", *this, " with one more extent of ", extent,
            " would have too many elements, more than ", max_size);
    extents_[static_cast<std::size_t>(rank_++)] = extent;
  }

  /// The shape without its first axis. Throws ArgumentError for a scalar's.
  Shape tail() const {
    require(rank_ > 0, "a scalar's shape has no first axis");
    Shape result;
    result.rank_ = rank_ - 1;
    std::copy(begin() + 1, end(), result.extents_.begin());
    return result;
  }

  /// The shape with another first extent. Throws ArgumentError for a scalar's and for too many elements.
  Shape with_first(Index extent) const {
    Shape result{extent};
    for (const Index other : tail()) result.append(other);
    return result;
  }

  /// The shape with another last extent. Throws ArgumentError for a scalar's and for too many elements.
  Shape with_last(Index extent) const {
    require(rank_ > 0, "a scalar's shape has no last axis");
    Shape result = *this;
    --result.rank_;
    result.append(extent);
    return result;
  }

  friend bool operator==(const Shape&, const Shape&) = default;

  friend std::ostream& operator<<(std::ostream& out, const Shape& shape) {
    out << '[';
    for (int axis = 0; axis < shape.rank_; ++axis) out << (axis ? ", " : "") << shape[axis];
    return out << ']';
  }

 private:
  [[noreturn, gnu::cold, gnu::noinline]] void no_axis(int axis) const {
    throw ArgumentError(concat("shape ", *this, " has no axis ", axis));
  }

  std::array<Index, max_rank> extents_{};
  int rank_ = 0;
};

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
