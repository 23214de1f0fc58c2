// The trade between quality and variety: scores at several truncations, and the curve that they draw.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "evaluation.hpp"

namespace examples {

struct Sweep {
  std::vector<Result> results;  ///< one a truncation, in rising order
};

/// Throws ArgumentError where there is no model, or no Fréchet distance.
void check_sweep(const Evaluation& evaluation);
/// Scores a model at every truncation that is asked for.
Sweep sweep_truncation(Evaluation& evaluation);
/// Writes scores.json, curve.png and curve.svg.
void write_sweep(const Sweep& sweep, const std::filesystem::path& folder);
void print_sweep(const Sweep& sweep, const std::filesystem::path& folder);

}  // namespace examples
