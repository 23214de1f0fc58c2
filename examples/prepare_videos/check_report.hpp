// What the doctor found, as tables of at most 100 columns and as JSON.
#pragma once

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <dvd/data/check_videos.hpp>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "../common/terminal.hpp"
#include "options.hpp"

namespace examples {

/// A column's text: at most `width` letters wide, bytes that are no UTF-8 as %XX.
inline std::string column_text(std::string_view bytes, std::size_t width) {
  const std::string text = dvd::detail::escaped_name(bytes);
  const auto begins_letter = [](char byte) { return (static_cast<unsigned char>(byte) & 0xC0) != 0x80; };
  const auto letters = static_cast<std::size_t>(std::count_if(text.begin(), text.end(), begins_letter));
  if (letters <= width) return text + std::string(width - letters, ' ');
  std::string shortened;
  std::size_t taken = 0;
  for (const char byte : text) {
    taken += begins_letter(byte);
    if (taken > width - 3) break;
    shortened += byte;
  }
  return shortened + "...";
}

class Findings {
 public:
  Findings(const PrepareVideosOptions& options, const dvd::SetSources& sources, const dvd::CheckReport& report)
      : options_(options), sources_(sources), report_(report), span_((options.frames - 1) * options.stride + 1) {
    for (std::size_t i = 0; i < sources.videos.size(); ++i) {
      const dvd::CheckedVideo& video = report.videos[i];
      seconds_ += video.seconds;
      frames_ += video.frames;
      if (video.undecodable()) {
        undecodable_.push_back(i);
        continue;
      }
      if (video.frames < span_) too_short_.push_back(i);
      if (!video.doubts().empty()) doubtful_.push_back(i);
      rates_[rate_of(video)].push_back(i);
      sizes_[size_of(video)].push_back(i);
    }
  }

  void print() const {
    print_classes();
    print_list("undecodable", "cannot be used", undecodable_, [&](std::size_t i) { return report_.videos[i].failure; });
    if (span_ > 1)
      print_list("too short",
                 fmt::format("for {} frames at stride {}: {} are needed", options_.frames, options_.stride, span_),
                 too_short_, [&](std::size_t i) { return frames_text(report_.videos[i].frames); });
    print_list("doubtful", "can be used, but not all of it is as it should be", doubtful_, [&](std::size_t i) {
      std::string text;
      for (const std::string& each : report_.videos[i].doubts()) text += (text.empty() ? "" : "; ") + each;
      return text;
    });
    print_duplicates();
    print_histogram("frames a second", rates_);
    print_histogram("pixels (width x height, as shown)", sizes_);
    print_lists();
    print_sum();
  }

  nlohmann::json json() const {
    nlohmann::json classes = nlohmann::json::array(), videos = nlohmann::json::array(), same = nlohmann::json::array();
    const auto counts = count_classes();
    for (std::size_t label = 0; label < counts.size(); ++label) {
      nlohmann::json splits = nlohmann::json::object();
      for (std::size_t s = 0; s < sources_.split_names.size(); ++s)
        splits[text(sources_.split_names[s])] = counts[label].in_split[s];
      classes.push_back({{"name", text(class_name(label))},
                         {"videos", counts[label].videos},
                         {"usable", counts[label].usable},
                         {"seconds", counts[label].seconds},
                         {"splits", splits}});
    }
    for (std::size_t i = 0; i < sources_.videos.size(); ++i) videos.push_back(video_json(i));
    for (const auto& group : report_.duplicates) {
      nlohmann::json names = nlohmann::json::array();
      for (const std::size_t i : group) names.push_back(text(sources_.videos[i].path));
      same.push_back({{"videos", names}, {"across_splits", crosses_splits(group)}});
    }
    return {{"data", text(options_.data)},
            {"version", dvd::version},
            {"frames", options_.frames},
            {"stride", options_.stride},
            {"totals",
             {{"videos", sources_.videos.size()},
              {"usable", sources_.videos.size() - undecodable_.size() - too_short_.size()},
              {"undecodable", undecodable_.size()},
              {"too_short", too_short_.size()},
              {"doubtful", doubtful_.size()},
              {"duplicates", report_.duplicates.size()},
              {"missing", sources_.missing},
              {"unlisted", sources_.unlisted},
              {"frames", frames_},
              {"hours", seconds_ / 3600},
              {"decoding_core_hours", report_.decoding_seconds / 3600}}},
            {"classes", classes},
            {"rates", histogram_json(rates_)},
            {"sizes", histogram_json(sizes_)},
            {"duplicates", same},
            {"remarks", dvd::detail::escaped_names(sources_.remarks)},
            {"videos", videos}};
  }

 private:
  using Histogram = std::map<std::string, std::vector<std::size_t>>;

  struct ClassCounts {
    std::int64_t videos = 0, usable = 0;
    double seconds = 0;
    std::vector<std::int64_t> in_split;
  };

  static constexpr std::size_t most_lines = 20;  // of a list

  static std::string text(std::string_view bytes) { return dvd::detail::escaped_name(bytes); }
  static std::string frames_text(std::int64_t count) { return fmt::format("{} frame{}", count, count == 1 ? "" : "s"); }

