// The index of a prepared set of videos: what its shards hold, where, and what it was made from. docs/video_sets.md
// describes the files for those who read them without this library.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <system_error>
#include <unordered_map>
#include <utility>
#include <vector>

#include "dvd/core/error.hpp"
#include "dvd/core/is_finite.hpp"
#include "dvd/io/safetensors.hpp"
#include "dvd/version.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// How the frames of a set were made.
struct VideoSetFormat {
  std::int64_t height = 64;
  std::int64_t width = 64;
  std::int64_t channels = 3;     ///< 3: RGB; 1: grey
  double frames_per_second = 0;  ///< of every video; 0: each has its own
  double position = 0.5;         ///< where the rectangle lies that was cut out of a frame: see Framing
  std::int64_t part = 1;         ///< this is part `part` of `parts`, from 1
  std::int64_t parts = 1;
  std::vector<std::string> lists = {};  ///< names of the lists that it was made from; none: of a whole folder

  friend bool operator==(const VideoSetFormat&, const VideoSetFormat&) = default;

  std::int64_t frame_bytes() const { return height * width * channels; }
};

/// A set's index in memory: `index.safetensors`.
struct VideoSetIndex {
  /// One video, or one file that could not be used.
  struct Video {
    std::int64_t label = 0;
    std::int64_t frames = 0;  ///< 0 where it was skipped
    std::int64_t shard = 0;   ///< number of the shard's file
    std::int64_t offset = 0;  ///< of its first frame, in bytes from the beginning of the shard's file
    double frames_per_second = 0;
    std::int64_t source_width = 0, source_height = 0;  ///< pixels, as shown
    double start = 0, end = 0;                         ///< seconds of the source that were taken; end 0: to its end
    std::uint64_t splits = 0;                          ///< bit i: it is in `split_names[i]`
    std::uint64_t source_hash = 0;                     ///< of the source's content
    std::int64_t source_size = 0;                      ///< bytes
    std::int64_t source_time = 0;                      ///< of its last change: nanoseconds since 1970
    std::int64_t place = 0;                            ///< in the whole listing, of which a part has only some
    bool skipped = false;
  };
  struct Shard {
    std::int64_t number = 0;
    std::int64_t size = 0;          ///< bytes
    std::uint64_t header_hash = 0;  ///< see detail::safetensors_header_hash
  };
  enum Text { name = 0, path = 1, remark = 2 };

  VideoSetFormat format;
  std::vector<std::string> class_names;  ///< none: the set has no labels
  std::vector<std::string> split_names;  ///< at most 64
  std::int64_t listed = 0;               ///< videos of the whole listing, of which a part has only some
  std::vector<Video> videos;             ///< in the order of the listing
  std::vector<Shard> shards;             ///< by number
  std::string texts;                     ///< of every video its name, path and remark, one after the other
  std::vector<std::uint64_t> text_ends;  ///< of each of them

  /// The video's name in its shard; its source's path below the folder of the videos; what there is to say about it,
  /// such as why it was skipped.
  std::string_view text(std::size_t video, Text which) const {
    const std::size_t i = 3 * video + static_cast<std::size_t>(which);
    const std::uint64_t begin = i == 0 ? 0 : text_ends[i - 1];
    return std::string_view(texts).substr(begin, text_ends[i] - begin);
  }
  void add(const Video& video, std::string_view its_name, std::string_view its_path, std::string_view its_remark) {
    videos.push_back(video);
    for (const std::string_view part : {its_name, its_path, its_remark}) {
      texts += part;
      text_ends.push_back(texts.size());
    }
  }
  const Shard* find_shard(std::int64_t number) const {
    const auto found = std::lower_bound(shards.begin(), shards.end(), number,
                                        [](const Shard& shard, std::int64_t wanted) { return shard.number < wanted; });
    return found != shards.end() && found->number == number ? &*found : nullptr;
  }
};

/// SET/index.safetensors
inline std::filesystem::path index_of_set(const std::filesystem::path& set) { return set / "index.safetensors"; }

/// SET/shard-00000.safetensors
inline std::filesystem::path shard_of_set(const std::filesystem::path& set, std::int64_t number) {
  char name[48];
  std::snprintf(name, sizeof name, "shard-%05lld.safetensors", static_cast<long long>(number));
  return set / name;
}

