// What passes and gradients stand for.
#include "dvd/core/pass.hpp"

#include <doctest/doctest.h>

using dvd::Gradients;
using dvd::Pass;

TEST_CASE("training records statistics and advances power iterations; evaluation changes nothing") {
  CHECK(Pass::train().batch_statistics);
  CHECK(Pass::train().power_iteration);
  CHECK(Pass::train().momentum == 0.1);
  CHECK(!Pass::evaluate().batch_statistics);
  CHECK(!Pass::evaluate().power_iteration);
}

TEST_CASE("standing statistics are plain averages") {
  double average = 123;  // whatever was there before
  const double batches[] = {2, 4, 9};
  for (int i = 0; i < 3; ++i) {
    const Pass pass = Pass::standing(i);
    CHECK(pass.batch_statistics);
    CHECK(!pass.power_iteration);
    average += pass.momentum * (batches[i] - average);
  }
  CHECK(average == doctest::Approx(5));
}

TEST_CASE("which gradients are wanted") {
  CHECK(dvd::wants_inputs(Gradients::inputs));
  CHECK(!dvd::wants_parameters(Gradients::inputs));
  CHECK(!dvd::wants_inputs(Gradients::parameters));
  CHECK(dvd::wants_parameters(Gradients::parameters));
  CHECK(dvd::wants_inputs(Gradients::all));
  CHECK(dvd::wants_parameters(Gradients::all));
}

TEST_CASE("the cache of a part is null where the whole has none") {
  struct Cache {
    int first, second;
  } cache{1, 2};
  CHECK(*dvd::part(&cache, &Cache::second) == 2);
  CHECK(dvd::part(static_cast<Cache*>(nullptr), &Cache::second) == nullptr);
}
