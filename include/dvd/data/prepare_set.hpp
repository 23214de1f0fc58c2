// Preparing a set: every video is decoded once, and its frames, cut and scaled, go to shards that training maps into
// memory. Killed at any moment and begun again, it goes on and ends with the same bytes.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <algorithm>
#include <atomic>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <system_error>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

#include "dvd/core/error.hpp"
#include "dvd/data/set_frames.hpp"
#include "dvd/data/set_sources.hpp"
#include "dvd/data/set_state.hpp"
#include "dvd/data/set_work.hpp"
#include "dvd/data/video_set.hpp"
#include "dvd/data/video_set_index.hpp"
#include "dvd/data/workers.hpp"
#include "dvd/io/folder_lock.hpp"
#include "dvd/io/safetensors_stream.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// How far a preparation has come.
struct PrepareProgress {
  std::int64_t videos = 0, all_videos = 0;  ///< done, and to do
  std::int64_t frames = 0;                  ///< written so far
  std::int64_t bytes = 0;                   ///< of these
  double share = 0;                         ///< of the sources' bytes, done
};

struct PrepareOptions {
  std::int64_t threads = 0;  ///< each decodes one video at a time; 0: all cores
  /// Told now and then, by one thread at a time.
  std::function<void(const PrepareProgress&)> progress = {};
  /// Asked for every frame, by any thread; once it says true, the preparation stops as if it had been killed.
  std::function<bool()> stop = {};
};

/// What a preparation came to.
struct PrepareResult {
  bool stopped = false;       ///< the same preparation goes on later; what follows is of no meaning then
  VideoSetIndex index;        ///< of the set
  std::int64_t prepared = 0;  ///< videos decoded by this call
  std::int64_t kept = 0;      ///< videos that the set had before
  std::int64_t dropped = 0;   ///< videos that the set had and that are gone
};

/// Makes a set, or brings one up to date: only new and changed videos are decoded, into new shards.
///
///     dvd::SetSources sources = dvd::find_set_sources("UCF101", {"trainlist01.txt", "testlist01.txt"});
///     dvd::SetPreparation preparation(sources, "ucf-64", {.height = 64, .width = 64});
///     preparation.run();
///
/// A thread writes a shard from its first video to its last, so memory holds no more than a frame of each thread's and
/// the bytes do not depend on the threads. A video that cannot be read is listed in the index as skipped, with the
/// reason, and tried again when it is touched; one that cannot be read on is kept as far as it goes, with a remark.
class SetPreparation {
 public:
  /// Looks at what is there and what is to be done; changes nothing. Throws FileError where another process works in
  /// the folder, where the set was made with other options or of other videos, or is damaged; ArgumentError for sizes
  /// that frames cannot have, and where the set would lie among the videos.
  SetPreparation(SetSources sources, std::filesystem::path set, VideoSetFormat format, PrepareOptions options = {})
      : sources_(std::move(sources)),
        set_(std::move(set)),
        format_(std::move(format)),
        options_(std::move(options)),
        work_(set_) {
    format_.lists = sources_.lists;
    detail::framing_of(format_).validate();
    require(is_finite(format_.frames_per_second) && format_.frames_per_second >= 0 && format_.frames_per_second <= 1000,
            "a set cannot have ", format_.frames_per_second,
            " frames a second (expected up to 1000, or 0: as they are)");
    check_place();
    std::error_code error;
    if (std::filesystem::is_directory(set_, error)) detail::lock_folder(lock_, set_);
    state_.emplace(sources_, set_, format_, threads());
  }
  SetPreparation(const SetPreparation&) = delete;
  SetPreparation& operator=(const SetPreparation&) = delete;

  /// Numbers, in the sources, of the videos that are to be decoded.
  const std::vector<std::size_t>& to_do() const { return state_->to_do; }
  /// Videos that the set has as they are.
  std::int64_t kept() const { return static_cast<std::int64_t>(sources_.videos.size() - state_->to_do.size()); }
  const SetSources& sources() const { return sources_; }

