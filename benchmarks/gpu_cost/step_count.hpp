// A training step on the emulated GPU in a dry run: what a GPU would be given to do.
#pragma once

#include <cuda_runtime_api.h>

#include <dvd/device/cuda.hpp>
#include <stdexcept>
#include <vector>

#include "../train_step.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

// Weights need no values where nothing is computed, and those of wide models take minutes.
template <>
inline void initialize_orthogonal(Parameter<float, Cuda>&, const Random&) {}

}  // namespace dvd

namespace benchmarks {

/// What is submitted for an update and for a whole step, each once it is recorded.
struct StepCount {
  std::vector<EmulatedWork> discriminators, generator, step;
  std::size_t memory = 0;  ///< bytes of arrays at their most
};

/// Work is measured when it is recorded, the second time; the third time it is replayed.
template <class Work>
std::vector<EmulatedWork> replayed(const Work& work) {
  EmulatedCounting& counting = EmulatedCounting::instance();
  for (int time = 0; time < 3; ++time) {
    counting.on = time > 0;
    counting.take();
    work();
  }
  counting.on = false;
  return counting.take();
}

template <class T>
StepCount count_step(const TrainStepOptions& options) {
  using dvd::Cuda;
  dvd::DvdGan<T, Cuda> gan(options.config);
  gan.generator.recompute = options.recompute;
  dvd::Trainer trainer(gan, {.batch = options.batch});
  RandomInputs<T, Cuda> inputs(options.config);
  StepCount count;
  dvd::StepReport report;
  const auto check = [&] {
    if (report.skipped) throw std::logic_error("a dry run found numbers that are not finite");
  };
  {
    const dvd::Tensor<T, Cuda> videos = inputs.videos(0, options.batch);
    const dvd::Labels labels = inputs.labels(0, options.batch);
    count.discriminators = replayed([&] {
      trainer.discriminator_update({videos, labels, inputs.latents(options.batch), labels, inputs.frames(options.batch),
                                    inputs.frames(options.batch)},
                                   report);
      check();
    });
    count.generator = replayed([&] {
      trainer.generator_update({inputs.latents(options.batch), labels, inputs.frames(options.batch)}, report);
      check();
    });
  }
  ReadyBatches batches(options.config, options.batch);
  count.step = replayed([&] {
    batches.fill();
    report = trainer.step(batches);
    check();
  });
  count.memory = Cuda::peak_memory();
  return count;
}

}  // namespace benchmarks
