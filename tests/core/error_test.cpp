// The family of exceptions, and how messages are put together.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include "dvd/core/error.hpp"

#include <doctest/doctest.h>

#include <string>
#include <type_traits>

TEST_CASE("one handler catches everything the library throws") {
  static_assert(std::is_base_of_v<std::runtime_error, dvd::Error>);
  static_assert(std::is_base_of_v<dvd::Error, dvd::ArgumentError>);
  static_assert(std::is_base_of_v<dvd::Error, dvd::FileError>);
  static_assert(!std::is_base_of_v<dvd::ArgumentError, dvd::FileError>);
  CHECK_THROWS_AS(throw dvd::FileError("x"), dvd::Error);
}

TEST_CASE("concat streams its arguments") {
  CHECK(dvd::concat() == "");
  CHECK(dvd::concat("expected ", 3, " channels, not ", 2.5, std::string("!")) == "expected 3 channels, not 2.5!");
}

TEST_CASE("require throws its message unless the condition holds") {
  CHECK_NOTHROW(dvd::require(true, "never seen"));
  CHECK_THROWS_WITH_AS(dvd::require(false, "batch must be at least 1, not ", 0), "batch must be at least 1, not 0",
                       dvd::ArgumentError);
}
