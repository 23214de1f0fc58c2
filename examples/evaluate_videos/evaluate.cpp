// The program from its options to its end.
#include <fmt/core.h>

#include <dvd/io/atomic_file.hpp>
#include <filesystem>

#include "../common/checkpoints.hpp"
#include "../common/spread.hpp"
#include "evaluation.hpp"
#include "memorise.hpp"
#include "sweep.hpp"

namespace examples {
namespace {

std::filesystem::path write_scores(const std::filesystem::path& folder, const dvd::Json& json) {
  const std::filesystem::path path = scores_file(folder);
  dvd::write_file_atomically(path, json.dump(2, ' ', false, dvd::Json::error_handler_t::replace) + "\n");
  return path;
}

}  // namespace

void compare_scores(const EvaluateOptions& options) {
  dvd::require(options.compare.size() >= 2, "--compare needs two files of scores or more");
  std::vector<Result> results;
  for (const std::string& path : options.compare) results.push_back(read_result(path));
  print_comparison(options.compare, results);
}

int evaluate(const EvaluateOptions& options, const Machine& machine, Ranks& ranks) {
  const dvd::ThreadLimit threads(options.common.threads);
  std::optional<Result> other;
  on_first_rank(ranks, [&] {
    if (!options.against.empty()) other = read_result(options.against);
    dvd::require(options.memorisation > 0 || (options.held_out.empty() && options.held_out_split.empty()),
                 "--held-out and --held-out-split are for --memorisation");
    dvd::require(options.truncation_sweep.empty() || (options.memorisation == 0 && options.against.empty()),
                 "--truncation-sweep goes with neither --memorisation nor --against");
  });
  Evaluation evaluation(options, machine, ranks);
  std::unique_ptr<Videos> held_out;
  if (options.memorisation > 0) held_out = open_held_out(evaluation);
  const std::filesystem::path folder = options.common.out;
  on_first_rank(ranks, [&] {
    if (!options.truncation_sweep.empty()) check_sweep(evaluation);
    dvd::require(options.memorisation == 0 || evaluation.real, "--memorisation needs --real");
    make_folder(options.common.out);
    keep_earlier_scores(folder);
  });
  running = true;
  if (!options.truncation_sweep.empty()) {
    const Sweep sweep = sweep_truncation(evaluation);
    on_first_rank(ranks, [&] {
      write_sweep(sweep, folder);
      if (!options.common.quiet) print_sweep(sweep, folder);
    });
    return 0;
  }
  const Result result = evaluation.score();
  std::optional<Memorisation> memorisation;
  if (options.memorisation > 0) {
    on_first_rank(ranks, [&] { write_scores(folder, to_json(result)); });  // not to be lost, whatever comes
    memorisation = find_memorised(evaluation, *held_out, folder);
  }
  on_first_rank(ranks, [&] {
    dvd::Json json = to_json(result);
    if (memorisation) json["memorisation"] = to_json(*memorisation);
    const std::filesystem::path path = write_scores(folder, json);
    if (options.common.quiet) return;
    print_result(result);
    if (memorisation) print_memorisation(*memorisation);
    fmt::print("{}\n", path.string());
    if (other) {
      fmt::print("\n");
      print_comparison({path.string(), options.against}, {result, *other});
    }
  });
  return 0;
}

}  // namespace examples
