// What the program scaling is asked for.
#pragma once

#include <dvd/models/config.hpp>
#include <string>
#include <vector>

#include "network.hpp"

namespace benchmarks {

struct StepsOptions {
  dvd::DvdGanConfig config{.frames = 12, .resolution = 64, .channels = 8, .classes = 10};
  Index batch = 4, steps = 5, warmup = 1, threads = 1;
  std::string reduce = "fast";
  bool pin = false;
};

struct RecordOptions {
  StepsOptions steps;
  std::vector<Index> videos{1, 2, 4, 8};
  std::string out;
};

struct PredictOptions {
  std::string costs;
  Network network;
  std::vector<Index> ranks{1, 2, 4, 8};
  Index ranks_per_core = 1;
  Index batch = 0;   ///< of all ranks; 0: `videos` for each of them
  Index videos = 4;  ///< a rank
  bool json = false;
};

}  // namespace benchmarks
