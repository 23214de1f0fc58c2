// train_ucf101 in a test: a model so small that a run takes a second.
#pragma once

#include "support/run_program.hpp"

inline const std::string tiny =
    "--resolution 16 --frames 3 --channels 1 --batch 2 --latent-dim 6 --embed-dim 5 --spatial-frames 2 --log-every 1 ";

inline ProgramResult train(const TemporaryFolder& folder, const std::string& arguments) {
  return run_program(folder.path(), "train_ucf101", arguments);
}
