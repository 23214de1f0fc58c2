// What is known of a set while it is being prepared: the plan of its shards and what the finished ones hold, in the
// folder SET/unfinished, which goes when the index is written.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "dvd/core/error.hpp"
#include "dvd/data/video_set_index.hpp"
#include "dvd/io/atomic_file.hpp"
#include "dvd/io/content_hash.hpp"
#include "dvd/io/folder_lock.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::detail {

// One video, prepared. Its label, splits and place are the listing's affair.
struct SetRecord {
  VideoSetIndex::Video video;
  std::string name, path, remark;
};

// A shard that is finished.
struct ShardRecord {
  VideoSetIndex::Shard shard;
  std::vector<SetRecord> videos;
};

// A shard that is to be made, of the videos of these names.
struct PlannedShard {
  std::int64_t number = 0;
  std::vector<std::string> videos;
};

struct SetPlan {
  VideoSetFormat format;
  std::vector<PlannedShard> shards;  // by number
};

inline nlohmann::json record_json(const SetRecord& record) {
  const VideoSetIndex::Video& video = record.video;
  return {{"name", record.name},
          {"path", escaped_name(record.path)},
          {"remark", escaped_name(record.remark)},
          {"frames", video.frames},
          {"offset", video.offset},
          {"frames_per_second", video.frames_per_second},
          {"width", video.source_width},
          {"height", video.source_height},
          {"start", video.start},
          {"end", video.end},
          {"hash", video.source_hash},
          {"size", video.source_size},
          {"time", video.source_time},
          {"skipped", video.skipped}};
}

inline SetRecord record_in_json(const nlohmann::json& json, std::int64_t shard) {
  SetRecord record{.video = {},
                   .name = json.at("name"),
                   .path = unescaped_name(json.at("path").get<std::string>()),
                   .remark = unescaped_name(json.at("remark").get<std::string>())};
  VideoSetIndex::Video& video = record.video;
  video.frames = json.at("frames");
  video.offset = json.at("offset");
  video.frames_per_second = json.at("frames_per_second");
  video.source_width = json.at("width");
  video.source_height = json.at("height");
  video.start = json.at("start");
  video.end = json.at("end");
  video.source_hash = json.at("hash");
  video.source_size = json.at("size");
  video.source_time = json.at("time");
  video.skipped = json.at("skipped");
  video.shard = video.skipped ? 0 : shard;
  return record;
}

// The folder SET/unfinished. Only who holds the set's folder may write to it.
class SetWork {
 public:
  explicit SetWork(const std::filesystem::path& set) : set_(set), folder_(set / "unfinished") {}

  // The plan; none where nothing was begun. Throws FileError where it is damaged.
  std::optional<SetPlan> read_plan() const {
    const std::optional<nlohmann::json> json = read(plan_path());
    if (!json) return std::nullopt;
    return parsed(plan_path(), [&] {
      SetPlan plan{.format = format_in_json(json->at("options")), .shards = {}};
      for (const nlohmann::json& shard : json->at("shards"))
        plan.shards.push_back({shard.at("number"), shard.at("videos").get<std::vector<std::string>>()});
      return plan;
    });
  }

  // What a shard of the plan holds, if it is finished and its file is there.
  std::optional<ShardRecord> read_shard(std::int64_t number) const {
    const std::optional<nlohmann::json> json = read(record_path(number));
    if (!json) return std::nullopt;
    ShardRecord record = parsed(record_path(number), [&] {
      ShardRecord result{.shard = {number, json->at("size"), json->at("header_hash")}, .videos = {}};
      for (const nlohmann::json& video : json->at("videos")) result.videos.push_back(record_in_json(video, number));
      return result;
    });
    std::error_code error;
    const auto size = std::filesystem::file_size(shard_of_set(set_, number), error);
    if (error || size != static_cast<std::uintmax_t>(record.shard.size)) return std::nullopt;
    return record;
  }

  // Throws FileError where the disk is full.
  void write_plan(const SetPlan& plan) const {
    std::error_code error;
    std::filesystem::create_directories(folder_, error);
    if (error) throw FileError(concat(folder_.string(), ": cannot create the folder (", error.message(), ")"));
    nlohmann::json shards = nlohmann::json::array();
    for (const PlannedShard& shard : plan.shards)
      shards.push_back({{"number", shard.number}, {"videos", shard.videos}});
    write(plan_path(), {{"options", format_json(plan.format)}, {"shards", std::move(shards)}});
  }

  // To be called once the shard's file is in place.
  void write_shard(const ShardRecord& record) const {
    nlohmann::json videos = nlohmann::json::array();
    for (const SetRecord& video : record.videos) videos.push_back(record_json(video));
    write(record_path(record.shard.number),
          {{"size", record.shard.size}, {"header_hash", record.shard.header_hash}, {"videos", std::move(videos)}});
  }

  void remove_half_written() const { detail::remove_half_written(folder_); }

  // The plan first: without it there is nothing to go on with.
  void remove() const {
    std::error_code error;
    std::filesystem::remove(plan_path(), error);
    std::filesystem::remove_all(folder_, error);
  }

 private:
  std::filesystem::path plan_path() const { return folder_ / "plan.json"; }
  std::filesystem::path record_path(std::int64_t number) const {
    return folder_ / shard_of_set("", number).stem().concat(".json");
  }

  static void write(const std::filesystem::path& path, nlohmann::json json) {
    json["checksum"] = checksum(json);
    write_file_atomically(path, json.dump());
  }

  // Nothing where there is no such file; a text where it is damaged, in which nothing can be found.
  static std::optional<nlohmann::json> read(const std::filesystem::path& path) {
    std::error_code error;
    if (!std::filesystem::is_regular_file(path, error)) return std::nullopt;
    std::ifstream file(path, std::ios::binary);
    const std::string text(std::istreambuf_iterator<char>(file), {});
    nlohmann::json json = nlohmann::json::parse(text, nullptr, false);
    if (!json.is_object() || !json.contains("checksum")) return "damaged";
    const nlohmann::json stated = json["checksum"];
    json.erase("checksum");
    if (stated != checksum(json)) return "damaged";
    return json;
  }

  static std::string checksum(const nlohmann::json& json) {
    ContentHash hash;
    hash.add(json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
    return hash.text();
  }

  template <class Parse>
  static auto parsed(const std::filesystem::path& path, Parse&& parse) -> decltype(parse()) {
    try {
      return parse();
    } catch (const nlohmann::json::exception&) {
      throw FileError(concat(path.string(), ": is damaged; delete the folder ", path.parent_path().string(),
                             ", and the preparation begins anew"));
    }
  }

  std::filesystem::path set_, folder_;
};

}  // namespace dvd::detail

#include "dvd/core/macros_end.hpp"
