// From clips to scores: the work of evaluate_videos.
#pragma once

#include <dvd/metrics/feature_sample.hpp>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "../common/ranks.hpp"
#include "generated.hpp"
#include "machine.hpp"
#include "options.hpp"
#include "result.hpp"

namespace examples {

/// Everything that is opened once and scored with, perhaps several times.
class Evaluation {
 public:
  /// Opens model, videos and network, and checks that they go together. Throws ArgumentError and FileError, on all
  /// ranks at once.
  Evaluation(const EvaluateOptions& options, const Machine& machine, Ranks& ranks);

  /// Scores the clips as they are now: all ranks look at clips, and rank 0 has the result.
  Result score();
  /// The same at a truncation.
  Result score_at(double truncation);

  const EvaluateOptions& options;
  Ranks& ranks;
  dvd::Protocol protocol;
  GeneratedClips generated;
  std::unique_ptr<Videos> real;  ///< null where the protocol needs none
  std::unique_ptr<dvd::FeatureNetwork> network;

 private:
  void open_generated(const Machine& machine);
  void open_generated_videos();
  void check_generated();
  void open_real();
  void check_real();
  void check_counts();
  void check_labels();
  dvd::FeatureSample sample_generated(dvd::Index repeat);
  /// Real clips of a repeat; with `others`, as many others.
  dvd::FeatureSample sample_real(dvd::Index repeat, bool others);
  std::vector<dvd::ChosenClip> choose_real(dvd::Index repeat, bool others) const;
  LabelledVideos read_real(std::span<const dvd::ChosenClip> chosen) const;
  dvd::Fingerprint key_of_real(dvd::Index repeat, bool others) const;
  Result result_of(const std::vector<std::vector<dvd::Score>>& scores,
                   const std::vector<std::vector<dvd::Score>>& floors) const;
  void warn(std::string line) { warnings_.push_back(std::move(line)); }

  double truncation_;
  bool told_of_floor_ = false;
  bool with_labels_ = false;  ///< whether the network's classes are those of the clips
  std::vector<std::string> warnings_;
  std::vector<dvd::FeatureSample> real_samples_, other_samples_;  ///< of repeats, once they are there; on rank 0
};

}  // namespace examples
