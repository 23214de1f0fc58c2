// The videos of the prepared set that a fuzz target opens and a seed is the index of.
#pragma once

#include <vector>

#include "support/made_set.hpp"

namespace fuzz {

inline std::vector<dvd::testing::MadeVideo> set_videos() {
  return {{"run/a.avi", 0, 5, 1}, {"walk/b.avi", 1, 3, 1}, {"run/c.avi", 0, 0, 2}, {"walk/d.avi", 1, 9, 3}};
}

}  // namespace fuzz
