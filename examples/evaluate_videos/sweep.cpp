#include "sweep.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <dvd/io/atomic_file.hpp>

#include "curve.hpp"

namespace examples {
namespace {

double value_of(const Result& result, const std::string& name) {
  const auto found = std::ranges::find(result.scores, name, &dvd::Score::name);
  return found == result.scores.end() ? 0 : found->value;
}

}  // namespace

void check_sweep(const Evaluation& evaluation) {
  dvd::require(evaluation.generated.maker != nullptr, "--truncation-sweep needs a model (--fake CHECKPOINT)");
  dvd::require(evaluation.protocol.kind == dvd::ScoreKind::frechet,
               "--truncation-sweep needs a protocol with a Fréchet distance, such as fid-dvdgan or shapes");
}

Sweep sweep_truncation(Evaluation& evaluation) {
  std::vector<double> truncations = evaluation.options.truncation_sweep;
  std::sort(truncations.begin(), truncations.end());
  truncations.erase(std::unique(truncations.begin(), truncations.end()), truncations.end());
  Sweep sweep;
  for (const double truncation : truncations) {
    if (!evaluation.options.common.quiet) fmt::print("truncation {:g}\n", truncation);
    sweep.results.push_back(evaluation.score_at(truncation));
  }
  return sweep;
}

void write_sweep(const Sweep& sweep, const std::filesystem::path& folder) {
  dvd::Json json = {{"sweep", dvd::Json::array()}};
  Curve curve{.title = fmt::format("{}, by truncation", sweep.results.front().fingerprint.get("protocol")),
              .x_label = "Inception Score (more is better)",
              .y_label = "Fréchet distance (less is better)",
              .points = {}};
  for (const Result& each : sweep.results) {
    json["sweep"].push_back(to_json(each));
    curve.points.push_back({value_of(each, dvd::inception_score_name), value_of(each, dvd::frechet_score),
                            fmt::format("{:g}", each.truncation)});
  }
  dvd::write_file_atomically(folder / "scores.json",
                             json.dump(2, ' ', false, dvd::Json::error_handler_t::replace) + "\n");
  draw_curve(curve, folder / "curve.svg", folder / "curve.png");
}

void print_sweep(const Sweep& sweep, const std::filesystem::path& folder) {
  fmt::print("\n{:<12} {:<20} {}\n", "truncation", "frechet distance", "inception score");
  for (const Result& each : sweep.results)
    fmt::print("{:<12g} {:<20} {}\n", each.truncation, number_text(value_of(each, dvd::frechet_score)),
               number_text(value_of(each, dvd::inception_score_name)));
  for (const std::string& warning : sweep.results.front().warnings) fmt::print("note: {}\n", warning);
  fmt::print("{}\n{}\n{}\n", (folder / "scores.json").string(), (folder / "curve.png").string(),
             (folder / "curve.svg").string());
}

}  // namespace examples
