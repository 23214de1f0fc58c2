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
    for (std::size_t i = 0; i < sources_.videos.size(); ++i) source_of_name_.emplace(sources_.videos[i].name, i);
    std::error_code error;
    if (std::filesystem::is_directory(set_, error)) detail::lock_folder(lock_, set_);
    look();
  }

  /// Numbers, in the sources, of the videos that are to be decoded.
  const std::vector<std::size_t>& to_do() const { return to_do_; }
  /// Videos that the set has as they are.
  std::int64_t kept() const { return static_cast<std::int64_t>(sources_.videos.size() - to_do_.size()); }
  const SetSources& sources() const { return sources_; }

  /// Does it. Throws FileError where the disk is full or fails; the same preparation then goes on later. Once only.
  PrepareResult run() {
    take_hold();
    if (!had_plan_) work_.remove();  // what an ended preparation may have left
    if (!to_do_.empty()) work_.write_plan(plan_);
    remove_shards([&](std::int64_t number) { return shards_.contains(number); });
    std::atomic<bool> failed = false;
    const Index threads = options_.threads > 0 ? options_.threads : std::max(1u, std::thread::hardware_concurrency());
    const auto fresh = static_cast<Index>(unfinished_.size());
    detail::share_out(fresh, threads, failed,
                      [&](Index i) { make_shard(plan_.shards[unfinished_[static_cast<std::size_t>(i)]], failed); });
    if (stopped_) {
      PrepareResult stopped;
      stopped.stopped = true;
      return stopped;
    }
    report(true);
    return finish();
  }

 private:
  static constexpr std::size_t most_videos_of_shard = 64, wanted_shards = 128;
  static constexpr std::int64_t most_source_bytes_of_shard = std::int64_t{1} << 28;

  // A set among the videos would be taken for one of them the next time.
  void check_place() const {
    const std::filesystem::path inner = std::filesystem::weakly_canonical(set_);
    const std::filesystem::path outer = std::filesystem::weakly_canonical(sources_.folder);
    const std::filesystem::path below = inner.lexically_relative(outer);
    require(below.empty() || *below.begin() == "..", set_.string(), " lies within the folder of the videos, ",
            sources_.folder.string(), "; expected a folder elsewhere");
  }

  void check_format(const VideoSetFormat& made, const char* what) const {
    if (const std::string difference = detail::difference(made, format_); !difference.empty())
      throw FileError(
          concat(set_.string(), ": ", what, " with ", difference, "; give the same options, or another folder"));
  }

  // What the set's index and finished shards hold, and what of the sources is missing there.
  void look() {
    known_.clear(), shards_.clear(), plan_ = {}, to_do_.clear(), unfinished_.clear();
    if (is_video_set(set_)) learn_index(read_set_index(set_));
    std::optional<detail::SetPlan> plan = work_.read_plan();
    had_plan_ = plan.has_value();
    if (plan) learn_plan(std::move(*plan));
    check_sources();
    find_changed();
    make_plan();
  }

  void learn_index(const VideoSetIndex& index) {
    check_format(index.format, "is a set made");
    for (const VideoSetIndex::Shard& shard : index.shards) {
      std::error_code error;
      // One that is gone or was cut short is made anew.
      if (std::filesystem::file_size(shard_of_set(set_, shard.number), error) ==
              static_cast<std::uintmax_t>(shard.size) &&
          !error)
        shards_.emplace(shard.number, shard);
    }
    for (std::size_t i = 0; i < index.videos.size(); ++i) {
      const VideoSetIndex::Video& video = index.videos[i];
      last_number_ = std::max(last_number_, video.shard);
      if (video.frames > 0 && !shards_.contains(video.shard)) continue;
      std::string name(index.text(i, VideoSetIndex::name));
      known_.insert_or_assign(name, detail::SetRecord{video, name, std::string(index.text(i, VideoSetIndex::path)),
                                                      std::string(index.text(i, VideoSetIndex::remark))});
    }
  }

  void learn_plan(detail::SetPlan plan) {
    check_format(plan.format, "holds a set that was begun");
    plan_ = std::move(plan);
    for (const detail::PlannedShard& planned : plan_.shards) {
      last_number_ = std::max(last_number_, planned.number);
      const std::optional<detail::ShardRecord> record = work_.read_shard(planned.number);
      if (!record) continue;
      shards_.insert_or_assign(planned.number, record->shard);
      for (const detail::SetRecord& video : record->videos) known_.insert_or_assign(video.name, video);
    }
  }

  // Whoever names the wrong folder must not lose the set.
  void check_sources() const {
    const auto is_source = [&](const auto& known) { return source_of_name_.contains(known.first); };
    if (known_.empty() || std::any_of(known_.begin(), known_.end(), is_source)) return;
    throw FileError(concat(set_.string(), ": is a set of other videos: none of its ", known_.size(), " is in ",
                           sources_.folder.string(),
                           "; give the folder that it was made from, or another folder for "
                           "the set"));
  }

  void find_changed() {
    const auto count = static_cast<Index>(sources_.videos.size());
    states_.resize(sources_.videos.size());
    std::vector<char> unchanged(sources_.videos.size());
    std::atomic<bool> failed = false;
    constexpr Index at_once = 256;
    const Index threads = options_.threads > 0 ? options_.threads : std::max(1u, std::thread::hardware_concurrency());
    detail::share_out((count + at_once - 1) / at_once, threads, failed, [&](Index piece) {
      for (Index i = piece * at_once; i < std::min(count, (piece + 1) * at_once); ++i) {
        const auto place = static_cast<std::size_t>(i);
        states_[place] = detail::state_of_source(sources_.videos[place].video);
        unchanged[place] = is_known(place);
      }
    });
    for (std::size_t i = 0; i < unchanged.size(); ++i)
      if (!unchanged[i]) to_do_.push_back(i);
  }

  // Whether the set has this video as it is now. A file that was only touched is known by its content.
  bool is_known(std::size_t place) {
    const SetSource& source = sources_.videos[place];
    const auto found = known_.find(source.name);
    if (found == known_.end()) return false;
    detail::SetRecord& record = found->second;
    const detail::SourceState& state = states_[place];
    if (record.path != source.path || record.video.start != source.video.start ||
        record.video.end != source.video.end || record.video.source_size != state.size)
      return false;
    // What could not be read at all may be readable by now.
    if (record.video.skipped && (record.video.source_hash == 0 || record.video.source_time != state.time)) return false;
    if (record.video.source_time == state.time) return true;
    try {
      if (detail::hash_of_source(source.video) != record.video.source_hash) return false;
    } catch (const FileError&) {
      return false;
    }
    record.video.source_time = state.time;
    return true;
  }

  // What an earlier plan has left to do stays as it was planned; the rest goes to shards behind it.
  void make_plan() {
    std::set<std::string> open;
    for (const std::size_t i : to_do_) open.insert(sources_.videos[i].name);
    plan_.format = format_;
    for (std::size_t i = 0; i < plan_.shards.size(); ++i) {
      detail::PlannedShard& planned = plan_.shards[i];
      if (shards_.contains(planned.number)) continue;
      std::erase_if(planned.videos, [&](const std::string& name) { return open.erase(name) == 0; });
      if (!planned.videos.empty()) unfinished_.push_back(i);
    }
    const std::size_t most = std::clamp<std::size_t>(open.size() / wanted_shards, 1, most_videos_of_shard);
    std::int64_t bytes = 0;
    bool begin = true;
    for (const std::size_t i : to_do_) {
      const SetSource& source = sources_.videos[i];
      if (!open.contains(source.name)) continue;
      const std::int64_t size = states_[i].size;
      if (begin || plan_.shards.back().videos.size() >= most || bytes + size > most_source_bytes_of_shard) {
        unfinished_.push_back(plan_.shards.size());
        plan_.shards.push_back({++last_number_, {}});
        bytes = 0;
        begin = false;
      }
      plan_.shards.back().videos.push_back(source.name);
      bytes += size;
    }
    for (const std::size_t i : to_do_) source_bytes_ += states_[i].size;
  }

  // Where there was no folder, another process may have begun in the meantime.
  void take_hold() {
    if (lock_.number() < 0) {
      std::error_code error;
      std::filesystem::create_directories(set_, error);
      if (error) throw FileError(concat(set_.string(), ": cannot create the folder (", error.message(), ")"));
      detail::lock_folder(lock_, set_);
      last_number_ = -1, source_bytes_ = 0;
      look();
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
      const std::size_t place = source_of_name_.at(name);
      record.videos.push_back(prepare(place, planned.number, file, failed));
      if (failed || stopped_) return;  // and the file is gone
      videos_done_ += 1;
      source_bytes_done_ += states_[place].size;
      report(false);
    }
    const SafetensorsStream::Written written = file.finish();
    record.shard = {planned.number, static_cast<std::int64_t>(written.size), written.header_hash};
    work_.write_shard(record);
    const std::lock_guard lock(mutex_);
    shards_.emplace(planned.number, record.shard);
    for (detail::SetRecord& video : record.videos) {
      std::string name = video.name;
      known_.insert_or_assign(std::move(name), std::move(video));
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
    video.source_size = states_[place].size;
    video.source_time = states_[place].time;
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
    options_.progress(
        {.videos = videos_done_,
         .all_videos = static_cast<std::int64_t>(to_do_.size()),
         .frames = frames_,
         .bytes = frames_ * format_.frame_bytes(),
         .share = source_bytes_ > 0 ? static_cast<double>(bytes) / static_cast<double>(source_bytes_) : 1});
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
      const detail::SetRecord& record = known_.at(source.name);
      VideoSetIndex::Video video = record.video;
      video.label = source.video.label;
      video.splits = source.splits;
      video.place = source.place;
      index.add(video, source.name, record.path, record.remark);
      if (video.frames > 0) numbers.insert(video.shard);
    }
    for (const std::int64_t number : numbers) index.shards.push_back(shards_.at(number));
    write_set_index(set_, index);
    work_.remove();
    remove_shards([&](std::int64_t number) { return numbers.contains(number); });
    result.prepared = static_cast<std::int64_t>(to_do_.size());
    result.kept = kept();
    for (const auto& [name, record] : known_) result.dropped += !source_of_name_.contains(name);
    return result;
  }

  SetSources sources_;
  std::filesystem::path set_;
  VideoSetFormat format_;
  PrepareOptions options_;
  detail::SetWork work_;
  detail::Descriptor lock_;
  std::unordered_map<std::string, std::size_t> source_of_name_;
  std::vector<detail::SourceState> states_;                   // of the sources
  std::unordered_map<std::string, detail::SetRecord> known_;  // by name; of the sources, and of what is gone
  std::map<std::int64_t, VideoSetIndex::Shard> shards_;       // that are whole
  std::int64_t last_number_ = -1;
  detail::SetPlan plan_;
  bool had_plan_ = false;
  std::vector<std::size_t> unfinished_;  // of the plan's shards
  std::vector<std::size_t> to_do_;       // of the sources
  std::int64_t source_bytes_ = 0;        // of those
  std::atomic<std::int64_t> source_bytes_done_ = 0, videos_done_ = 0, frames_ = 0, reported_ = 0;
  std::atomic<bool> stopped_ = false;
  std::mutex mutex_;  // guards known_ and shards_ while threads are at work
  std::mutex report_mutex_;
};

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