  static std::string rate_of(const dvd::CheckedVideo& video) {
    if (video.condition.rate_varies) return "varies";
    return fmt::format("{:g}", std::round(video.condition.frames_per_second * 100) / 100);
  }
  static std::string size_of(const dvd::CheckedVideo& video) {
    return fmt::format("{}x{}", video.condition.width, video.condition.height);
  }

  std::string class_name(std::size_t label) const {
    return sources_.class_names.empty() ? "(no classes)" : sources_.class_names[label];
  }

  bool usable(std::size_t i) const { return report_.videos[i].frames >= span_; }

  std::vector<ClassCounts> count_classes() const {
    std::vector<ClassCounts> counts(std::max<std::size_t>(sources_.class_names.size(), 1));
    for (ClassCounts& each : counts) each.in_split.resize(sources_.split_names.size());
    for (std::size_t i = 0; i < sources_.videos.size(); ++i) {
      ClassCounts& count = counts[static_cast<std::size_t>(sources_.videos[i].video.label)];
      ++count.videos;
      count.usable += usable(i);
      count.seconds += report_.videos[i].seconds;
      for (std::size_t s = 0; s < count.in_split.size(); ++s)
        count.in_split[s] += (sources_.videos[i].splits >> s & 1) != 0;
    }
    return counts;
  }

  void print_classes() const {
    constexpr std::size_t most_splits = 3, split_width = 15;
    const std::size_t splits = std::min(sources_.split_names.size(), most_splits);
    const std::size_t name_width = 99 - 3 * 10 - splits * (split_width + 1);
    const auto counts = count_classes();
    fmt::print("{}{:>10}{:>10}{:>10}", column_text("class", name_width), "videos", "usable", "minutes");
    for (std::size_t s = 0; s < splits; ++s)
      fmt::print(" {:>{}}", shortened(sources_.split_names[s], split_width), split_width);
    fmt::print("\n");
    ClassCounts sum{.videos = 0, .usable = 0, .seconds = 0, .in_split = std::vector<std::int64_t>(splits)};
    const auto print_row = [&](const std::string& name, const ClassCounts& count) {
      fmt::print("{}{:>10}{:>10}{:>10.1f}", column_text(name, name_width), count.videos, count.usable,
                 count.seconds / 60);
      for (std::size_t s = 0; s < splits; ++s) fmt::print(" {:>{}}", count.in_split[s], split_width);
      fmt::print("\n");
    };
    for (std::size_t label = 0; label < counts.size(); ++label) {
      if (!sources_.class_names.empty()) print_row(class_name(label), counts[label]);
      sum.videos += counts[label].videos;
      sum.usable += counts[label].usable;
      sum.seconds += counts[label].seconds;
      for (std::size_t s = 0; s < splits; ++s) sum.in_split[s] += counts[label].in_split[s];
    }
    print_row(sources_.class_names.empty() ? "(no classes)" : "together", sum);
    if (sources_.split_names.size() > splits)
      fmt::print("({} more splits are counted in --json FILE)\n", sources_.split_names.size() - splits);
    std::string empty;
    for (std::size_t label = 0; label < counts.size(); ++label)
      if (counts[label].usable == 0 && !sources_.class_names.empty())
        empty += (empty.empty() ? "" : ", ") + text(class_name(label));
    if (!empty.empty()) fmt::print("without a usable video: {}\n", empty);
  }

  static std::string shortened(const std::string& name, std::size_t width) {
    const std::string all = column_text(name, width);
    return all.substr(0, all.find_last_not_of(' ') + 1);
  }

  static void print_title(const std::string& title, const std::string& what, std::size_t count) {
    fmt::print("\n{}: {}{}\n", title, count == 0 ? "none" : fmt::format("{}", count),
               count == 0 || what.empty() ? "" : " (" + what + ")");
  }

  // A line is as long as it must be: whoever searches for a name must find it.
  template <class Say>
  void print_list(const std::string& title, const std::string& what, const std::vector<std::size_t>& videos,
                  const Say& say) const {
    print_title(title, what, videos.size());
    for (std::size_t n = 0; n < std::min(videos.size(), most_lines); ++n)
      fmt::print("  {}: {}\n", text(sources_.videos[videos[n]].path), say(videos[n]));
    print_rest(videos.size());
  }

  static void print_rest(std::size_t count) {
    if (count > most_lines) fmt::print("  ... and {} more, which --json FILE lists\n", count - most_lines);
  }

  // Whether a video is in one split and its like in another: what was trained with is tested with.
  bool crosses_splits(const std::vector<std::size_t>& group) const {
    const auto splits = [&](std::size_t i) { return sources_.videos[i].splits; };
    return std::any_of(group.begin(), group.end(), [&](std::size_t i) { return splits(i) != splits(group.front()); });
  }