namespace detail {

// Bytes that are not UTF-8 as %XX, and a % that would be read as such, too: any name as a text that JSON can hold,
// which can be turned back.
inline std::string escaped_name(std::string_view bytes) {
  const auto is_hex = [](char letter) { return (letter >= '0' && letter <= '9') || (letter >= 'A' && letter <= 'F'); };
  const auto byte_at = [&](std::size_t i) { return i < bytes.size() ? static_cast<unsigned char>(bytes[i]) : 0u; };
  std::string text;
  for (std::size_t i = 0; i < bytes.size();) {
    const unsigned lead = byte_at(i);
    std::size_t length = lead < 0x80 ? 1 : lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
    length = std::min(length, bytes.size() - i);
    const std::string_view letter = bytes.substr(i, length);
    const bool like_escape = lead == '%' && i + 2 < bytes.size() && is_hex(bytes[i + 1]) && is_hex(bytes[i + 2]);
    if (!like_escape && (lead < 0x80 || is_utf8(letter))) {
      text += letter;
      i += length;
    } else {
      text += '%';
      text += "0123456789ABCDEF"[lead >> 4];
      text += "0123456789ABCDEF"[lead & 15];
      ++i;
    }
  }
  return text;
}

inline nlohmann::json escaped_names(const std::vector<std::string>& names) {
  nlohmann::json list = nlohmann::json::array();
  for (const std::string& each : names) list.push_back(escaped_name(each));
  return list;
}

inline std::string unescaped_name(std::string_view text) {
  const auto digit = [](char letter) {
    return letter >= '0' && letter <= '9' ? letter - '0' : letter >= 'A' && letter <= 'F' ? letter - 'A' + 10 : -1;
  };
  std::string bytes;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool escape = text[i] == '%' && i + 2 < text.size() && digit(text[i + 1]) >= 0 && digit(text[i + 2]) >= 0;
    bytes += escape ? static_cast<char>(digit(text[i + 1]) * 16 + digit(text[i + 2])) : text[i];
    if (escape) i += 2;
  }
  return bytes;
}

inline nlohmann::json format_json(const VideoSetFormat& format) {
  return {{"height", format.height},     {"width", format.width},
          {"channels", format.channels}, {"frames_per_second", format.frames_per_second},
          {"position", format.position}, {"part", format.part},
          {"parts", format.parts},       {"lists", escaped_names(format.lists)}};
}

inline std::vector<std::string> names_in_json(const nlohmann::json& list) {
  std::vector<std::string> names;
  for (const nlohmann::json& each : list) names.push_back(unescaped_name(each.get<std::string>()));
  return names;
}

// Throws nlohmann's exceptions where something is missing or of another type.
inline VideoSetFormat format_in_json(const nlohmann::json& json) {
  return {.height = json.at("height"),
          .width = json.at("width"),
          .channels = json.at("channels"),
          .frames_per_second = json.at("frames_per_second"),
          .position = json.at("position"),
          .part = json.at("part"),
          .parts = json.at("parts"),
          .lists = names_in_json(json.at("lists"))};
}

// Which of the flags differ, in words; empty where none do.
inline std::string difference(const VideoSetFormat& made, const VideoSetFormat& asked) {
  const auto lists = [](const VideoSetFormat& format) {
    std::string text;
    for (const std::string& each : format.lists) text += (text.empty() ? "--split " : " --split ") + each;
    return text.empty() ? std::string("no --split") : text;
  };
  const auto rate = [](const VideoSetFormat& format) {
    return format.frames_per_second > 0 ? concat("--fps ", format.frames_per_second) : std::string("no --fps");
  };
  const auto say = [](const std::string& is, const std::string& wanted) { return is + ", not with " + wanted; };
  if (made.height != asked.height || made.width != asked.width)
    return say(concat("--resolution ", made.height, 'x', made.width), concat(asked.height, 'x', asked.width));
  if (made.channels != asked.channels) return say(concat("--image-channels ", made.channels), concat(asked.channels));
  if (rate(made) != rate(asked)) return say(rate(made), rate(asked));
  if (made.position != asked.position) return say(concat("--position ", made.position), concat(asked.position));
  if (made.part != asked.part || made.parts != asked.parts)
    return say(concat("--shard ", made.part, '/', made.parts), concat(asked.part, '/', asked.parts));
  if (made.lists != asked.lists) return say(lists(made), lists(asked));
  return made == asked ? "" : say(concat("--fps ", made.frames_per_second), concat(asked.frames_per_second));
}

inline constexpr const char* set_format_version = "1";

