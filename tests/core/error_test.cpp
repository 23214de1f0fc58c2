// The family of exceptions, and how messages are put together.
#include "dvd/core/error.hpp"

#include <doctest/doctest.h>

#include <limits>
#include <locale>
#include <ostream>
#include <sstream>
#include <string>
#include <string_view>
#include <type_traits>

#include "dvd/core/shape.hpp"

namespace {

struct Streamed {
  int value;
  friend std::ostream& operator<<(std::ostream& out, const Streamed& streamed) { return out << streamed.value; }
};

struct Appended {
  int value;
  friend void append_to(std::string& text, const Appended& appended) { text += dvd::concat('<', appended.value, '>'); }
};

struct Grouping : std::numpunct<char> {
  char do_thousands_sep() const override { return '.'; }
  char do_decimal_point() const override { return ','; }
  std::string do_grouping() const override { return "\3"; }
};

// While it lives, the process has a locale that groups digits.
struct GroupingLocale {
  std::locale before = std::locale::global(std::locale(std::locale::classic(), new Grouping));
  ~GroupingLocale() { std::locale::global(before); }
};

}  // namespace

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

TEST_CASE("numbers look as in a stream") {
  std::ostringstream stream;
  const auto same = [&](auto value) {
    stream.str("");
    stream << value;
    CHECK(dvd::concat(value) == stream.str());
  };
  for (const double value : {0.0, -0.0, 1.0, 0.1, 1.0 / 3, 123456.0, 1234567.0, 1e-5, -2.5e300, 5e-324}) {
    same(value);
    same(static_cast<float>(value));
    same(static_cast<long double>(value));
  }
  for (const long value : {0L, -1L, 2000L, std::numeric_limits<long>::min(), std::numeric_limits<long>::max()}) {
    same(value);
    same(static_cast<unsigned long>(value));
    same(static_cast<short>(value));
    same(static_cast<unsigned>(value));
  }
  same(true);
  same('x');
  same(static_cast<unsigned char>('y'));
  same(std::string_view("view"));
  same(std::numeric_limits<double>::infinity());
  same(std::numeric_limits<double>::quiet_NaN());
}

TEST_CASE("types of one's own are appended or streamed") {
  CHECK(dvd::concat(Streamed{5}, Appended{6}, dvd::Shape{7, 8}) == "5<6>[7, 8]");
}

TEST_CASE("no locale reaches a text") {
  const GroupingLocale grouping;
  CHECK(dvd::concat(2000, ' ', 1234567u, ' ', 2.5, ' ', 1e6f) == "2000 1234567 2.5 1e+06");
  CHECK(dvd::concat(Streamed{5000}, Appended{6000}, dvd::Shape{7000, 8}) == "5000<6000>[7000, 8]");
}

TEST_CASE("require throws its message unless the condition holds") {
  CHECK_NOTHROW(dvd::require(true, "never seen"));
  CHECK_THROWS_WITH_AS(dvd::require(false, "batch must be at least 1, not ", 0), "batch must be at least 1, not 0",
                       dvd::ArgumentError);
}
