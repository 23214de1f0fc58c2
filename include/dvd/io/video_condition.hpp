// What is noticed of a video on the way through it.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "dvd/core/error.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// What was seen of a video while it was read.
struct VideoCondition {
  std::int64_t frames = 0;  ///< shown so far
  double frames_per_second = 0;
  bool rate_varies = false;  ///< frames are not shown at even intervals
  std::int64_t width = 0;    ///< pixels of the first frame, as shown
  std::int64_t height = 0;
  std::string codec;             ///< FFmpeg's name
  std::int64_t undecodable = 0;  ///< packets at which decoding failed
  std::int64_t damaged = 0;      ///< frames that the decoder says are damaged
  /// In words, with where: stretches that cannot be decoded, clocks that begin anew, sizes that change, key frames that
  /// are not marked as they are.
  std::vector<std::string> remarks;
};

namespace detail {

// "from 2.80 s to 3.60 s", in remarks.
inline std::string time_text(double seconds) {
  const auto hundredths = static_cast<std::int64_t>(std::llround(seconds * 100));
  const std::int64_t rest = std::abs(hundredths % 100);
  return concat(hundredths / 100, rest < 10 ? ".0" : ".", rest, " s");
}

// Joins what happens at neighbouring frames to one stretch.
class Stretches {
 public:
  void add(std::int64_t place, double seconds) {
    if (!stretches_.empty() && place <= stretches_.back().last + 1) {
      stretches_.back().last = place;
      stretches_.back().end = seconds;
    } else {
      stretches_.push_back({place, seconds, seconds});
    }
  }
  // A line for each of the first few, and one for the others.
  void tell(std::vector<std::string>& remarks, const std::string& what) const {
    constexpr std::size_t most = 3;
    for (std::size_t i = 0; i < std::min(most, stretches_.size()); ++i) {
      const Stretch& each = stretches_[i];
      remarks.push_back(each.begin == each.end
                            ? concat(what, " at ", time_text(each.begin))
                            : concat(what, " from ", time_text(each.begin), " to ", time_text(each.end)));
    }
    if (stretches_.size() > most) remarks.push_back(concat(what, " at ", stretches_.size() - most, " more places"));
  }

 private:
  struct Stretch {
    std::int64_t last;
    double begin, end;
  };
  std::vector<Stretch> stretches_;
};

}  // namespace detail

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
