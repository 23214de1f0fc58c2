// A run, on whichever device, from what it is asked for to its end.
#pragma once

#include "../common/recurrent.hpp"
#include "out_of_memory.hpp"
#include "run.hpp"
#include "scores.hpp"

namespace examples {

/// What computes, for a person.
template <class D>
std::string describe_device() {
  if constexpr (requires { D::description(); }) {
    return D::description();
  } else {
    const auto threads = tbb::global_control::active_value(tbb::global_control::max_allowed_parallelism);
    return fmt::format("CPU, {} thread{}", threads, threads == 1 ? "" : "s");
  }
}

template <class Gan>
void describe(Gan& gan, const TrainOptions& options, const DataSet& data) {
  const std::string classes = data.classes() > 0 ? fmt::format("{} classes", data.classes()) : "no class folders";
  fmt::print("data       {}, {}{}\n", options.data.empty() ? "moving shapes (embedded)" : options.data, classes,
             data.description);
  if (data.classes() == 0) fmt::print("           so the model knows no classes: it is unconditional\n");
  fmt::print("model      {}{} frames of {}, ch {}: {:.2f} M parameters in G, {:.2f} M in D_S, {:.2f} M in D_T\n",
             options.model.condition_frames > 0 ? fmt::format("{} given, ", options.model.condition_frames) : "",
             options.model.frames, pixels_text(options.model), options.model.channels,
             static_cast<double>(dvd::contents(gan.networks()).size()) * 1e-6,
             static_cast<double>(dvd::contents(gan.spatial).size()) * 1e-6,
             static_cast<double>(dvd::contents(gan.temporal).size()) * 1e-6);
  fmt::print("training   {} steps of batch {}, seed {}\n", options.steps, options.trainer.batch, options.common.seed);
  fmt::print("device     {}, {}\n", describe_device<typename Gan::device_type>(), options.common.precision);
  if (!with_video_files) fmt::print("pictures   as PNG; GIFs are left out, because this build has no FFmpeg\n");
}

/// How the learning rates change, as the options say; fills in what they leave open.
inline dvd::Schedule schedule_of(TrainOptions& options) {
  dvd::Index& from = options.lr_decay_from;
  if (options.lr_schedule == "constant") {
    dvd::require(from == 0 || !options.lr_decay_given, "--lr-decay-from ", from,
                 " does not go with --lr-schedule constant; leave one of them out");
    from = 0;
  }
  if (!options.lr_decay_given && from >= options.steps) from = options.steps * 2 / 3;
  if (options.lr_schedule.empty()) options.lr_schedule = from > 0 ? "linear" : "constant";
  dvd::require(from == 0 || from < options.steps, "--lr-decay-from ", from, " must be below --steps, ", options.steps);
  dvd::Schedule schedule;
  if (options.lr_schedule == "linear") schedule = dvd::LinearFall{from, options.steps};
  if (options.lr_schedule == "cosine") schedule = dvd::CosineFall{from, options.steps};
  if (options.lr_warm_up > 0) schedule = dvd::WarmUp{options.lr_warm_up, schedule};
  return schedule;
}

/// Throws ArgumentError where what is asked for about scores cannot be.
inline void check_scores(const TrainOptions& options) {
  dvd::require(options.keep_best.empty() || options.evaluate_every > 0, "--keep-best needs --evaluate-every");
  dvd::require(options.evaluate_every > 0 || (options.evaluate_protocol.empty() && options.evaluate_weights.empty()),
               "--evaluate-protocol and --evaluate-weights need --evaluate-every");
  if (options.evaluate_every == 0) return;
  score_protocol(options);
  constexpr std::array known{dvd::frechet_score,   dvd::inception_score_name, dvd::kernel_score,
                             dvd::precision_score, dvd::recall_score,         dvd::accuracy_score};
  dvd::require(options.keep_best.empty() || std::ranges::find(known, options.keep_best) != known.end(), "--keep-best ",
               options.keep_best,
               " is none of frechet_distance, inception_score, kernel_distance, precision, recall, "
               "class_accuracy");
}

template <class Gan>
int train_gan(TrainOptions options) {
  const dvd::ThreadLimit threads(options.common.threads);
  options.trainer.seed = options.common.seed;
  options.trainer.discriminator_optimizer.beta1 = options.trainer.generator_optimizer.beta1;
  options.trainer.discriminator_optimizer.beta2 = options.trainer.generator_optimizer.beta2;
  options.trainer.schedule = schedule_of(options);
  dvd::require(options.truncation >= 0 && options.truncation <= 100, "--truncation must be between 0 and 100, not ",
               options.truncation);
  options.model.validate();
  options.trainer.validate();
  check_scores(options);

  const auto checkpoints = checkpoints_to_try(options);
  const std::string before = state_of(options.common.out);
  Warnings warnings;
  const auto data = open_data(options, [&](const std::string& line) {
    // While the set is opened, each file is named at once; later on, when the step is done.
    if (running)
      warnings.add(line);
    else
      fmt::print(stderr, "warning: {}\n", line);
  });
  number_as(*data, options.class_names);
  check_classes(options, data->class_names());
  options.model.classes = data->classes();

  // Whoever only asks what a run would be does not wait for its weights.
  Gan gan(options.model, options.dry_run ? dvd::Random::none() : dvd::Random(options.common.seed));
  gan.generator.recompute = options.recompute;
  dvd::Trainer trainer(gan, options.trainer);
  const std::string resumed = load_first_whole(options, checkpoints, trainer);
  dvd::Json config = to_json(options, data->class_names());
  if (!data->prepared.is_null()) config["prepared_set"] = data->prepared;
  if (!options.common.quiet) describe(gan, options, *data);
  if (!options.common.quiet && !resumed.empty()) fmt::print("resume     {}\n", resumed);
  if (options.dry_run) {
    fmt::print("{}\n", to_text(config, 2));
    return 0;
  }
  if (trainer.steps() >= options.steps) {
    if (!options.common.quiet)
      fmt::print("done       {} is complete: {} of {} steps; --steps N asks for more\n", options.common.out,
                 trainer.steps(), options.steps);
    return 0;
  }
  Run<Gan> run(options, gan, trainer, *data, warnings, config);
  dvd::require(state_of(options.common.out) == before, options.common.out,
               ": another process has worked here in the meantime; start again");
  running = true;
  try {
    run.go();
  } catch (const dvd::cuda::OutOfMemory& error) {
    throw dvd::Error(error.what() + smaller_batch(error, options.trainer.batch, options.trainer.micro_batch));
  }
  return 0;
}

template <class T, class D>
int train(TrainOptions options) {
  return with_recurrent_unit<T, D>(options.recurrent,
                                   [&]<class Parts>() { return train_gan<dvd::DvdGan<T, D, Parts>>(options); });
}

}  // namespace examples
