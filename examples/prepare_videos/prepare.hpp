// Making a set, and joining the parts of one.
#pragma once

#include <fmt/core.h>

#include <dvd/data/merge_sets.hpp>
#include <dvd/data/prepare_set.hpp>
#include <dvd/data/set_estimate.hpp>
#include <string>
#include <string_view>

#include "../common/signals.hpp"
#include "options.hpp"
#include "progress.hpp"

namespace examples {

/// "1 video", "3 videos".
inline std::string videos_text(std::int64_t count) { return fmt::format("{} video{}", count, count == 1 ? "" : "s"); }

inline std::string format_text(const dvd::VideoSetFormat& format) {
  std::string text = fmt::format("{}x{} pixels{}", format.height, format.width, format.channels == 1 ? " in grey" : "");
  if (format.frames_per_second > 0) text += fmt::format(", {:g} frames/s", format.frames_per_second);
  if (format.parts > 1) text += fmt::format(", part {}/{}", format.part, format.parts);
  return text;
}

/// Says what is about to be done. Throws FileError where the disk has clearly no room for it.
inline void announce(const PrepareVideosOptions& options, const dvd::SetPreparation& preparation) {
  const dvd::SetSources& sources = preparation.sources();
  const dvd::SetEstimate estimate = dvd::estimate_set(sources, preparation.to_do(), options.format);
  const std::optional<double> free = dvd::free_bytes(options.out);
  if (free && estimate.bytes * 0.9 > *free)
    throw dvd::FileError(
        fmt::format("{}: the set takes about {}, and {} are free; make room, or prepare fewer videos, "
                    "fewer frames a second or smaller ones",
                    options.out, bytes_text(estimate.bytes), bytes_text(*free)));
  if (options.quiet) return;
  const auto all = static_cast<std::int64_t>(sources.videos.size());
  const auto open = static_cast<std::int64_t>(preparation.to_do().size());
  fmt::print("videos     {}{}", videos_text(all),
             sources.class_names.empty() ? "" : fmt::format(" in {} classes", sources.class_names.size()));
  if (preparation.kept() > 0) fmt::print(", {} of them in the set as they are", preparation.kept());
  if (open > 0) fmt::print("; to decode: {}, about {} of video", open, duration_text(estimate.seconds));
  fmt::print("\nset        {}: {}", options.out, format_text(options.format));
  if (open > 0)
    fmt::print("; {}about {} on disk", preparation.kept() > 0 ? "another " : "", bytes_text(estimate.bytes));
  if (free) fmt::print(", {} are free", bytes_text(*free));
  fmt::print("\n");
  std::fflush(stdout);
}

/// What a set came to: skipped videos by name, and a word on the doubtful.
inline void tell_remarks(const dvd::VideoSetIndex& index) {
  using Index = dvd::VideoSetIndex;
  std::int64_t doubtful = 0;
  for (std::size_t i = 0; i < index.videos.size(); ++i) {
    const std::string_view path = index.text(i, Index::path), remark = index.text(i, Index::remark);
    if (index.videos[i].skipped)
      fmt::print(stderr, "warning: {}: {}; skipped\n", path, remark);
    else if (!remark.empty() && ++doubtful <= 10)
      fmt::print(stderr, "warning: {}: {}\n", path, remark);
  }
  if (doubtful > 10)
    fmt::print(stderr, "warning: {} more are doubtful; the set's index says how, and prepare_videos --check\n",
               doubtful - 10);
}

inline void tell_result(const PrepareVideosOptions& options, const dvd::VideoSetIndex& index, const std::string& what,
                        double seconds) {
  std::int64_t frames = 0, skipped = 0;
  double bytes = 0;
  for (const auto& video : index.videos) {
    frames += video.frames;
    skipped += video.skipped;
  }
  for (const auto& shard : index.shards) bytes += static_cast<double>(shard.size);
  const auto usable = static_cast<std::int64_t>(index.videos.size()) - skipped;
  if (!options.quiet) {
    tell_remarks(index);
    fmt::print("done       {}{} in {}: {}, {} frames, {} in {} shards, {} skipped\n", what, options.out,
               clock_text(seconds), videos_text(usable), frames, bytes_text(bytes), index.shards.size(), skipped);
  }
  if (usable == 0 && index.format.parts == 1)
    throw dvd::FileError(fmt::format("{}: none of the {} can be used; prepare_videos --check --data DIR says why",
                                     options.out, videos_text(skipped)));
  if (!options.quiet && index.format.parts == 1) {
    const bool square = index.format.height == index.format.width;
    std::string flags = fmt::format("{}{}", index.format.height, square ? "" : fmt::format("x{}", index.format.width));
    if (index.format.channels != 3) flags += fmt::format(" --image-channels {}", index.format.channels);
    const std::string quoted =
        options.out.find_first_of(" '\"()&;*?$") == std::string::npos ? options.out : '"' + options.out + '"';
    const bool odd = index.format.height % 2 != 0 || index.format.width % 2 != 0 ||
                     std::min(index.format.height, index.format.width) < 8;
    if (odd)
      fmt::print("note: DVD-GAN wants frames of even height and width, at least 8 each; this set is for other uses\n");
    else
      fmt::print("train with train_ucf101 --data {} --resolution {}{}\n", quoted, flags,
                 index.split_names.empty() ? "" : " --split " + index.split_names.front());
  }
}

inline int prepare(const PrepareVideosOptions& options) {
  dvd::SetSources sources = find_sources(options);
  for (const std::string& remark : sources.remarks)
    if (!options.quiet) fmt::print(stderr, "warning: {}\n", remark);
  VideoProgress progress(options.quiet);
  const StopSignals signals;
  dvd::SetPreparation preparation(std::move(sources), options.out, options.format,
                                  {.threads = options.threads,
                                   .progress = [&](const dvd::PrepareProgress& now) { progress.show(now); },
                                   .stop = [&] { return signals.stop_requested(); }});
  announce(options, preparation);
  running = true;
  dvd::PrepareResult result;
  try {
    result = preparation.run();
  } catch (const dvd::FileError& error) {
    progress.end_line();
    const bool full = std::string_view(error.what()).find("space left") != std::string_view::npos;
    if (!full) throw;
    throw dvd::FileError(std::string(error.what()) +
                         "; the disk is full: make room and run the same command again, "
                         "which goes on where this one stopped");
  }
  progress.end_line();
  if (result.stopped) throw dvd::Error("stopped, as asked; the same command goes on where this one stopped");
  std::string what;
  if (result.kept > 0 || result.dropped > 0)
    what = fmt::format("{} decoded, {} kept, {} gone; ", result.prepared, result.kept, result.dropped);
  tell_result(options, result.index, what, progress.seconds());
  return 0;
}

inline int merge(const PrepareVideosOptions& options) {
  const VideoProgress progress(options.quiet);
  const dvd::SetMerge merge({options.merge.begin(), options.merge.end()}, options.out);
  running = true;
  tell_result(options, merge.run(), fmt::format("{} parts joined in ", options.merge.size()), progress.seconds());
  return 0;
}

}  // namespace examples
