// What train_step is asked for.
#pragma once

#include <dvd/models/config.hpp>
#include <string>

namespace benchmarks {

/// Which parts a DVD-GAN has instead of its own.
enum class Variant { none, tsru, tsrus, self_attention, separable_attention };

struct TrainStepOptions {
  dvd::DvdGanConfig config{.frames = 12, .resolution = 64, .channels = 8, .classes = 10};
  dvd::Index batch = 4, sample_batch = 0, steps = 10, warmup = 2, threads = 0;
  std::string device = "cpu", precision = "float32", model = "dvd-gan";
  bool recompute = false;
};

/// Times steps and sampling with elements of type T on the device D, and prints the JSON line. Returns the program's
/// status. Throws dvd::Error.
template <class T, class D, Variant V = Variant::none>
int time_steps(const TrainStepOptions& options);

}  // namespace benchmarks
