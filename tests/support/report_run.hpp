// A short run with a fault in it, made once, for tests of its report.
#pragma once

#include "support/run_program.hpp"

inline const std::filesystem::path& run_folder() {
  static const TemporaryFolder folder;
  static const bool made = [] {
    setenv("DVD_TEST_POISON", "generator.input.bias@5", 1);
    const auto result = run_program(folder.path(), "train_ucf101",
                                    "--resolution 16 --frames 3 --channels 1 --batch 2 --latent-dim 6 --embed-dim 5 "
                                    "--steps 12 --log-every 1 --checkpoint-every 3 --sample-every 4 --out '<b>&run'");
    unsetenv("DVD_TEST_POISON");
    return result.status == 0;
  }();
  REQUIRE(made);
  return folder.path();
}