  void print_duplicates() const {
    print_title("duplicates", "videos whose frames are the same", report_.duplicates.size());
    for (std::size_t n = 0; n < std::min(report_.duplicates.size(), most_lines); ++n) {
      const auto& group = report_.duplicates[n];
      constexpr std::size_t most_named = 4;
      for (std::size_t i = 0; i < std::min(group.size(), most_named); ++i)
        fmt::print("{}{}{}\n", i == 0 ? "  " : "    = ", text(sources_.videos[group[i]].path),
                   i == 0 && crosses_splits(group) ? "  (in different splits)" : "");
      if (group.size() > most_named) fmt::print("    and {} more\n", group.size() - most_named);
    }
    print_rest(report_.duplicates.size());
  }

  // The most common first; videos unlike that one are named where they are few.
  void print_histogram(const std::string& title, const Histogram& histogram) const {
    std::vector<Histogram::const_iterator> order;
    for (auto i = histogram.begin(); i != histogram.end(); ++i) order.push_back(i);
    std::stable_sort(order.begin(), order.end(),
                     [](const auto& a, const auto& b) { return a->second.size() > b->second.size(); });
    fmt::print("\n{}:{}\n", title, order.empty() ? " none" : "");
    constexpr std::size_t few = 3;
    for (std::size_t n = 0; n < std::min(order.size(), most_lines); ++n) {
      const auto& [value, videos] = *order[n];
      std::string names;
      if (n > 0 && videos.size() <= few)
        for (const std::size_t i : videos) names += "  " + text(sources_.videos[i].path);
      fmt::print("  {:<12}{:>8}{}\n", value, videos.size(), names);
    }
    print_rest(order.size());
  }

  void print_lists() const {
    if (sources_.missing == 0 && sources_.unlisted == 0 && sources_.remarks.empty()) return;
    fmt::print("\nlists and folder:\n");
    if (sources_.missing > 0) fmt::print("  listed, but not there: {}\n", sources_.missing);
    if (sources_.unlisted > 0) fmt::print("  there, but in none of the lists: {}\n", sources_.unlisted);
    for (std::size_t n = 0; n < std::min(sources_.remarks.size(), most_lines); ++n)
      fmt::print("  {}\n", text(sources_.remarks[n]));
    print_rest(sources_.remarks.size());
  }

  void print_sum() const {
    const double cores = options_.threads > 0 ? static_cast<double>(options_.threads)
                                              : std::max(1u, std::thread::hardware_concurrency());
    const double each = report_.decoding_seconds / static_cast<double>(std::max<std::int64_t>(frames_, 1));
    fmt::print("\n{} of {} videos are usable: {} undecodable, {} too short; {} doubtful\n",
               sources_.videos.size() - undecodable_.size() - too_short_.size(), sources_.videos.size(),
               undecodable_.size(), too_short_.size(), doubtful_.size());
    fmt::print("{} of video, {}\n", duration_text(seconds_), frames_text(frames_));
    fmt::print("decoding all of it once takes {} on one core, {} on {:.0f}\n", duration_text(report_.decoding_seconds),
               duration_text(report_.decoding_seconds / cores), cores);
    if (span_ > 1)
      fmt::print("training on the files decodes for at least {} on one core per million clips, on a set not at all\n",
                 duration_text(1e6 * static_cast<double>(span_) * each));
  }

  nlohmann::json video_json(std::size_t i) const {
    const dvd::CheckedVideo& video = report_.videos[i];
    const dvd::SetSource& source = sources_.videos[i];
    nlohmann::json splits = nlohmann::json::array();
    for (std::size_t s = 0; s < sources_.split_names.size(); ++s)
      if (source.splits >> s & 1) splits.push_back(text(sources_.split_names[s]));
    nlohmann::json json = {{"path", text(source.path)},
                           {"splits", splits},
                           {"usable", usable(i)},
                           {"too_short", !video.undecodable() && !usable(i)},
                           {"frames", video.frames},
                           {"seconds", video.seconds},
                           {"frames_per_second", video.condition.frames_per_second},
                           {"rate_varies", video.condition.rate_varies},
                           {"width", video.condition.width},
                           {"height", video.condition.height},
                           {"codec", text(video.condition.codec)},
                           {"undecodable_packets", video.condition.undecodable},
                           {"damaged_frames", video.condition.damaged}};
    if (!sources_.class_names.empty()) json["class"] = text(class_name(static_cast<std::size_t>(source.video.label)));
    if (video.undecodable()) json["failure"] = text(video.failure);
    if (!video.undecodable()) json["doubts"] = dvd::detail::escaped_names(video.doubts());
    return json;
  }

  nlohmann::json histogram_json(const Histogram& histogram) const {
    nlohmann::json json = nlohmann::json::object();
    for (const auto& [value, videos] : histogram) json[value] = videos.size();
    return json;
  }

  const PrepareVideosOptions& options_;
  const dvd::SetSources& sources_;
  const dvd::CheckReport& report_;
  std::int64_t span_;  // frames of a video that a clip reaches over
  double seconds_ = 0;
  std::int64_t frames_ = 0;
  std::vector<std::size_t> undecodable_, too_short_, doubtful_;
  Histogram rates_, sizes_;
};

}  // namespace examples
