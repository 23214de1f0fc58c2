// Going on with a run: which checkpoint to load, and with which options.
#pragma once

#include <dvd/io/run_folder.hpp>
#include <dvd/training/checkpoint.hpp>

#include "options.hpp"

namespace examples {

/// Whether a folder holds anything of a run.
inline bool holds_run(const std::filesystem::path& folder) {
  return std::filesystem::exists(folder / "config.json") || std::filesystem::exists(folder / "log.jsonl") ||
         !dvd::list_checkpoints(folder).empty();
}

/// What another process could have changed: the checkpoints and the log of a run's folder.
inline std::string state_of(const std::filesystem::path& folder) {
  std::error_code error;
  const auto log = std::filesystem::file_size(folder / "log.jsonl", error);
  std::string state = error ? "" : dvd::concat(log, ' ');
  for (const auto& entry : dvd::list_checkpoints(folder)) state += dvd::concat(entry.step, ' ');
  return state;
}

/// Checkpoints to go on from, the best first; none means from the start. Throws ArgumentError where going on, or
/// starting, would overwrite what `--out` holds.
inline std::vector<std::filesystem::path> checkpoints_to_try(const TrainOptions& options) {
  const std::filesystem::path out = options.common.out;
  if (!options.resume) {
    dvd::require(options.dry_run || !holds_run(out), out.string(),
                 " already holds a run; add --resume to go on with it, or choose another --out");
    return {};
  }
  const std::filesystem::path from = options.resume_from.empty() ? out : std::filesystem::path(options.resume_from);
  std::vector<std::filesystem::path> result;
  if (std::filesystem::is_regular_file(from)) {
    result.push_back(from);
  } else {
    dvd::require(options.resume_from.empty() || std::filesystem::is_directory(from), "--resume ", from.string(),
                 ": no such checkpoint or run folder");
    const auto entries = dvd::list_checkpoints(from);
    for (auto entry = entries.rbegin(); entry != entries.rend(); ++entry) result.push_back(entry->path);
  }
  std::error_code error;
  const bool same_run = std::filesystem::equivalent(from, out, error) ||
                        std::filesystem::equivalent(from.parent_path(), out / "checkpoints", error);
  dvd::require(options.dry_run || same_run || !holds_run(out), out.string(), " already holds another run than ",
               from.string(), "; choose another --out");
  return result;
}

/// Loads the first checkpoint that is whole and fits; says what was done. Throws FileError if there are checkpoints and
/// none can be used, and ArgumentError if the run already has newer ones than the one asked for.
template <class TrainerType>
std::string load_first_whole(const TrainOptions& options, const std::vector<std::filesystem::path>& checkpoints,
                             TrainerType& trainer) {
  if (!options.resume) return "";
  if (checkpoints.empty()) return dvd::concat(options.common.out, " has no checkpoint yet; starting afresh");
  std::string passed_over;
  for (const std::filesystem::path& checkpoint : checkpoints) {
    try {
      dvd::load_checkpoint(checkpoint, trainer);
    } catch (const dvd::FileError& error) {
      if (checkpoints.size() == 1) throw;
      passed_over = passed_over.empty() ? std::string(error.what()) : passed_over;
      continue;
    }
    const auto entries = dvd::list_checkpoints(options.common.out);
    const bool asked_for = std::filesystem::is_regular_file(options.resume_from);
    dvd::require(options.dry_run || !asked_for || entries.empty() || entries.back().step <= trainer.steps(),
                 options.common.out, " has checkpoints up to step ", entries.empty() ? 0 : entries.back().step,
                 "; going on from step ", trainer.steps(), " would mix two runs: choose another --out");
    return (passed_over.empty() ? "" : "passed over a damaged checkpoint (" + passed_over + "); ") + "going on from " +
           checkpoint.string();
  }
  throw dvd::FileError(
      dvd::concat("none of ", checkpoints.size(), " checkpoints can be used; the newest: ", passed_over));
}

/// Takes from a run's configuration what a run that goes on should not have to be told again. Throws an exception if it
/// makes no sense.
inline void take_config(TrainOptions& options, const dvd::Json& json) {
  const dvd::Index classes = options.model.classes;
  options.model = dvd::config_from_json(json);
  options.without_classes = options.model.classes == 0;
  options.model.classes = classes;  // the data set says
  const auto take = [&](const char* name, auto& value) {
    if (json.contains(name)) json.at(name).get_to(value);
  };
  take("preset", options.preset);
  take("data", options.data);
  if (options.data == "moving shapes") options.data.clear();
  take("split", options.split);
  take("stride", options.stride);
  take("recurrent", options.recurrent);
  take("center_crop", options.center_crop);
  take("flip", options.flip);
  take("batch", options.trainer.batch);
  take("micro_batch", options.trainer.micro_batch);
  take("steps", options.steps);
  take("d_steps", options.trainer.d_steps);
  std::string augmentation = "none";
  take("augment", augmentation);
  options.trainer.augment = read_augmentation(augmentation);
  take("mismatched", options.trainer.mismatched);
  take("grid_cell", options.grid_cell.weight);
  take("grid_cell_samples", options.grid_cell.samples_per_video);
  take("reduce", options.reduce);
  take("shards", options.trainer.shards);
  take("lr_g", options.trainer.generator_optimizer.learning_rate);
  take("lr_d", options.trainer.discriminator_optimizer.learning_rate);
  take("lr_schedule", options.lr_schedule);
  take("lr_warm_up", options.lr_warm_up);
  take("lr_decay_from", options.lr_decay_from);
  take("beta1", options.trainer.generator_optimizer.beta1);
  take("beta2", options.trainer.generator_optimizer.beta2);
  take("ema_decay", options.trainer.average.decay);
  take("ema_start", options.trainer.average.start);
  take("checkpoint_every", options.checkpoint_every);
  take("sample_every", options.sample_every);
  take("log_every", options.log_every);
  take("keep", options.keep);
  take("truncation", options.truncation);
  take("evaluate_every", options.evaluate_every);
  take("evaluate_clips", options.evaluate_clips);
  take("evaluate_protocol", options.evaluate_protocol);
  take("evaluate_weights", options.evaluate_weights);
  take("keep_best", options.keep_best);
  take("tensorboard", options.tensorboard);
  take("recompute", options.recompute);
  take("seed", options.common.seed);
  take("device", options.common.device);
  take("precision", options.common.precision);
  take("class_names", options.class_names);
}

/// The configuration of the run to go on with, as text: that of a checkpoint, or the config.json of a run's folder;
/// empty where there is none. Throws FileError where a file cannot be read.
inline std::string config_text_of(const std::filesystem::path& from) {
  std::string text;
  if (std::filesystem::is_regular_file(from)) {
    const dvd::SafetensorsFile file(from);
    const auto config = file.metadata().find("config");
    return config == file.metadata().end() ? text : config->second;
  }
  const std::filesystem::path path = from / "config.json";
  for (const std::string& line : dvd::read_lines_of(path)) text += line + '\n';
  if (!text.empty() || std::filesystem::exists(path)) return text.empty() ? "\n" : text;
  // Each checkpoint holds it, too.
  const auto entries = dvd::list_checkpoints(from);
  for (auto entry = entries.rbegin(); entry != entries.rend(); ++entry) try {
      return config_text_of(entry->path);
    } catch (const dvd::FileError&) {  // a damaged one
    }
  return text;
}

/// Takes the configuration of the run to go on with, which is `text` and was found in `from`. Throws FileError if it is
/// there but makes no sense.
inline void take_config_text(TrainOptions& options, const std::string& text, const std::filesystem::path& from) {
  if (text.empty()) return;
  try {
    take_config(options, dvd::Json::parse(text));
  } catch (const std::exception& error) {
    throw dvd::FileError(dvd::concat((std::filesystem::is_regular_file(from) ? from : from / "config.json").string(),
                                     ": holds no configuration of a run: ", error.what()));
  }
}

/// Throws ArgumentError if the run that goes on was trained on other classes than the data set has.
inline void check_classes(const TrainOptions& options, const std::vector<std::string>& names) {
  const auto& known = options.class_names;
  dvd::require(!options.without_classes || names.empty(), "the run was trained without classes, but the data has ",
               names.size(), "; give a folder of videos without class folders, or begin a new run");
  if (known.empty() || known == names) return;
  for (std::size_t i = 0; i < std::min(known.size(), names.size()); ++i)
    dvd::require(known[i] == names[i], "the run was trained with class ", i, " being ", known[i],
                 ", but in the data it is ", names[i], "; give the same classes, or begin a new run");
  dvd::require(false, "the run was trained on ", known.size(), " classes, but the data has ", names.size(),
               "; give the same classes, or begin a new run");
}

/// Parses the command line over the right defaults: those of the preset or, with `--resume`, those of the run, which
/// rank 0 reads for all.
inline int run_with_defaults(CLI::App& app, int argc, char** argv, TrainOptions& options, Ranks& ranks,
                             const std::function<int()>& body) {
  const auto value_of = [&](const std::string& flag) -> std::optional<std::string> {
    for (int i = 1; i < argc; ++i) {
      const std::string argument = argv[i];
      if (argument == flag) return i + 1 < argc && argv[i + 1][0] != '-' ? argv[i + 1] : "";
      if (argument.starts_with(flag + "=")) return argument.substr(flag.size() + 1);
    }
    return std::nullopt;
  };
  const auto preset = value_of("--preset"), from = value_of("--resume");
  std::filesystem::path run;
  std::string text;
  ranks.agree([&] {
    options.lr_decay_given = value_of("--lr-decay-from").has_value();
    options.mismatched_given = value_of("--mismatched").has_value();
    if (preset) apply_preset(options, *preset);
    if (!from) return;
    // A run goes on where it is unless another folder is named.
    if (!value_of("--out") && std::filesystem::is_directory(*from)) options.common.out = *from;
    const std::filesystem::path parent = std::filesystem::path(*from).parent_path();
    if (!value_of("--out") && std::filesystem::is_regular_file(*from) && parent.filename() == "checkpoints")
      options.common.out = parent.has_parent_path() ? parent.parent_path().string() : ".";
    options.resume = true;  // also without an argument, which the parser does not tell
    run = from->empty() ? value_of("--out").value_or(options.common.out) : *from;
    if (ranks.first()) text = config_text_of(run);
  });
  text = ranks.gather(text).front();
  std::optional<int> status;
  ranks.agree([&] {
    take_config_text(options, text, run);
    dvd::require(!from || !preset || options.preset == *preset, "--preset ", preset.value_or(""),
                 " is not that of the run to go on with, ", options.preset,
                 "; leave it out, or begin a new run in another --out");
    add_options(app, options);
    status = parse(app, argc, argv, ranks);
    // A run that moves from a GPU to the CPU leaves the GPU's precision behind, and one that is to be added up in
    // another way its shards.
    if (options.common.device == "cpu" && app.count("--device") > 0 && app.count("--precision") == 0)
      options.common.precision = CommonOptions().precision;
    if (options.reduce == "fast" && app.count("--reduce") > 0 && app.count("--shards") == 0) options.trainer.shards = 0;
  });
  return status ? *status : body();
}

}  // namespace examples
