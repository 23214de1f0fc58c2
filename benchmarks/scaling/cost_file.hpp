// Files of measured schedules: JSON, so that they can be looked at.
#pragma once

#include <algorithm>
#include <dvd/core/error.hpp>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "schedule.hpp"

namespace benchmarks {

/// Of several runs of one step, each stretch of computing at its median: others on the machine disturb now this one and
/// now that one. Throws Error unless all say the same.
inline Schedule median_schedule(const std::vector<Schedule>& runs) {
  dvd::require(!runs.empty(), "the median of no schedules was asked for");
  const auto median = [](std::vector<double> values) {
    std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2), values.end());
    return values[values.size() / 2];
  };
  Schedule result = runs.front();
  for (const Schedule& run : runs)
    if (!run.talks_like(result)) throw dvd::Error("two steps of one run have said different things to other ranks");
  std::vector<double> values;
  for (std::size_t event = 0; event < result.events.size(); ++event) {
    values.clear();
    for (const Schedule& run : runs) values.push_back(run.events[event].seconds);
    result.events[event].seconds = median(values);
  }
  values.clear();
  for (const Schedule& run : runs) values.push_back(run.rest);
  result.rest = median(values);
  return result;
}

/// {"about": ..., "schedules": [{"videos": 4, "rest": seconds, "events": [[seconds, "sum", bytes], ...]}, ...]}
inline nlohmann::ordered_json costs_as_json(const std::vector<Schedule>& schedules,
                                            const nlohmann::ordered_json& about) {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (const Schedule& schedule : schedules) {
    nlohmann::ordered_json events = nlohmann::ordered_json::array();
    for (const Event& event : schedule.events) events.push_back({event.seconds, name_of(event.talk), event.bytes});
    list.push_back({{"videos", schedule.videos}, {"rest", schedule.rest}, {"events", events}});
  }
  return {{"about", about}, {"schedules", list}};
}

struct CostFile {
  nlohmann::ordered_json about;
  std::vector<Schedule> schedules;
};

/// Throws FileError if the file cannot be read or is no such file.
inline CostFile read_costs(const std::string& path) {
  std::ifstream file(path);
  if (!file) throw dvd::FileError("cannot read " + path + "; record it: scaling record --out " + path);
  try {
    const auto json = nlohmann::ordered_json::parse(file);
    CostFile result{json.at("about"), {}};
    for (const auto& each : json.at("schedules")) {
      Schedule schedule{each.at("videos").get<Index>(), {}, each.at("rest").get<double>()};
      for (const auto& event : each.at("events")) {
        const auto name = event.at(1).get<std::string>();
        const auto found = std::find(talk_names.begin(), talk_names.end(), name);
        if (found == talk_names.end())
          throw dvd::FileError(path + " has an event of an unknown kind, \"" + name + "\"");
        schedule.events.push_back(
            {event.at(0).get<double>(), static_cast<Talk>(found - talk_names.begin()), event.at(2).get<double>()});
      }
      result.schedules.push_back(std::move(schedule));
    }
    return result;
  } catch (const nlohmann::json::exception& error) {
    throw dvd::FileError(path + " is no file of schedules as 'scaling record' writes them: " + error.what());
  }
}

}  // namespace benchmarks
