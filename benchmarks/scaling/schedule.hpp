// What a rank does in a training step: computing, and in between what it says to the others.
#pragma once

#include <array>
#include <dvd/core/error.hpp>
#include <dvd/core/shape.hpp>
#include <string>
#include <vector>

namespace benchmarks {

using dvd::Index;

/// The functions of a Communicator that ranks talk by.
enum class Talk { sum, start_sum, finish_sums, all_gather, all_to_all, sum_counts, broadcast, barrier };

inline constexpr std::array<const char*, 8> talk_names{"sum",        "start_sum",  "finish_sums", "all_gather",
                                                       "all_to_all", "sum_counts", "broadcast",   "barrier"};

inline std::string name_of(Talk talk) { return talk_names[static_cast<std::size_t>(talk)]; }

/// "1 message", "2 messages".
inline std::string counted(Index count, const std::string& what) {
  return dvd::concat(count, " ", what, count == 1 ? "" : "s");
}

/// Computing, and the call that ends it.
struct Event {
  double seconds = 0;  ///< of computing since the call before
  Talk talk = Talk::barrier;
  double bytes = 0;  ///< of the array that is given to the call
};

/// A step of a rank that has `videos` videos of every batch.
struct Schedule {
  Index videos = 1;
  std::vector<Event> events;
  double rest = 0;  ///< seconds of computing after the last call

  double seconds() const {
    double all = rest;
    for (const Event& event : events) all += event.seconds;
    return all;
  }

  /// Whether the same is said in the same order.
  bool talks_like(const Schedule& other) const {
    if (events.size() != other.events.size()) return false;
    for (std::size_t i = 0; i < events.size(); ++i)
      if (events[i].talk != other.events[i].talk || events[i].bytes != other.events[i].bytes) return false;
    return true;
  }
};

/// Steps of a rank that has any number of videos, from measured schedules: the computing before each call takes a time
/// that does not depend on the number of videos and a time for each video, the closest in the sense of least squares of
/// relative errors. Neither is below 0.
class StepCosts {
 public:
  /// `times` tells how many times as long computing takes as it was measured to: two, where two ranks share a core.
  /// Throws ArgumentError unless the schedules, at least one, say the same.
  explicit StepCosts(const std::vector<Schedule>& measured, double times = 1) {
    dvd::require(!measured.empty(), "the costs of a step need at least one measured schedule");
    first_ = measured.front();
    for (const Schedule& each : measured)
      dvd::require(each.videos >= 1 && each.talks_like(first_), "a schedule of ", counted(each.videos, "video"),
                   " says other things than that of ", first_.videos, "; record them by one program at one size");
    std::vector<double> seconds(measured.size());
    for (std::size_t event = 0; event <= first_.events.size(); ++event) {
      for (std::size_t i = 0; i < measured.size(); ++i)
        seconds[i] = times * (event < first_.events.size() ? measured[i].events[event].seconds : measured[i].rest);
      lines_.push_back(fit(measured, seconds));
    }
  }

  Schedule schedule(double videos) const {
    Schedule result = first_;
    result.videos = static_cast<Index>(videos);
    for (std::size_t i = 0; i < result.events.size(); ++i) result.events[i].seconds = lines_[i].at(videos);
    result.rest = lines_.back().at(videos);
    return result;
  }

  /// Of all computing.
  double seconds(double videos) const {
    double all = 0;
    for (const Line& line : lines_) all += line.at(videos);
    return all;
  }

 private:
  struct Line {
    double fixed = 0, each = 0;
    double at(double videos) const { return fixed + each * videos; }
  };

  static Line fit(const std::vector<Schedule>& measured, const std::vector<double>& seconds) {
    // Weights 1 / videos^2 make errors relative to what grows with the number of videos.
    double w = 0, wn = 0, wnn = 0, ws = 0, wns = 0;
    for (std::size_t i = 0; i < measured.size(); ++i) {
      const double n = static_cast<double>(measured[i].videos), weight = 1 / (n * n);
      w += weight;
      wn += weight * n;
      wnn += weight * n * n;
      ws += weight * seconds[i];
      wns += weight * n * seconds[i];
    }
    const double determinant = w * wnn - wn * wn;
    if (determinant <= 1e-12 * w * wnn) return {0, wns / wnn};  // one number of videos
    const Line line{(ws * wnn - wns * wn) / determinant, (w * wns - wn * ws) / determinant};
    if (line.fixed < 0) return {0, wns / wnn};
    if (line.each < 0) return {ws / w, 0};
    return line;
  }

  Schedule first_;
  std::vector<Line> lines_;
};

}  // namespace benchmarks