  /// Does it. Throws FileError where the disk is full or fails; the same preparation then goes on later. Once only.
  PrepareResult run() {
    take_hold();
    if (!state_->had_plan) work_.remove();  // what an ended preparation may have left
    if (!state_->to_do.empty()) work_.write_plan(state_->plan);
    remove_shards([&](std::int64_t number) { return state_->shards.contains(number); });
    std::atomic<bool> failed = false;
    detail::share_out(static_cast<Index>(state_->unfinished.size()), threads(), failed, [&](Index i) {
      make_shard(state_->plan.shards[state_->unfinished[static_cast<std::size_t>(i)]], failed);
    });
    if (stopped_) {
      PrepareResult stopped;
      stopped.stopped = true;
      return stopped;
    }
    report(true);
    return finish();
  }

 private:
  Index threads() const {
    return options_.threads > 0 ? options_.threads : std::max(1u, std::thread::hardware_concurrency());
  }

  // A set among the videos would be taken for one of them the next time.
  void check_place() const {
    std::error_code error;
    const std::filesystem::path inner = std::filesystem::weakly_canonical(std::filesystem::absolute(set_), error);
    const std::filesystem::path outer = std::filesystem::weakly_canonical(sources_.folder, error);
    const std::filesystem::path below = inner.lexically_relative(outer);
    require(!std::filesystem::exists(set_, error) || std::filesystem::is_directory(set_, error), set_.string(),
            " is not a folder (expected a set, or a new folder)");
    require(below.empty() || *below.begin() == "..", set_.string(), " lies within the folder of the videos, ",
            sources_.folder.string(), "; expected a folder elsewhere");
  }

  // Where there was no folder, another process may have begun in the meantime.
  void take_hold() {
    if (lock_.number() < 0) {
      std::error_code error;
      std::filesystem::create_directories(set_, error);
      if (error) throw FileError(concat(set_.string(), ": cannot create the folder (", error.message(), ")"));
      detail::lock_folder(lock_, set_);
      state_.emplace(sources_, set_, format_, threads());
    }
    detail::remove_half_written(set_);
    work_.remove_half_written();
  }

  // Removes the shards whose numbers are not wanted.
  template <class Wanted>
  void remove_shards(Wanted&& wanted) const {
    std::error_code error;
    std::vector<std::filesystem::path> unwanted;
    for (const auto& entry : std::filesystem::directory_iterator(set_, error))
      if (const auto number = shard_number(entry.path()); number && !wanted(*number)) unwanted.push_back(entry.path());
    for (const std::filesystem::path& path : unwanted) std::filesystem::remove(path, error);
  }

  // Of a file that is a shard by its name.
  static std::optional<std::int64_t> shard_number(const std::filesystem::path& path) {
    const std::string name = path.filename().string();
    std::int64_t number = -1;
    if (!name.starts_with("shard-") || !name.ends_with(".safetensors")) return std::nullopt;
    std::from_chars(name.data() + 6, name.data() + name.size(), number);
    if (number < 0 || shard_of_set("", number) != name) return std::nullopt;
    return number;
  }

  void make_shard(const detail::PlannedShard& planned, std::atomic<bool>& failed) {
    if (stopped_) return;
    SafetensorsStream file(shard_of_set(set_, planned.number), planned.videos);
    detail::ShardRecord record;
    for (const std::string& name : planned.videos) {
      const std::size_t place = state_->source_of_name.at(name);
      record.videos.push_back(prepare(place, planned.number, file, failed));
      if (failed || stopped_) return;  // and the file is gone
      videos_done_ += 1;
      source_bytes_done_ += state_->states[place].size;
      report(false);
    }
    const SafetensorsStream::Written written = file.finish();
    record.shard = {planned.number, static_cast<std::int64_t>(written.size), written.header_hash};
    work_.write_shard(record);
    const std::lock_guard lock(mutex_);
    state_->shards.emplace(planned.number, record.shard);
    for (detail::SetRecord& video : record.videos) {
      std::string name = video.name;
      state_->known.insert_or_assign(std::move(name), std::move(video));
    }
  }

