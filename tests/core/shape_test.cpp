// The extents of tensors: sizes, axes counted from either end, text, and what is refused.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include "dvd/core/shape.hpp"

#include <doctest/doctest.h>

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

TEST_CASE("tail drops the first axis") {
  CHECK(Shape{2, 3, 5}.tail() == Shape{3, 5});
  CHECK(Shape{2}.tail() == Shape());
}

TEST_CASE("shapes are equal if their extents are, and print as a list") {
  CHECK(Shape{2, 3} == Shape{2, 3});
  CHECK(Shape{2, 3} != Shape{3, 2});
  CHECK(Shape{2, 3} != Shape{2, 3, 1});
  CHECK(concat(Shape{2, 3, 5}) == "[2, 3, 5]");
}

TEST_CASE("more than six extents and negative ones are refused") {
  CHECK_NOTHROW(Shape{1, 1, 1, 1, 1, 1});
  CHECK_THROWS_WITH_AS((Shape{1, 1, 1, 1, 1, 1, 1}), "a shape has at most 6 extents", dvd::ArgumentError);
  CHECK_THROWS_WITH_AS((Shape{2, -1}), "extent -1 cannot be appended to shape [2]", dvd::ArgumentError);
  Shape full{1, 2, 3, 4, 5, 6};
  CHECK_THROWS_WITH_AS(full.append(7), "extent 7 cannot be appended to shape [1, 2, 3, 4, 5, 6]", dvd::ArgumentError);
}
