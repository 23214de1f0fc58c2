// What of a set is there, and what of its sources is missing or has changed: looked at, not touched.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <system_error>
#include <unordered_map>
#include <utility>
#include <vector>

#include "dvd/core/error.hpp"
#include "dvd/data/set_sources.hpp"
#include "dvd/data/set_work.hpp"
#include "dvd/data/video_set.hpp"
#include "dvd/data/video_set_index.hpp"
#include "dvd/data/workers.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::detail {

class SetState {
 public:
  // Throws FileError where the set was made with other options or of other videos, or is damaged.
  SetState(const SetSources& sources, std::filesystem::path set, VideoSetFormat format, Index threads)
      : sources_(sources), set_(std::move(set)), format_(std::move(format)), work_(set_) {
    for (std::size_t i = 0; i < sources_.videos.size(); ++i) source_of_name.emplace(sources_.videos[i].name, i);
    if (is_video_set(set_)) learn_index(read_set_index(set_));
    std::optional<SetPlan> found = work_.read_plan();
    had_plan = found.has_value();
    if (found) learn_plan(std::move(*found));
    check_sources();
    find_changed(threads);
    make_plan();
  }

  std::unordered_map<std::string, std::size_t> source_of_name;
  std::vector<SourceState> states;                      // of the sources
  std::unordered_map<std::string, SetRecord> known;     // by name: of the sources, and of what is gone
  std::map<std::int64_t, VideoSetIndex::Shard> shards;  // that are whole
  SetPlan plan;
  bool had_plan = false;                // begun before
  std::vector<std::size_t> unfinished;  // of the plan's shards
  std::vector<std::size_t> to_do;       // of the sources
  std::int64_t source_bytes = 0;        // of those

 private:
  static constexpr std::size_t most_videos_of_shard = 64, wanted_shards = 128;
  static constexpr std::int64_t most_source_bytes_of_shard = std::int64_t{1} << 28;

  void check_format(const VideoSetFormat& made, const char* what) const {
    if (const std::string other = difference(made, format_); !other.empty())
      throw FileError(concat(set_.string(), ": ", what, " with ", other, "; give the same options, or another folder"));
  }

  void learn_index(const VideoSetIndex& index) {
    check_format(index.format, "is a set made");
    for (const VideoSetIndex::Shard& shard : index.shards) {
      std::error_code error;
      // One that is gone or was cut short is made anew.
      if (std::filesystem::file_size(shard_of_set(set_, shard.number), error) ==
              static_cast<std::uintmax_t>(shard.size) &&
          !error)
        shards.emplace(shard.number, shard);
    }
    for (std::size_t i = 0; i < index.videos.size(); ++i) {
      const VideoSetIndex::Video& video = index.videos[i];
      last_number_ = std::max(last_number_, video.shard);
      if (video.frames > 0 && !shards.contains(video.shard)) continue;
      std::string name(index.text(i, VideoSetIndex::name));
      known.insert_or_assign(name, SetRecord{video, name, std::string(index.text(i, VideoSetIndex::path)),
                                             std::string(index.text(i, VideoSetIndex::remark))});
    }
  }

  void learn_plan(SetPlan found) {
    check_format(found.format, "holds a set that was begun");
    plan = std::move(found);
    for (const PlannedShard& planned : plan.shards) {
      last_number_ = std::max(last_number_, planned.number);
      const std::optional<ShardRecord> record = work_.read_shard(planned.number);
      if (!record) continue;
      shards.insert_or_assign(planned.number, record->shard);
      for (const SetRecord& video : record->videos) known.insert_or_assign(video.name, video);
    }
  }

  // Whoever names the wrong folder must not lose the set.
  void check_sources() const {
    const auto is_source = [&](const auto& entry) { return source_of_name.contains(entry.first); };
    if (known.empty() || std::any_of(known.begin(), known.end(), is_source)) return;
    throw FileError(concat(set_.string(), ": is a set of other videos: none of its ", known.size(), " is in ",
                           sources_.folder.string(),
                           "; give the folder that it was made from, or another folder for "
                           "the set"));
  }

  void find_changed(Index threads) {
    const auto count = static_cast<Index>(sources_.videos.size());
    states.resize(sources_.videos.size());
    std::vector<char> unchanged(sources_.videos.size());
    std::atomic<bool> failed = false;
    constexpr Index at_once = 256;
    share_out((count + at_once - 1) / at_once, threads, failed, [&](Index piece) {
      for (Index i = piece * at_once; i < std::min(count, (piece + 1) * at_once); ++i) {
        const auto place = static_cast<std::size_t>(i);
        states[place] = state_of_source(sources_.videos[place].video);
        unchanged[place] = is_known(place);
      }
    });
    for (std::size_t i = 0; i < unchanged.size(); ++i)
      if (!unchanged[i]) to_do.push_back(i);
  }

  // Whether the set has this video as it is now. A file that was only touched is known by its content.
  bool is_known(std::size_t place) {
    const SetSource& source = sources_.videos[place];
    const auto found = known.find(source.name);
    if (found == known.end()) return false;
    SetRecord& record = found->second;
    const SourceState& state = states[place];
    if (record.path != source.path || record.video.start != source.video.start ||
        record.video.end != source.video.end || record.video.source_size != state.size)
      return false;
    // What could not be read at all may be readable by now.
    if (record.video.skipped && (record.video.source_hash == 0 || record.video.source_time != state.time)) return false;
    if (record.video.source_time == state.time) return true;
    try {
      if (hash_of_source(source.video) != record.video.source_hash) return false;
    } catch (const FileError&) {
      return false;
    }
    record.video.source_time = state.time;
    return true;
  }

  // What an earlier plan has left to do stays as it was planned; the rest goes to shards behind it.
  void make_plan() {
    std::set<std::string> open;
    for (const std::size_t i : to_do) open.insert(sources_.videos[i].name);
    plan.format = format_;
    for (std::size_t i = 0; i < plan.shards.size(); ++i) {
      PlannedShard& planned = plan.shards[i];
      if (shards.contains(planned.number)) continue;
      std::erase_if(planned.videos, [&](const std::string& name) { return open.erase(name) == 0; });
      if (!planned.videos.empty()) unfinished.push_back(i);
    }
    const std::size_t most = std::clamp<std::size_t>(open.size() / wanted_shards, 1, most_videos_of_shard);
    std::int64_t bytes = 0;
    bool begin = true;
    for (const std::size_t i : to_do) {
      const SetSource& source = sources_.videos[i];
      if (!open.contains(source.name)) continue;
      const std::int64_t size = states[i].size;
      if (begin || plan.shards.back().videos.size() >= most || bytes + size > most_source_bytes_of_shard) {
        unfinished.push_back(plan.shards.size());
        plan.shards.push_back({++last_number_, {}});
        bytes = 0;
        begin = false;
      }
      plan.shards.back().videos.push_back(source.name);
      bytes += size;
    }
    for (const std::size_t i : to_do) source_bytes += states[i].size;
  }

  const SetSources& sources_;
  std::filesystem::path set_;
  VideoSetFormat format_;
  SetWork work_;
  std::int64_t last_number_ = -1;  // of all shards so far
};

}  // namespace dvd::detail

#include "dvd/core/macros_end.hpp"
