// train_ucf101 in a test: a model so small that a run takes a second.
#pragma once

#include <doctest/doctest.h>

#include <chrono>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "support/run_program.hpp"

inline const std::string tiny =
    "--resolution 16 --frames 3 --channels 1 --batch 2 --latent-dim 6 --embed-dim 5 --spatial-frames 2 --log-every 1 ";

inline ProgramResult train(const TemporaryFolder& folder, const std::string& arguments) {
  return run_program(folder.path(), "train_ucf101", arguments);
}

/// The lines of a run's log so far.
inline std::vector<nlohmann::json> log_of(const std::filesystem::path& run) {
  std::istringstream text(read_text(run / "log.jsonl"));
  std::vector<nlohmann::json> lines;
  for (std::string line; std::getline(text, line);) lines.push_back(nlohmann::json::parse(line));
  return lines;
}

/// Returns when the log has come to a step; after a minute the test has failed.
inline void wait_for_step(const std::filesystem::path& run, int step) {
  for (int i = 0; i < 3000; ++i) {
    if (read_text(run / "log.jsonl").find("{\"step\":" + std::to_string(step) + ",") != std::string::npos) return;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  FAIL("the run has not come to step " << step);
}