  // Decodes one video into the shard.
  detail::SetRecord prepare(std::size_t place, std::int64_t shard, SafetensorsStream& file,
                            const std::atomic<bool>& failed) {
    const SetSource& source = sources_.videos[place];
    detail::SetRecord record{.video = {}, .name = source.name, .path = source.path, .remark = ""};
    VideoSetIndex::Video& video = record.video;
    video.shard = shard;
    video.start = source.video.start;
    video.end = source.video.end;
    video.source_size = state_->states[place].size;
    video.source_time = state_->states[place].time;
    video.offset = static_cast<std::int64_t>(file.position());

    std::optional<detail::SetFrames> frames;
    // What goes wrong with the video is noted; what goes wrong with the shard ends the preparation.
    const auto try_to = [&](const auto& action) {
      try {
        return action();
      } catch (const FileError& error) {
        record.remark = detail::without_source_path(error.what(), source.video);
        return false;
      }
    };
    const bool opened = try_to([&] {
      video.source_hash = detail::hash_of_source(source.video);
      frames.emplace(source.video, format_);
      return true;
    });
    while (opened && try_to([&] { return frames->next(); })) {
      file.append(frames->pixels());
      ++video.frames;
      frames_ += 1;
      report(false);
      if (options_.stop && options_.stop()) stopped_ = true;
      if (stopped_ || failed) return record;
    }
    if (frames) {
      const VideoCondition& condition = frames->condition();
      video.frames_per_second = format_.frames_per_second > 0 ? format_.frames_per_second : condition.frames_per_second;
      video.source_width = condition.width;
      video.source_height = condition.height;
      for (const std::string& remark : condition.remarks) record.remark += (record.remark.empty() ? "" : "; ") + remark;
    }
    video.skipped = video.frames == 0;
    if (video.skipped && record.remark.empty()) record.remark = "has no frame between its start and its end";
    if (video.skipped) video.shard = video.offset = 0;  // the same wherever it was tried
    if (!video.skipped)
      file.end_tensor(source.name, std::vector{video.frames, format_.height, format_.width, format_.channels});
    return record;
  }

  void report(bool last) {
    if (!options_.progress) return;
    using Clock = std::chrono::steady_clock;
    const std::int64_t now = Clock::now().time_since_epoch() / std::chrono::milliseconds(1);
    std::int64_t before = reported_;
    if (!last && (now - before < 100 || !reported_.compare_exchange_strong(before, now))) return;
    const std::lock_guard lock(report_mutex_);
    const std::int64_t bytes = source_bytes_done_;
    options_.progress({.videos = videos_done_,
                       .all_videos = static_cast<std::int64_t>(state_->to_do.size()),
                       .frames = frames_,
                       .bytes = frames_ * format_.frame_bytes(),
                       .share = state_->source_bytes > 0
                                    ? static_cast<double>(bytes) / static_cast<double>(state_->source_bytes)
                                    : 1});
  }

  PrepareResult finish() {
    PrepareResult result;
    VideoSetIndex& index = result.index;
    index.format = format_;
    index.class_names = sources_.class_names;
    index.split_names = sources_.split_names;
    index.listed = sources_.listed;
    std::set<std::int64_t> numbers;
    for (const SetSource& source : sources_.videos) {
      const detail::SetRecord& record = state_->known.at(source.name);
      VideoSetIndex::Video video = record.video;
      video.label = source.video.label;
      video.splits = source.splits;
      video.place = source.place;
      index.add(video, source.name, record.path, record.remark);
      if (video.frames > 0) numbers.insert(video.shard);
    }
    for (const std::int64_t number : numbers) index.shards.push_back(state_->shards.at(number));
    write_set_index(set_, index);
    work_.remove();
    remove_shards([&](std::int64_t number) { return numbers.contains(number); });
    result.prepared = static_cast<std::int64_t>(state_->to_do.size());
    result.kept = kept();
    for (const auto& [name, record] : state_->known) result.dropped += !state_->source_of_name.contains(name);
    return result;
  }

  SetSources sources_;
  std::filesystem::path set_;
  VideoSetFormat format_;
  PrepareOptions options_;
  detail::SetWork work_;
  detail::Descriptor lock_;
  std::optional<detail::SetState> state_;
  std::atomic<std::int64_t> source_bytes_done_ = 0, videos_done_ = 0, frames_ = 0, reported_ = 0;
  std::atomic<bool> stopped_ = false;
  std::mutex mutex_;  // guards what is known while threads are at work
  std::mutex report_mutex_;
};

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