// The index's columns: each a field of every video.
template <class Visit>
void visit_video_columns(Visit&& visit) {
  using Video = VideoSetIndex::Video;
  visit("video.label", &Video::label);
  visit("video.frames", &Video::frames);
  visit("video.shard", &Video::shard);
  visit("video.offset", &Video::offset);
  visit("video.frames_per_second", &Video::frames_per_second);
  visit("video.source_width", &Video::source_width);
  visit("video.source_height", &Video::source_height);
  visit("video.start", &Video::start);
  visit("video.end", &Video::end);
  visit("video.splits", &Video::splits);
  visit("video.source_hash", &Video::source_hash);
  visit("video.source_size", &Video::source_size);
  visit("video.source_time", &Video::source_time);
  visit("video.place", &Video::place);
  visit("video.skipped", &Video::skipped);
}

template <class Visit>
void visit_shard_columns(Visit&& visit) {
  using Shard = VideoSetIndex::Shard;
  visit("shard.number", &Shard::number);
  visit("shard.size", &Shard::size);
  visit("shard.header_hash", &Shard::header_hash);
}

// What a file holds for a field: a flag is a byte.
template <class T>
using Stored = std::conditional_t<std::same_as<T, bool>, std::uint8_t, T>;

// Adds the columns of `rows` to a file; the values lie in `kept` until it is written.
template <class Row, class VisitColumns>
void add_columns(SafetensorsWriter& file, std::vector<std::vector<std::byte>>& kept, const std::vector<Row>& rows,
                 VisitColumns&& visit_columns) {
  visit_columns([&]<class T>(const char* column, T Row::*field) {
    std::vector<std::byte>& bytes = kept.emplace_back(rows.size() * sizeof(Stored<T>));
    auto* const values = reinterpret_cast<Stored<T>*>(bytes.data());
    for (std::size_t i = 0; i < rows.size(); ++i) values[i] = static_cast<Stored<T>>(rows[i].*field);
    file.add<Stored<T>>(column, {static_cast<std::int64_t>(rows.size())}, std::span(values, rows.size()));
  });
}

template <class Row, class VisitColumns>
void read_columns(const SafetensorsFile& file, std::vector<Row>& rows, VisitColumns&& visit_columns) {
  visit_columns([&]<class T>(const char* column, T Row::*field) {
    std::vector<Stored<T>> values = file.read<Stored<T>>(column);
    if (rows.empty()) rows.resize(values.size());
    if (rows.size() != values.size())
      throw FileError(concat("its columns differ in length, ", column, " has ", values.size(), " values (expected ",
                             rows.size(), ")"));
    for (std::size_t i = 0; i < rows.size(); ++i) rows[i].*field = static_cast<T>(values[i]);
  });
}

// Throws FileError, without the path, unless everything in the index fits everything else.
inline void check_index(const VideoSetIndex& index) {
  const auto check = [](bool condition, const auto&... message) {
    if (!condition) throw FileError(concat(message...));
  };
  const VideoSetFormat& format = index.format;
  check(std::min(format.height, format.width) >= 1 && std::max(format.height, format.width) <= 8192 &&
            (format.channels == 1 || format.channels == 3),
        "it is said to hold frames of ", format.height, 'x', format.width, " pixels and ", format.channels,
        " channels");
  check(is_finite(format.frames_per_second) && format.frames_per_second >= 0 && is_finite(format.position) &&
            format.part >= 1 && format.part <= format.parts,
        "the options that it was made with make no sense");
  check(index.split_names.size() <= 64, "it names ", index.split_names.size(), " splits (expected at most 64)");
  for (std::size_t i = 0; i < index.shards.size(); ++i)
    check(index.shards[i].number >= 0 && index.shards[i].size >= 0 &&
              (i == 0 || index.shards[i - 1].number < index.shards[i].number),
          "its list of shards is out of order");

  check(index.text_ends.size() == 3 * index.videos.size(), "it has ", index.text_ends.size(), " texts (expected ",
        3 * index.videos.size(), ")");
  check(std::is_sorted(index.text_ends.begin(), index.text_ends.end()) &&
            (index.text_ends.empty() ? 0 : index.text_ends.back()) == index.texts.size(),
        "its texts are out of order");
  const auto classes = static_cast<std::int64_t>(std::max<std::size_t>(index.class_names.size(), 1));
  std::unordered_map<std::int64_t, std::int64_t> sizes;
  for (const VideoSetIndex::Shard& shard : index.shards) sizes.emplace(shard.number, shard.size);
  for (std::size_t i = 0; i < index.videos.size(); ++i) {
    const VideoSetIndex::Video& video = index.videos[i];
    check(video.label >= 0 && video.label < classes, "video ", i, " has label ", video.label, " (expected 0 to ",
          classes - 1, ")");
    check(is_finite(video.frames_per_second) && is_finite(video.start) && is_finite(video.end) && video.place >= 0 &&
              video.place < index.listed && video.frames >= 0 && video.offset >= 0,
          "what it says of video ", i, " makes no sense");
    check(index.split_names.size() == 64 || video.splits >> index.split_names.size() == 0, "video ", i,
          " is in splits that have no names");
    if (video.frames == 0) continue;
    const auto shard = sizes.find(video.shard);
    check(shard != sizes.end(), "video ", i, " lies in shard ", video.shard, ", which there is not");
    check(video.offset <= shard->second && video.frames <= (shard->second - video.offset) / format.frame_bytes(),
          "video ", i, " lies beyond the end of shard ", video.shard);
  }
}

}  // namespace detail

