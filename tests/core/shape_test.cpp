// The extents of tensors: sizes, axes counted from either end, text, and what is refused.
#include "dvd/core/shape.hpp"

#include <doctest/doctest.h>

#include <limits>
#include <vector>

using dvd::concat;
using dvd::Index;
using dvd::Shape;

TEST_CASE("a shape knows its rank, extents and size") {
  const Shape shape{2, 3, 5};
  CHECK(shape.rank() == 3);
  CHECK(shape.size() == 30);
  CHECK(shape[0] == 2);
  CHECK(shape[2] == 5);
  CHECK(shape[-1] == 5);
  CHECK(shape[-3] == 2);
  CHECK(std::vector<Index>(shape.begin(), shape.end()) == std::vector<Index>{2, 3, 5});
}

TEST_CASE("a scalar's shape has no extents and one element") {
  CHECK(Shape().rank() == 0);
  CHECK(Shape().size() == 1);
  CHECK(concat(Shape()) == "[]");
}

TEST_CASE("a shape with an extent of 0 has no elements") { CHECK(Shape{4, 0, 3}.size() == 0); }

TEST_CASE("the size of a large shape does not overflow 32 bits") {
  CHECK(Shape{1 << 20, 1 << 20}.size() == Index{1} << 40);
}

TEST_CASE("sizes that an Index could not hold, in elements or in bytes, are refused") {
  constexpr Index half = Index{1} << 31;
  CHECK_NOTHROW(Shape{half, Index{1} << 28});
  CHECK_THROWS_WITH_AS((Shape{half, half, 2}),
                       "shape [2147483648] with one more extent of 2147483648 would have too many elements, more than "
                       "576460752303423488",
                       dvd::ArgumentError);
  CHECK_THROWS_AS((Shape{Index{1} << 60}), dvd::ArgumentError);  // of 16 bytes each
  CHECK_THROWS_AS((Shape{std::numeric_limits<Index>::max()}), dvd::ArgumentError);
  CHECK_THROWS_AS((Shape{half, 0, half}), dvd::ArgumentError);  // its strides
  CHECK_THROWS_AS((Shape{half, 0}.with_first(std::numeric_limits<Index>::max())), dvd::ArgumentError);
  CHECK_THROWS_AS((Shape{1, half}.with_first(half)), dvd::ArgumentError);
}

TEST_CASE("axes that there are not are refused") {
  CHECK_THROWS_WITH_AS((Shape{2, 3}[2]), "shape [2, 3] has no axis 2", dvd::ArgumentError);
  CHECK_THROWS_WITH_AS((Shape{2, 3}[-3]), "shape [2, 3] has no axis -3", dvd::ArgumentError);
  CHECK_THROWS_AS(Shape()[0], dvd::ArgumentError);
  CHECK_THROWS_AS(Shape()[-1], dvd::ArgumentError);
  CHECK_THROWS_AS(Shape{2}[std::numeric_limits<int>::min()], dvd::ArgumentError);
  CHECK_THROWS_AS(Shape{2}[std::numeric_limits<int>::max()], dvd::ArgumentError);
}

TEST_CASE("tail drops the first axis, with_first replaces it") {
  CHECK(Shape{2, 3, 5}.tail() == Shape{3, 5});
  CHECK(Shape{2}.tail() == Shape());
  CHECK(Shape{2, 3, 5}.with_first(7) == Shape{7, 3, 5});
  for (const Shape& scalar : std::vector<Shape>(1)) {  // which the compiler does not see through
    CHECK_THROWS_WITH_AS(scalar.tail(), "a scalar's shape has no first axis", dvd::ArgumentError);
    CHECK_THROWS_AS(scalar.with_first(1), dvd::ArgumentError);
  }
  CHECK_THROWS_AS(Shape{2}.with_first(-1), dvd::ArgumentError);
}

TEST_CASE("shapes are equal if their extents are, and print as a list") {
  CHECK(Shape{2, 3} == Shape{2, 3});
  CHECK(Shape{2, 3} != Shape{3, 2});
  CHECK(Shape{2, 3} != Shape{2, 3, 1});
  CHECK(concat(Shape{2, 3, 5}) == "[2, 3, 5]");
}

TEST_CASE("more than six extents and negative ones are refused") {
  CHECK_NOTHROW(Shape{1, 1, 1, 1, 1, 1});
  CHECK_THROWS_WITH_AS((Shape{1, 1, 1, 1, 1, 1, 1}), "a shape has at most 6 extents, not 7", dvd::ArgumentError);
  CHECK_THROWS_WITH_AS((Shape{2, -1}), "extent -1 cannot be appended to shape [2]", dvd::ArgumentError);
  Shape full{1, 2, 3, 4, 5, 6};
  CHECK_THROWS_WITH_AS(full.append(7), "extent 7 cannot be appended to shape [1, 2, 3, 4, 5, 6]", dvd::ArgumentError);
}
