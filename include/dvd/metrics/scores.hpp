// All scores that can be had from what a network says of generated and of real clips.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <algorithm>
#include <cmath>
#include <optional>
#include <string>
#include <vector>

#include "dvd/metrics/class_accuracy.hpp"
#include "dvd/metrics/feature_sample.hpp"
#include "dvd/metrics/frechet_distance.hpp"
#include "dvd/metrics/inception_score.hpp"
#include "dvd/metrics/kernel_distance.hpp"
#include "dvd/metrics/precision_recall.hpp"
#include "dvd/metrics/protocol.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// A score and, of repeated ones, how far they scatter.
struct Score {
  std::string name;      ///< "frechet_distance", "inception_score", ...
  double value = 0;      ///< the mean of `repeats`
  double deviation = 0;  ///< theirs (1/n) or, where there is one alone, that over the parts of an Inception Score
  std::vector<double> repeats;
};

/// The names of scores, in the order in which they are told.
inline constexpr const char* frechet_score = "frechet_distance";
inline constexpr const char* inception_score_name = "inception_score";
inline constexpr const char* kernel_score = "kernel_distance";
inline constexpr const char* precision_score = "precision";
inline constexpr const char* recall_score = "recall";
inline constexpr const char* accuracy_score = "class_accuracy";

/// Whether more of a score is better.
inline bool more_is_better(std::string_view score) { return score != frechet_score && score != kernel_score; }

/// The scores of generated clips by a protocol, beside those of real ones, null where there are none: the protocol's
/// own first. Kernel distance, precision and recall need the features of all clips; labels, which must count as the
/// network does, give the accuracy.
inline std::vector<Score> scores_of(const Protocol& protocol, const FeatureSample& fake, const FeatureSample* real) {
  std::vector<Score> scores;
  const auto add = [&](const char* name, double value, double deviation = 0) {
    scores.push_back({name, value, deviation, {value}});
  };
  const auto add_inception = [&] {
    const InceptionScore score =
        inception_score(fake.probabilities, std::min(protocol.splits, fake.clips()), protocol.guard);
    add(inception_score_name, score.mean, score.deviation);
  };
  if (protocol.kind == ScoreKind::inception) add_inception();
  if (real) {
    const CovarianceForm form = protocol.unbiased ? CovarianceForm::unbiased : CovarianceForm::biased;
    const Index neighbours = 3, least = std::min(fake.features.count(), real->features.count());
    const bool by_rows = least > 0 && std::max(fake.clips(), real->clips()) <= fake.moments.dimensions();
    add(frechet_score, by_rows ? frechet_distance(fake.features, real->features, form)
                               : frechet_distance(fake.moments, real->moments, form));
    if (least > neighbours) {
      add(kernel_score, kernel_distance(fake.features, real->features));
      const PrecisionRecall found = precision_recall(real->features, fake.features, neighbours);
      add(precision_score, found.precision);
      add(recall_score, found.recall);
    }
  }
  if (protocol.kind != ScoreKind::inception && fake.probabilities.count() > 0) add_inception();
  if (!fake.labels.empty() && fake.probabilities.count() > 0)
    add(accuracy_score, class_accuracy(fake.probabilities, fake.labels));
  return scores;
}

/// The scores of repeats as one: means and deviations. All must have the same names.
inline std::vector<Score> summary_of(const std::vector<std::vector<Score>>& repeats) {
  require(!repeats.empty(), "there are no scores to sum up");
  std::vector<Score> result = repeats.front();
  if (repeats.size() == 1) return result;
  for (std::size_t i = 0; i < result.size(); ++i) {
    Score& score = result[i];
    score.repeats.clear();
    for (const std::vector<Score>& one : repeats) {
      require(one.size() == result.size() && one[i].name == score.name, "repeats differ in their scores");
      score.repeats.push_back(one[i].value);
    }
    const auto count = static_cast<double>(score.repeats.size());
    score.value = 0;
    for (const double value : score.repeats) score.value += value / count;
    double squares = 0;
    for (const double value : score.repeats) squares += (value - score.value) * (value - score.value);
    score.deviation = std::sqrt(squares / count);
  }
  return result;
}

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
