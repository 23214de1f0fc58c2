// Going on with a run: which checkpoint to load, and with which options.
#pragma once

#include <dvd/io/run_folder.hpp>
#include <dvd/training/checkpoint.hpp>
#include <fstream>
#include <sstream>

#include "options.hpp"

namespace examples {

/// The checkpoint to load, if any, and what to tell about the choice.
struct ResumePoint {
  std::filesystem::path checkpoint;
  std::string message;
};

/// The newest checkpoint of a run that can be read whole; damaged ones are passed over with a word about each.
inline ResumePoint newest_whole_checkpoint(const std::filesystem::path& run) {
  ResumePoint result;
  auto entries = dvd::list_checkpoints(run);
  for (auto entry = entries.rbegin(); entry != entries.rend(); ++entry) {
    try {
      const dvd::SafetensorsFile file(entry->path);
      dvd::read_config(file, entry->path);
      result.checkpoint = entry->path;
      result.message += "going on from " + entry->path.string();
      return result;
    } catch (const dvd::FileError& error) {
      result.message += dvd::concat("passed over (", error.what(), "); ");
    }
  }
  result.message += dvd::concat(run.string(), " has no whole checkpoint yet; starting afresh");
  return result;
}

/// Throws ArgumentError if `--out` already holds a run and nothing was said about it: a run is never overwritten.
inline ResumePoint find_resume_point(const TrainOptions& options) {
  if (!options.resume) {
    const auto entries = dvd::list_checkpoints(options.common.out);
    dvd::require(entries.empty() || options.dry_run, options.common.out, " already holds a run of ",
                 entries.empty() ? 0 : entries.back().step,
                 " steps; add --resume to go on with it, or choose another --out");
    return {};
  }
  const std::filesystem::path from = options.resume_from.empty() ? options.common.out : options.resume_from;
  if (std::filesystem::is_regular_file(from)) return {from, "going on from " + from.string()};
  dvd::require(options.resume_from.empty() || std::filesystem::is_directory(from), "--resume ", from.string(),
               ": no such checkpoint or run folder");
  return newest_whole_checkpoint(from);
}

/// Takes from a run's config.json what a run that goes on should not have to be told again. Throws FileError if the
/// file is there but makes no sense.
inline void take_config(TrainOptions& options, const std::filesystem::path& run) {
  const std::filesystem::path path = run / "config.json";
  std::ifstream file(path);
  if (!file) return;
  std::stringstream text;
  text << file.rdbuf();
  const dvd::Json json = dvd::Json::parse(text.str(), nullptr, false);
  try {
    const dvd::Index classes = options.model.classes;
    options.model = dvd::config_from_json(json);
    options.model.classes = classes;  // the data set says
    const auto take = [&](const char* name, auto& value) {
      if (json.contains(name)) json.at(name).get_to(value);
    };
    take("preset", options.preset);
    take("data", options.data);
    if (options.data == "moving shapes") options.data.clear();
    take("split", options.split);
    take("stride", options.stride);
    take("center_crop", options.center_crop);
    take("batch", options.trainer.batch);
    take("steps", options.steps);
    take("d_steps", options.trainer.d_steps);
    take("lr_g", options.trainer.generator_optimizer.learning_rate);
    take("lr_d", options.trainer.discriminator_optimizer.learning_rate);
    take("beta1", options.trainer.generator_optimizer.beta1);
    take("beta2", options.trainer.generator_optimizer.beta2);
    take("ema_decay", options.trainer.average.decay);
    take("ema_start", options.trainer.average.start);
    take("checkpoint_every", options.checkpoint_every);
    take("sample_every", options.sample_every);
    take("log_every", options.log_every);
    take("keep", options.keep);
    take("truncation", options.truncation);
    take("seed", options.common.seed);
  } catch (const std::exception& error) {
    throw dvd::FileError(dvd::concat(path.string(), ": ", error.what()));
  }
}

/// Parses the command line over the right defaults: those of the preset or, with `--resume`, those of the run.
inline int run_with_defaults(CLI::App& app, int argc, char** argv, TrainOptions& options,
                             const std::function<int()>& body) {
  const auto value_of = [&](const std::string& flag) -> std::optional<std::string> {
    for (int i = 1; i < argc; ++i) {
      const std::string argument = argv[i];
      if (argument == flag) return i + 1 < argc && argv[i + 1][0] != '-' ? argv[i + 1] : "";
      if (argument.starts_with(flag + "=")) return argument.substr(flag.size() + 1);
    }
    return std::nullopt;
  };
  try {
    if (const auto preset = value_of("--preset")) apply_preset(options, *preset);
    if (const auto from = value_of("--resume")) {
      options.resume = true;  // also without an argument, which the parser does not tell
      take_config(options,
                  std::filesystem::is_directory(*from) ? *from : value_of("--out").value_or(options.common.out));
    }
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}: {}\n", app.get_name(), error.what());
    return 2;
  }
  add_options(app, options);
  return run(app, argc, argv, body);
}

}  // namespace examples
