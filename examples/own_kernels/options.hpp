// What the program is asked for.
#pragma once

#include "../common/program.hpp"

namespace examples {

struct TrainOptions {
  CommonOptions common;
  int steps = 300;
};

/// Trains, writes a picture of samples, and returns the program's status. Compiled for each device in a train_*.cpp.
template <class T, class D>
int train(const TrainOptions& options);

}  // namespace examples
