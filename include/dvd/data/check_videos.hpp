// The doctor: every video of a folder decoded once, and all that would trouble a training noted.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "dvd/core/error.hpp"
#include "dvd/data/prepare_set.hpp"
#include "dvd/data/set_frames.hpp"
#include "dvd/data/set_sources.hpp"
#include "dvd/data/workers.hpp"
#include "dvd/io/content_hash.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// What was seen of one video.
struct CheckedVideo {
  VideoCondition condition;
  std::int64_t frames = 0;     ///< in the wanted part
  double seconds = 0;          ///< that these are shown
  std::string failure;         ///< why it cannot be used, or read on; empty where it can
  std::uint64_t pictures = 0;  ///< a hash of its frames, as they are shown

  bool undecodable() const { return frames == 0; }
  /// What was repaired, or left out, and where; empty where nothing was.
  std::vector<std::string> doubts() const {
    std::vector<std::string> lines = condition.remarks;
    if (frames > 0 && !failure.empty()) lines.push_back(failure);
    if (condition.undecodable > 0 && lines.empty())
      lines.push_back(concat(condition.undecodable, " of its frames cannot be decoded"));
    if (condition.damaged > 0 && lines.empty())
      lines.push_back(concat(condition.damaged, " of its frames are damaged"));
    return lines;
  }
};

struct CheckOptions {
  std::int64_t threads = 0;  ///< 0: all cores
  std::function<void(const PrepareProgress&)> progress = {};
  std::function<bool()> stop = {};  ///< asked for every frame, by any thread
};

/// What the doctor found: a CheckedVideo for each of the sources.
struct CheckReport {
  bool stopped = false;  ///< then the rest is of no meaning
  std::vector<CheckedVideo> videos;
  double decoding_seconds = 0;                       ///< of all threads together
  std::vector<std::vector<std::size_t>> duplicates;  ///< videos of the same pictures, as numbers of sources
};

namespace detail {

inline CheckedVideo check_video(const SetSource& source, std::atomic<std::int64_t>& frames, const auto& cancelled) {
  // Small pictures: to be told apart, and to find formats that cannot be turned into pictures at all.
  const VideoSetFormat format{.height = 16, .width = 16};
  CheckedVideo checked;
  ContentHash hash;
  try {
    SetFrames video(source.video, format);
    try {
      while (video.next()) {
        hash.add(std::as_bytes(std::span(video.pixels())));
        ++checked.frames;
        ++frames;
        if (cancelled()) break;
      }
    } catch (const FileError& error) {
      checked.failure = without_source_path(error.what(), source.video);
    }
    checked.condition = video.condition();
  } catch (const FileError& error) {
    checked.failure = without_source_path(error.what(), source.video);
  }
  if (checked.frames == 0 && checked.failure.empty())
    checked.failure = checked.condition.remarks.empty() ? "has no frame between its start and its end"
                                                        : checked.condition.remarks.front();
  checked.pictures = hash.value();
  if (checked.condition.frames_per_second > 0)
    checked.seconds = static_cast<double>(checked.frames) / checked.condition.frames_per_second;
  return checked;
}

}  // namespace detail

/// Decodes everything once, in parallel, and writes nothing. The report does not depend on the threads, but for the
/// time that it took.
inline CheckReport check_videos(const SetSources& sources, const CheckOptions& options = {}) {
  using Clock = std::chrono::steady_clock;
  CheckReport report;
  const auto count = static_cast<Index>(sources.videos.size());
  report.videos.resize(sources.videos.size());
  std::vector<std::int64_t> sizes;
  std::int64_t all_bytes = 0;
  for (const SetSource& source : sources.videos) {
    sizes.push_back(detail::state_of_source(source.video).size);
    all_bytes += sizes.back();
  }
  std::atomic<bool> failed = false, stopped = false;
  std::atomic<std::int64_t> frames = 0, videos = 0, bytes = 0, microseconds = 0;
  std::mutex mutex;
  const Index threads = options.threads > 0 ? options.threads : std::max(1u, std::thread::hardware_concurrency());
  detail::share_out(count, threads, failed, [&](Index i) {
    if (stopped) return;
    const auto place = static_cast<std::size_t>(i);
    const auto begin = Clock::now();
    report.videos[place] = detail::check_video(sources.videos[place], frames, [&] {
      if (options.stop && options.stop()) stopped = true;
      return stopped || failed;
    });
    microseconds += (Clock::now() - begin) / std::chrono::microseconds(1);
    bytes += sizes[place];
    ++videos;
    if (!options.progress) return;
    const std::lock_guard lock(mutex);
    options.progress({.videos = videos,
                      .all_videos = count,
                      .frames = frames,
                      .bytes = 0,
                      .share = all_bytes > 0 ? static_cast<double>(bytes) / static_cast<double>(all_bytes) : 1});
  });
  report.stopped = stopped;
  report.decoding_seconds = static_cast<double>(microseconds) * 1e-6;
  std::map<std::pair<std::uint64_t, std::int64_t>, std::vector<std::size_t>> alike;
  for (std::size_t i = 0; i < report.videos.size(); ++i)
    if (const CheckedVideo& video = report.videos[i]; video.frames > 0)
      alike[{video.pictures, video.frames}].push_back(i);
  for (auto& [pictures, numbers] : alike)
    if (numbers.size() > 1) report.duplicates.push_back(std::move(numbers));
  std::sort(report.duplicates.begin(), report.duplicates.end());
  return report;
}

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
