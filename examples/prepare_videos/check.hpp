// The doctor: what is wrong with a folder of videos, for a person and as JSON.
#pragma once

#include <fmt/core.h>

#include <algorithm>
#include <dvd/data/check_videos.hpp>
#include <dvd/io/atomic_file.hpp>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "../common/signals.hpp"
#include "check_report.hpp"
#include "options.hpp"
#include "progress.hpp"

namespace examples {

inline int check(const PrepareVideosOptions& options) {
  const dvd::SetSources sources = find_sources(options);
  VideoProgress progress(options.quiet);
  const StopSignals signals;
  running = true;
  const dvd::CheckReport report =
      dvd::check_videos(sources, {.threads = options.threads,
                                  .progress = [&](const dvd::PrepareProgress& now) { progress.show(now); },
                                  .stop = [&] { return signals.stop_requested(); }});
  progress.end_line();
  if (report.stopped) throw dvd::Error("stopped, as asked; nothing was written");
  const Findings findings(options, sources, report);
  findings.print();
  if (!options.json.empty()) dvd::write_file_atomically(options.json, findings.json().dump(1) + "\n");
  return 0;
}

}  // namespace examples
