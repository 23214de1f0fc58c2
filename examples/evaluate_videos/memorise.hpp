// The memorisation report: samples beside the training clips that are nearest to them.
#pragma once

#include <dvd/models/config_json.hpp>
#include <filesystem>
#include <string>
#include <vector>

#include "evaluation.hpp"

namespace examples {

/// A training clip and how far it is.
struct NearestClip {
  dvd::Index clip = 0;  ///< number among those looked through
  double distance = 0;  ///< root of the mean square over all values of a clip or of its features
};

/// What was found in pixels or in features.
struct NearestIn {
  std::vector<NearestClip> samples, held_out;
  double share = 0;  ///< dvd::nearer_share
};

struct Memorisation {
  dvd::Index looked_through = 0, possible = 0;  ///< training clips
  NearestIn pixels, features;
  double share = 0;      ///< the larger of both
  double noise = 0;      ///< dvd::nearer_share_noise
  std::string held_out;  ///< description
  std::vector<std::string>
      names;  ///< of the training clips found nearest, "video, from frame N"; of samples, pixels first
  std::filesystem::path picture;
};

/// Opens the true clips that the model never saw. Throws ArgumentError where none are named or they do not fit.
std::unique_ptr<Videos> open_held_out(const Evaluation& evaluation);

/// Draws samples, finds their nearest training clips, and writes memorisation.png into the folder.
Memorisation find_memorised(Evaluation& evaluation, const Videos& held_out, const std::filesystem::path& folder);

dvd::Json to_json(const Memorisation& memorisation);
void print_memorisation(const Memorisation& memorisation);

}  // namespace examples
