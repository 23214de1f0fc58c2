// A run, on whichever device, from what it is asked for to its end.
#pragma once

#include "../common/recurrent.hpp"
#include "out_of_memory.hpp"
#include "resume.hpp"
#include "run.hpp"
#include "scores.hpp"
#include "sharing.hpp"

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

/// The GPUs of several ranks, for a person; empty where there are none. All ranks call it.
template <class D>
std::string describe_gpus(Ranks& ranks) {
  if constexpr (is_cpu<D>) {
    return "";
  } else {
    std::string text;
    for (const std::string& name : ranks.gather(D::description()))
      if (text.find(name) == std::string::npos) text += (text.empty() ? ", each with a GPU: " : " or ") + name;
    return ranks.size() > 1 ? text : "";
  }
}

template <class Gan>
void describe(Gan& gan, const TrainOptions& options, const DataSet& data, dvd::Index ranks, const std::string& gpus) {
  const std::string classes = data.classes() > 0 ? fmt::format("{} classes", data.classes()) : "no class folders";
  fmt::print("data       {}, {}{}{}\n", options.data.empty() ? "moving shapes (embedded)" : options.data, classes,
             data.description, options.flip ? ", half of the clips mirrored" : "");
  if (data.classes() == 0) fmt::print("           so the model knows no classes: it is unconditional\n");
  fmt::print("model      {}{} frames of {}, ch {}: {:.2f} M parameters in G, {:.2f} M in D_S, {:.2f} M in D_T\n",
             options.model.condition_frames > 0 ? fmt::format("{} given, ", options.model.condition_frames) : "",
             options.model.frames, pixels_text(options.model), options.model.channels,
             static_cast<double>(dvd::contents(gan.networks()).size()) * 1e-6,
             static_cast<double>(dvd::contents(gan.spatial).size()) * 1e-6,
             static_cast<double>(dvd::contents(gan.temporal).size()) * 1e-6);
  fmt::print("training   {} steps of batch {}, seed {}\n", options.steps, options.trainer.batch, options.common.seed);
  if (options.trainer.augment.any())
    fmt::print("           discriminators see videos augmented: {}\n", augmentation_text(options.trainer.augment));
  if (options.trainer.mismatched > 0)
    fmt::print("           {} of {} videos that are not to look real are real ones under another class\n",
               options.trainer.mismatched_videos(), options.trainer.batch);
  if (options.grid_cell.weight > 0)
    fmt::print("           the generator's loss holds {:g} times the mean difference from what really followed\n",
               options.grid_cell.weight);
  if (ranks > 1 || options.trainer.reduce == dvd::Reduce::ordered)
    fmt::print("ranks      {}{}, {}\n", ranks, gpus,
               options.trainer.reduce == dvd::Reduce::fast ? "sums in an order that depends on their number"
                                                           : "sums in a fixed order");
  fmt::print("device     {}, {}{}\n", describe_device<typename Gan::device_type>(), options.common.precision,
             ranks > 1 ? ", on rank 0" : "");
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

/// Throws ArgumentError where mirroring would make clips of one class those of another.
inline void check_flips(const TrainOptions& options) {
  if (!options.data.empty()) return;
  const std::string why =
      " mirrors clips, and the classes of moving shapes are directions, which mirroring changes: what moves left would "
      "move right; ";
  dvd::require(!options.flip, "--flip", why, "leave it out, or give --data");
  dvd::AugmentationOptions rest = options.trainer.augment;
  rest.flip = false;
  dvd::require(!options.trainer.augment.flip, "--augment ", augmentation_text(options.trainer.augment), why,
               "give --augment ", augmentation_text(rest), ", or --data");
}

/// The data of a run, its classes numbered as the run has them. What is wrong with it while it is opened is said at
/// once, by rank 0; later on, when the step is done.
inline std::unique_ptr<DataSet> data_of(const TrainOptions& options, Warnings& warnings, Ranks& ranks) {
  auto data = open_on_all(ranks, [&] {
    return open_data(options, [&warnings, &ranks](const std::string& line) {
      if (running)
        warnings.add(line);
      else if (ranks.first())
        fmt::print(stderr, "warning: {}\n", line);
    });
  });
  number_as(*data, options.class_names);
  return data;
}

template <class Gan>
int train_gan(TrainOptions options, Ranks& ranks) {
  check_told_alike(flags_of_start(options), ranks);
  std::string before;
  std::vector<std::filesystem::path> checkpoints;
  ranks.agree([&] {
    share<typename Gan::device_type>(options, ranks);
    options.trainer.seed = options.common.seed;
    options.trainer.discriminator_optimizer.beta1 = options.trainer.generator_optimizer.beta1;
    options.trainer.discriminator_optimizer.beta2 = options.trainer.generator_optimizer.beta2;
    options.trainer.schedule = schedule_of(options);
    dvd::require(options.truncation >= 0 && options.truncation <= 100, "--truncation must be between 0 and 100, not ",
                 options.truncation);
    options.model.validate();
    options.trainer.validate();
    dvd::require(options.grid_cell.weight == 0 || options.model.condition_frames > 0, "--grid-cell ",
                 options.grid_cell.weight, " compares what is made with what really followed the frames that were ",
                 "given; without --condition-frames none are");
    check_scores(options);
    check_flips(options);
    if (!ranks.first()) return;
    checkpoints = checkpoints_to_try(options);
    before = state_of(options.common.out);
  });
  const dvd::ThreadLimit threads(options.common.threads);

  Warnings warnings;
  const auto data = data_of(options, warnings, ranks);
  ranks.agree([&] { check_classes(options, data->class_names()); });
  options.model.classes = data->classes();
  if (options.model.classes < 2 && !options.mismatched_given) options.trainer.mismatched = 0;  // a preset's
  dvd::Json config = to_json(options, data->class_names());
  if (!data->prepared.is_null()) config["prepared_set"] = data->prepared;
  check_told_alike(config, ranks);
  auto&& communicator = communicator_for<typename Gan::device_type>(ranks, options.rank_timeout);
  std::optional<Gan> gan;
  std::optional<TrainerOf<Gan>> trainer;
  std::string resumed;
  ranks.agree([&] {
    // Whoever only asks what a run would be does not wait for its weights.
    gan.emplace(options.model, options.dry_run ? dvd::Random::none() : dvd::Random(options.common.seed));
    gan->generator.recompute = options.recompute;
    if (options.grid_cell.weight > 0) gan->grid_cell = options.grid_cell;
    trainer.emplace(*gan, options.trainer, communicator);
    if (ranks.first()) resumed = load_first_whole(options, checkpoints, *trainer);
  });
  // Of a new run, too: its first weights are computed, which different machines need not do to the same bits.
  if (!options.dry_run) dvd::broadcast_training_state(*trainer);
  const bool speaks = ranks.first() && !options.common.quiet;
  const std::string gpus = describe_gpus<typename Gan::device_type>(ranks);
  if (speaks) describe(*gan, options, *data, ranks.size(), gpus);
  if (speaks && !resumed.empty()) fmt::print("resume     {}\n", resumed);
  if (options.dry_run) {
    if (ranks.first()) fmt::print("{}\n", to_text(config, 2));
    return 0;
  }
  if (trainer->steps() >= options.steps) {
    if (speaks)
      fmt::print("done       {} is complete: {} of {} steps; --steps N asks for more\n", options.common.out,
                 trainer->steps(), options.steps);
    return 0;
  }
  std::optional<Run<Gan>> run;
  ranks.agree([&] {
    run.emplace(options, *gan, *trainer, ranks, *data, warnings, config);
    dvd::require(!ranks.first() || state_of(options.common.out) == before, options.common.out,
                 ": another process has worked here in the meantime; start again");
  });
  running = true;
  try {
    run->go();
  } catch (const dvd::cuda::OutOfMemory& error) {
    throw dvd::Error(error.what() + smaller_batch(error, options.trainer.batch, options.trainer.micro_batch));
  }
  return 0;
}

template <class T, class D>
int train(TrainOptions options, Ranks& ranks) {
  return with_recurrent_unit<T, D>(options.recurrent,
                                   [&]<class Parts>() { return train_gan<dvd::DvdGan<T, D, Parts>>(options, ranks); });
}

}  // namespace examples
