// How good forecasts are, lead time by lead time, beside persistence: the last field that was seen, for ever.
#pragma once

#include <fmt/core.h>

#include <array>
#include <cmath>
#include <dvd/data/batch.hpp>
#include <dvd/data/function_source.hpp>
#include <dvd/metrics/forecast_scores.hpp>
#include <dvd/models/sampling.hpp>
#include <string>
#include <vector>

#include "rain.hpp"

namespace nowcasting {

inline constexpr std::array thresholds = {1.0, 4.0, 8.0};  // mm/h, those of DGMR's paper

/// Of one kind of forecast at one lead time, over all cells of all clips.
struct LeadScores {
  std::array<dvd::ContingencyTable, thresholds.size()> tables;
  double crps = 0;  // mm/h, a sum over `cells` cells
  dvd::Index cells = 0;

  /// `members[m]` and `truth` are rain rates of the same cells.
  void add(const std::vector<std::vector<float>>& members, const std::vector<float>& truth) {
    for (std::size_t i = 0; i < thresholds.size(); ++i)
      for (const std::vector<float>& member : members) tables[i].add(member, truth, thresholds[i]);
    std::vector<float> here(members.size());
    for (std::size_t cell = 0; cell < truth.size(); ++cell) {
      for (std::size_t m = 0; m < members.size(); ++m) here[m] = members[m][cell];
      crps += dvd::continuous_ranked_probability_score(here, truth[cell]);
    }
    cells += static_cast<dvd::Index>(truth.size());
  }

  double csi(std::size_t threshold) const { return tables[threshold].critical_success_index(); }
  double mean_crps() const { return crps / static_cast<double>(cells); }
};

struct Verification {
  std::vector<LeadScores> model = std::vector<LeadScores>(future_frames), persistence = model;

  /// From which lead time on, in frames, the model is better by every score; one more than there are if it never is.
  dvd::Index better_from() const {
    dvd::Index lead = future_frames;
    while (lead > 0 && better(static_cast<std::size_t>(lead - 1))) --lead;
    return lead + 1;
  }

  void print() const {
    fmt::print("\n| lead, frames | CRPS, mm/h | persistence |");
    for (const double threshold : thresholds) fmt::print(" CSI, {} mm/h | persistence |", threshold);
    fmt::print("\n| --- |");
    for (std::size_t column = 0; column < 2 * (1 + thresholds.size()); ++column) fmt::print(" --- |");
    fmt::print("\n");
    for (std::size_t lead = 0; lead < model.size(); ++lead) {
      fmt::print("| {} | {:.2f} | {:.2f} |", lead + 1, model[lead].mean_crps(), persistence[lead].mean_crps());
      for (std::size_t i = 0; i < thresholds.size(); ++i)
        fmt::print(" {:.2f} | {:.2f} |", model[lead].csi(i), persistence[lead].csi(i));
      fmt::print("\n");
    }
    if (better_from() > future_frames)
      fmt::print("\nnot better than persistence by every score, even at the last lead time\n");
    else
      fmt::print("\nbetter than persistence by every score from a lead time of {} frames on\n", better_from());
  }

 private:
  bool better(std::size_t lead) const {
    bool all = model[lead].mean_crps() < persistence[lead].mean_crps();
    for (std::size_t i = 0; i < thresholds.size(); ++i) all = all && model[lead].csi(i) > persistence[lead].csi(i);
    return all;
  }
};

inline std::vector<float> rates_of(const dvd::ConstTensorView<float>& pixels) {
  std::vector<float> rates = pixels.to_vector();
  for (float& rate : rates) rate = rate_of(rate);
  return rates;
}

/// Forecasts of `count` clips that training does not see, by `members` samples each.
template <class Gan>
Verification verify(Gan& gan, const dvd::Random& random, dvd::Index count, dvd::Index members) {
  dvd::FunctionSource source(draw_rain);
  Verification result;
  for (dvd::Index number = 0; number < count; ++number) {
    const dvd::Random own = random.stream(static_cast<std::uint64_t>(number));
    const dvd::Tensor<float> video = dvd::draw_batch<float>(source, own, 1).videos;
    // The same past for all members, whose latents differ.
    dvd::Tensor<float> past(dvd::Shape{past_frames, members, height, width, 1});
    for (dvd::Index t = 0; t < past_frames; ++t)
      for (dvd::Index member = 0; member < members; ++member) past[t][member].copy_from(video[t][0]);
    const dvd::Tensor<float> forecast = gan.sample({.count = members, .seed = own.bits(0)}, {.frames = past});
    const std::vector<float> last = rates_of(video[past_frames - 1]);
    for (dvd::Index t = 0; t < future_frames; ++t) {
      const auto lead = static_cast<std::size_t>(t);
      const std::vector<float> truth = rates_of(video[past_frames + t]);
      std::vector<std::vector<float>> ensemble;
      for (dvd::Index member = 0; member < members; ++member) ensemble.push_back(rates_of(forecast[t][member]));
      result.model[lead].add(ensemble, truth);
      result.persistence[lead].add({last}, truth);
    }
  }
  return result;
}

}  // namespace nowcasting
