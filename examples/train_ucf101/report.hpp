// report.html: a run at a glance, in one file that opens from disk.
#pragma once

#include <dvd/io/run_folder.hpp>
#include <string>

namespace examples {

/// What the report says beside what the run's folder holds.
struct ReportState {
  std::string status;  ///< "running", "stopped", "done"
  std::string config;  ///< JSON
  std::int64_t step = 0, steps = 0;
  double seconds = 0;
  std::int64_t condition_frames = 0, frames = 0, height = 0, width = 0;  ///< of the pictures in samples/
};

/// Writes report.html from the folder's log.jsonl, warnings.log and samples. Throws FileError if it cannot be written.
void write_report(const dvd::RunFolder& folder, const ReportState& state);

}  // namespace examples
