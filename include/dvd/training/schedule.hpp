// How learning rates change over a run.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numbers>
#include <utility>

#include "dvd/core/shape.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// What learning rates are multiplied with in the step that follows `steps` completed ones: any function of that
/// number with values of 0 or more. An empty one stands for 1.
///
///     .schedule = dvd::WarmUp{.steps = 1000, .then = dvd::CosineFall{.start = 1000, .end = 100000}}
using Schedule = std::function<double(Index steps)>;

/// 1, from beginning to end.
struct ConstantRate {
  double operator()(Index) const { return 1; }
};

namespace detail {
/// How much of start .. end is left, 1 to 0.
inline double left(Index steps, Index start, Index end) {
  require(start >= 0 && end > start, "a learning rate's fall must start at step 0 or later and end after its start, ",
          "not last from ", start, " to ", end);
  return static_cast<double>(end - std::clamp(steps, start, end)) / static_cast<double>(end - start);
}
}  // namespace detail

/// 1 up to step `start`, then in a straight line to `floor` at step `end`, where it stays.
struct LinearFall {
  Index start = 0, end = 0;
  double floor = 0;

  double operator()(Index steps) const { return floor + (1 - floor) * detail::left(steps, start, end); }
};

/// 1 up to step `start`, then along half a cosine to `floor` at step `end`, where it stays (Loshchilov and Hutter
/// 2017, without restarts).
struct CosineFall {
  Index start = 0, end = 0;
  double floor = 0;

  double operator()(Index steps) const {
    return floor + (1 - floor) * (1 - std::cos(std::numbers::pi * detail::left(steps, start, end))) / 2;
  }
};

/// Rises in a straight line over the first `steps` steps, from 1 / steps of what `then` says to all of it.
struct WarmUp {
  Index steps = 1;
  Schedule then = ConstantRate();

  double operator()(Index done) const {
    require(steps >= 1, "a warm-up lasts at least one step, not ", steps);
    const double factor = then ? then(done) : 1;
    return done + 1 >= steps ? factor : factor * static_cast<double>(done + 1) / static_cast<double>(steps);
  }
};

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