/// Reads a set's index. Throws FileError, in words, where it is missing, damaged, of a later version, or no index.
inline VideoSetIndex read_set_index(const std::filesystem::path& set) {
  const std::filesystem::path path = index_of_set(set);
  const SafetensorsFile file(path);
  try {
    const auto entry = [&](const char* key) -> const std::string& {
      const auto found = file.metadata().find(key);
      if (found == file.metadata().end()) throw FileError(concat("it has no ", key, " in its metadata"));
      return found->second;
    };
    if (file.metadata().find("dvd.video_set") == file.metadata().end())
      throw FileError("it is not one (expected the file that prepare_videos writes)");
    if (entry("dvd.video_set") != detail::set_format_version)
      throw FileError(concat("it is of format ", detail::Printable{entry("dvd.video_set")}, " (expected ",
                             detail::set_format_version, "; a later version of this program reads it)"));
    if (!file.checksum_fits()) throw FileError("it is damaged: its content does not fit its checksum");
    VideoSetIndex index;
    const nlohmann::json options = nlohmann::json::parse(entry("options"));
    index.format = detail::format_in_json(options);
    index.class_names = detail::names_in_json(nlohmann::json::parse(entry("class_names")));
    index.split_names = detail::names_in_json(nlohmann::json::parse(entry("split_names")));
    index.listed = nlohmann::json::parse(entry("listed")).get<std::int64_t>();
    detail::read_columns(file, index.videos, [](auto&& visit) { detail::visit_video_columns(visit); });
    detail::read_columns(file, index.shards, [](auto&& visit) { detail::visit_shard_columns(visit); });
    index.text_ends = file.read<std::uint64_t>("text.ends");
    const std::vector<std::uint8_t> letters = file.read<std::uint8_t>("text.bytes");
    index.texts.assign(letters.begin(), letters.end());
    detail::check_index(index);
    return index;
  } catch (const nlohmann::json::exception&) {
    throw FileError(concat(path.string(), ": cannot be read as the index of a set: its metadata are damaged"));
  } catch (const FileError& error) {
    std::string what = error.what();
    if (const std::string prefix = path.string() + ": "; what.starts_with(prefix)) what.erase(0, prefix.size());
    throw FileError(concat(path.string(), ": cannot be read as the index of a set: ", what));
  }
}

/// Writes a set's index, whole or not at all; the same index gives the same bytes. Throws FileError where it cannot.
inline void write_set_index(const std::filesystem::path& set, const VideoSetIndex& index) {
  SafetensorsWriter file;
  std::vector<std::vector<std::byte>> kept;
  kept.reserve(32);
  detail::add_columns(file, kept, index.videos, [](auto&& visit) { detail::visit_video_columns(visit); });
  detail::add_columns(file, kept, index.shards, [](auto&& visit) { detail::visit_shard_columns(visit); });
  file.add<std::uint64_t>("text.ends", {static_cast<std::int64_t>(index.text_ends.size())}, index.text_ends);
  const std::vector<std::uint8_t> letters(index.texts.begin(), index.texts.end());
  file.add<std::uint8_t>("text.bytes", {static_cast<std::int64_t>(letters.size())}, letters);
  file.set_metadata("dvd.video_set", detail::set_format_version);
  file.set_metadata("dvd.version", version);
  file.set_metadata("options", detail::format_json(index.format).dump());
  file.set_metadata("class_names", detail::escaped_names(index.class_names).dump());
  file.set_metadata("split_names", detail::escaped_names(index.split_names).dump());
  file.set_metadata("listed", concat(index.listed));
  file.add_checksum();
  file.write(index_of_set(set));
}

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
