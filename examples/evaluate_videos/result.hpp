// What evaluate_videos finds out, and how it is told: a table and scores.json.
#pragma once

#include <dvd/metrics/fingerprint.hpp>
#include <dvd/metrics/scores.hpp>
#include <dvd/models/config_json.hpp>
#include <filesystem>
#include <string>
#include <vector>

namespace examples {

/// Scores of one model or set by one protocol.
struct Result {
  std::string about;      ///< of the protocol
  std::string generated;  ///< description
  std::string generated_identity;
  std::string real;     ///< description; empty where none was needed
  std::string network;  ///< description
  dvd::Fingerprint fingerprint;
  dvd::Fingerprint sampling;  ///< how a model's clips were drawn: a choice of its user's, as the model is
  std::vector<dvd::Score> scores;
  std::vector<dvd::Score> floor;  ///< of real clips against other real clips; empty where not asked for
  double truncation = 1;
  std::vector<std::string> warnings;
};

dvd::Json to_json(const Result& result);
/// Throws FileError where the file is none of scores.
Result read_result(const std::filesystem::path& path);

/// FOLDER/scores.json
std::filesystem::path scores_file(const std::filesystem::path& folder);
/// Renames scores that a folder holds to the first of scores-1.json, scores-2.json, ... that is not there.
void keep_earlier_scores(const std::filesystem::path& folder);

/// Prints the scores as a table.
void print_result(const Result& result);
/// Prints scores of several files side by side and what makes them incomparable.
void print_comparison(const std::vector<std::string>& names, const std::vector<Result>& results);

/// A score as text: "12.3", "0.00123", "1.23e+05".
std::string number_text(double value);

}  // namespace examples
