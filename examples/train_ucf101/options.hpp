// What a training run is asked for: presets, flags, and the JSON form that config.json keeps.
#pragma once

#include <dvd/layers/grid_cell_regularizer.hpp>
#include <dvd/models/config_json.hpp>
#include <dvd/training/trainer.hpp>

#include "../common/program.hpp"
#include "../common/ranks.hpp"
#include "../common/sizes.hpp"
#include "augment.hpp"

namespace examples {

/// Everything that a run depends on, with the values of `--preset small`.
struct TrainOptions {
  CommonOptions common;
  std::string preset = "small";

  std::string data;   ///< empty: moving shapes
  std::string index;  ///< where indices of video files are kept; empty: in the user's cache; "none": nowhere
  std::string split;  ///< a list of videos, or a folder of the data
  dvd::Index stride = 1;
  std::string recurrent = "convgru";
  bool center_crop = false;
  bool flip = false;  ///< each clip is mirrored with probability 1/2
  dvd::Index loader_threads = 0;
  std::vector<std::string> class_names;  ///< of the run that goes on; empty: not known
  bool without_classes = false;          ///< so was the run that goes on

  dvd::DvdGanConfig model = {.frames = 8, .resolution = 32, .channels = 8};
  dvd::TrainerOptions trainer = {.batch = 8, .average = {.decay = 0.999, .start = 200}};
  std::string reduce;  ///< fast or ordered; empty: see reduce_of in sharing.hpp
  double rank_timeout = 300;
  dvd::Index steps = 2000;
  std::string lr_schedule;  ///< constant, linear or cosine; empty: linear where lr_decay_from is above 0
  dvd::Index lr_warm_up = 0;
  dvd::Index lr_decay_from = 0;
  bool lr_decay_given = false;    ///< else a run of fewer steps begins it at two thirds of them
  bool mismatched_given = false;  ///< else data of no classes, or of one, is trained on without
  double truncation = 1;

  dvd::Index checkpoint_every = 500, sample_every = 500, log_every = 10, keep = 3;
  dvd::Index evaluate_every = 0, evaluate_clips = 600;  ///< 0: never
  std::string evaluate_protocol, evaluate_weights;
  std::string keep_best;  ///< the score by which the best checkpoint is kept; empty: it is not
  bool tensorboard = false;
  bool resume = false;
  std::string resume_from;
  bool recompute = false;
  dvd::GridCellRegularizer<> grid_cell = {.weight = 0, .samples_per_video = 1};  ///< weight 0: none
  bool dry_run = false;
};

inline constexpr const char* preset_names =
    "demo, demo-64, demo-prediction, small, paper-64, paper-128, paper-64-prediction";

/// Applies a preset: the values that flags then override. Throws ArgumentError for a name that is none.
inline void apply_preset(TrainOptions& options, const std::string& name) {
  options.preset = name;
  if (name == "small") return;
  if (name == "demo") {
    // Convincing clips after ten minutes on two cores; how that came about is told in benchmarks/README.md. The latent
    // is short so that the embedding of the class, of length 1, is not drowned by it. Half of what is not to look real
    // is real, of another class: without it shapes come apart late, or not at all. A short memory of squared gradients
    // (beta2) suits a short run.
    options.model = {
        .frames = 8, .resolution = 32, .channels = 4, .latent_dim = 16, .embed_dim = 32, .spatial_frames = 2};
    options.trainer = {.batch = 16,
                       .generator_optimizer = {.learning_rate = 2e-3, .beta2 = 0.99},
                       .discriminator_optimizer = {.learning_rate = 2e-3, .beta2 = 0.99},
                       .average = {.decay = 0.998, .start = 200},
                       .mismatched = 0.5};
    options.steps = 5000;
    options.lr_decay_from = 2500;
    options.checkpoint_every = options.sample_every = 250;
  } else if (name == "demo-64") {
    // The same of four times the pixels and twice the frames, in less than an hour on two cores.
    apply_preset(options, "demo");
    options.preset = name;
    options.model.resolution = 64;
    options.model.frames = 16;
    options.trainer.batch = 8;
    options.steps = 6000;
    options.lr_decay_from = 3000;
  } else if (name == "demo-prediction") {
    // Continues moving shapes, after ten minutes on two cores. Knowing how a video began helps the temporal
    // discriminator more than the generator: with two updates a step it wins before shapes move as they should. What
    // was seen is lost, its colour first, unless the loss holds how far what is made is from what followed.
    apply_preset(options, "demo");
    options.preset = name;
    options.model.condition_frames = 5;
    options.trainer.d_steps = 1;
    options.grid_cell.weight = 100;
    options.steps = 4400;
    options.lr_decay_from = 2200;
  } else if (name == "paper-64" || name == "paper-128" || name == "paper-64-prediction") {
    // Sections 4.1, 4.2 and appendix A of the paper, for Kinetics-600.
    const bool large = name == "paper-128";
    options.model = {.frames = 12, .resolution = large ? 128 : 64, .channels = large ? 96 : 128};
    if (name == "paper-64-prediction") {
      options.model.condition_frames = 5;
      options.model.frames = 11;
    }
    options.trainer = {.batch = 512};
    options.stride = options.model.condition_frames > 0 ? 1 : 2;
    options.steps = 300'000;
    options.checkpoint_every = options.sample_every = 1000;
  } else {
    throw dvd::ArgumentError(dvd::concat("--preset ", name, " is none of ", preset_names));
  }
}

/// What a flag does with its text; an ArgumentError counts as a wrong command line.
template <class F>
std::function<void(const std::string&)> taking(const F& f) {
  return [f](const std::string& text) {
    try {
      f(text);
    } catch (const dvd::ArgumentError& error) {
      throw CLI::ValidationError(error.what());
    }
  };
}

/// Declares all flags on `app`. Their defaults are whatever `options` holds.
inline void add_options(CLI::App& app, TrainOptions& options) {
  app.footer(
      "For tests of what a run survives: the environment variable DVD_TEST_POISON=NAME@STEP makes a value of the\n"
      "parameter NAME (as in a checkpoint) a NaN just before that step; NAME@STEP+ does so from there on.");
  options.common.add_to(app);
  options.common.add_precision_to(app);
  app.add_option("--preset", options.preset, std::string("defaults to start from: ") + preset_names)
      ->capture_default_str();
  auto* data = app.add_option_group("data");
  data->add_option("--data", options.data,
                   "set of prepare_videos, UCF-101 or Kinetics, any folder of class folders with videos (files, or "
                   "folders of numbered "
                   "pictures), or a folder of videos, which trains a model without classes; without it, moving shapes");
  data->add_option("--split", options.split,
                   "the videos to use: a list of paths, such as trainlist01.txt of UCF-101, a table of Kinetics, such "
                   "as kinetics.csv or, for one of its splits, kinetics.csv#train, or a folder in DIR, such as train; "
                   "of a prepared set, the name of one of the lists it knows")
      ->needs("--data");
  data->add_option("--index", options.index,
                   "file in which to keep what is found out about the videos, so that they need not be read when they "
                   "are opened again; none: keep nothing; without it, a file in the user's cache")
      ->type_name("FILE")
      ->needs("--data");
  data->add_option("--frames", options.model.frames,
                   "frames that are made; with --condition-frames C, clips have C more")
      ->capture_default_str();
  data->add_option_function<std::string>("--resolution",
                                         taking([&](const std::string& text) { set_size(options.model, text); }),
                                         "pixels, even and at least 8: one number, or HEIGHTxWIDTH as in 64x96")
      ->type_name("PIXELS")
      ->default_str(resolution_text(options.model));
  data->add_option("--image-channels", options.model.image_channels, "3: RGB; 1: grey")->capture_default_str();
  data->add_option("--stride", options.stride, "take every K-th frame of a video")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  data->add_option("--loader-threads", options.loader_threads, "threads that decode clips ahead; 0: a quarter of all")
      ->check(CLI::Range(0, 256))
      ->capture_default_str();
  data->add_flag("--center-crop", options.center_crop, "crop the middle of a video instead of a random part");
  data->add_flag("--flip", options.flip,
                 "mirror each clip with probability 1/2, where left and right mean nothing: not for moving shapes");

  auto* model = app.add_option_group("model");
  model->add_option("--channels", options.model.channels, "width multiplier ch")->capture_default_str();
  const auto multipliers = [&](const char* flag, std::vector<dvd::Index>& list, const char* whose) {
    model
        ->add_option_function<std::string>(
            flag, taking([flag, &list](const std::string& text) { list = read_list(flag, text); }),
            std::string("widths of ") + whose +
                ", as multiples of --channels: one more than there are stages, such as 8,4,2; without it, BigGAN's")
        ->type_name("LIST");
  };
  multipliers("--generator-multipliers", options.model.generator_multipliers, "the generator's stages");
  multipliers("--discriminator-multipliers", options.model.discriminator_multipliers,
              "the blocks of discriminators and conditioning stack");
  model->add_option("--recurrent", options.recurrent, "recurrent unit of the generator: convgru or tsru")
      ->check(CLI::IsMember({"convgru", "tsru"}))
      ->capture_default_str();
  model
      ->add_option("--condition-frames", options.model.condition_frames,
                   "train a model that continues videos (DVD-GAN-FP) from so many of their frames; 0: one that makes "
                   "them from nothing")
      ->capture_default_str();
  model->add_option("--spatial-frames", options.model.spatial_frames, "frames of a video that D_S sees")
      ->capture_default_str();
  model->add_option("--latent-dim", options.model.latent_dim, "length of the latent vector")->capture_default_str();
  model->add_option("--embed-dim", options.model.embed_dim, "length of a class embedding")->capture_default_str();
  model->add_option("--upsample", options.model.upsample, "bilinear or nearest")
      ->transform(CLI::CheckedTransformer(std::map<std::string, dvd::Upsampling>{
          {"bilinear", dvd::Upsampling::bilinear}, {"nearest", dvd::Upsampling::nearest}}))
      ->default_str("bilinear");

  auto* training = app.add_option_group("training");
  training->add_option("--batch", options.trainer.batch, "videos in a batch")->capture_default_str();
  training
      ->add_option("--micro-batch", options.trainer.micro_batch,
                   "put a batch through in parts of this many videos, for less memory; batch norms then see the "
                   "statistics of a part. 0: whole")
      ->capture_default_str();
  training->add_option("--steps", options.steps, "steps of the whole run")
      ->check(CLI::Range(1, 1'000'000'000))
      ->capture_default_str();
  training->add_option("--d-steps", options.trainer.d_steps, "updates of the discriminators in a step")
      ->capture_default_str();
  training
      ->add_option_function<std::string>(
          "--augment", taking([&](const std::string& text) { options.trainer.augment = read_augmentation(text); }),
          "what real and generated videos alike go through before the discriminators, for small sets: flip, color, "
          "translation, cutout, some of them with commas between them, all or none")
      ->type_name("LIST")
      ->default_str(augmentation_text(options.trainer.augment));
  training
      ->add_option("--mismatched", options.trainer.mismatched,
                   "share of what discriminators are to tell from real videos that is real videos under another class, "
                   "from 0 to below 1: they learn what a class is sooner (GAN-CLS)")
      ->capture_default_str();
  training
      ->add_option("--grid-cell", options.grid_cell.weight,
                   "with --condition-frames, weight of the mean difference between what is made and what really "
                   "followed, in the generator's loss beside the scores (the grid-cell regularizer); 0: none")
      ->check(CLI::Range(0.0, 1e9))
      ->capture_default_str();
  training
      ->add_option("--grid-cell-samples", options.grid_cell.samples_per_video,
                   "videos made under a condition whose mean that compares")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  training->add_flag("--recompute", options.recompute,
                     "compute activations of the generator again instead of keeping them: less memory, more time");
  auto& g = options.trainer.generator_optimizer;
  auto& d = options.trainer.discriminator_optimizer;
  training->add_option("--lr-g", g.learning_rate, "learning rate of the generator")->capture_default_str();
  training->add_option("--lr-d", d.learning_rate, "learning rate of the discriminators")->capture_default_str();
  training
      ->add_option("--lr-schedule", options.lr_schedule,
                   "how both learning rates change: constant; linear or cosine, which fall to 0 at --steps")
      ->check(CLI::IsMember({"constant", "linear", "cosine"}))
      ->default_str("linear with --lr-decay-from, else constant");
  training->add_option("--lr-warm-up", options.lr_warm_up, "steps over which they rise at first")
      ->check(CLI::Range(0, 1'000'000'000))
      ->capture_default_str();
  training->add_option("--lr-decay-from", options.lr_decay_from, "step from which on they fall, if they do")
      ->check(CLI::Range(0, 1'000'000'000))
      ->capture_default_str();
  training->add_option("--beta1", g.beta1, "Adam's beta1, for both")->capture_default_str();
  training->add_option("--beta2", g.beta2, "Adam's beta2, for both")->capture_default_str();
  training->add_option("--ema-decay", options.trainer.average.decay, "decay of the moving average")
      ->capture_default_str();
  training
      ->add_option("--ema-start", options.trainer.average.start,
                   "last step at which the average still equals the weights")
      ->capture_default_str();

  auto* ranks = app.add_option_group("ranks", "of a program that mpirun or srun starts several times");
  ranks
      ->add_option("--reduce", options.reduce,
                   "how ranks add up: ordered, in a fixed order, so that the bits do not depend on their number; or "
                   "fast, which takes less memory and time. What a run began with it goes on with")
      ->check(CLI::IsMember({"ordered", "fast"}))
      ->default_str("ordered among several ranks on the CPU, else fast");
  ranks
      ->add_option("--shards", options.trainer.shards,
                   "with --reduce ordered, parts that a batch is cut into, which determine the bits: at least one a "
                   "rank, and the fewer, the less memory; 0: a part for each video")
      ->check(CLI::Range(0, 65536))
      ->capture_default_str();
  ranks
      ->add_option("--rank-timeout", options.rank_timeout,
                   "seconds after which a rank that the others wait for ends the run, and is named; 0: never")
      ->check(CLI::Range(0.0, 1e9))
      ->type_name("SECONDS")
      ->capture_default_str();

  auto* run = app.add_option_group("run");
  run->add_option("--checkpoint-every", options.checkpoint_every, "steps between checkpoints")
      ->check(CLI::Range(1, 1'000'000'000))
      ->capture_default_str();
  run->add_option("--sample-every", options.sample_every, "steps between pictures")
      ->check(CLI::Range(1, 1'000'000'000))
      ->capture_default_str();
  run->add_option("--log-every", options.log_every, "steps between lines of log.jsonl")
      ->check(CLI::Range(1, 1'000'000'000))
      ->capture_default_str();
  run->add_option("--keep", options.keep, "newest checkpoints to keep; 0 keeps all")
      ->check(CLI::Range(0, 1'000'000'000))
      ->capture_default_str();
  run->add_option("--evaluate-every", options.evaluate_every,
                  "steps between scores of samples beside real clips (Fréchet distance, Inception Score, precision, "
                  "recall and, of moving shapes, class accuracy), which are logged; 0: never")
      ->check(CLI::Range(0, 1'000'000'000))
      ->capture_default_str();
  run->add_option("--evaluate-clips", options.evaluate_clips, "clips to score, as many made as real")
      ->check(CLI::Range(8, 1'000'000))
      ->capture_default_str();
  run->add_option("--evaluate-protocol", options.evaluate_protocol,
                  "how, as evaluate_videos --protocol; by default, of moving shapes, shapes");
  run->add_option("--evaluate-weights", options.evaluate_weights,
                  "weights of the protocol's network, as convert_weights writes them");
  run->add_flag("--keep-best{frechet_distance}", options.keep_best,
                "keep the checkpoint with the best score so far as best.safetensors; --keep-best=class_accuracy, "
                "=inception_score, =kernel_distance, =precision or =recall go by another score");
  run->add_flag("--tensorboard", options.tensorboard,
                "write everything that is logged, and the samples, for TensorBoard, too, into RUN/tensorboard");
  run->add_option("--truncation", options.truncation, "scale of the latents of the pictures and of what is scored")
      ->check(CLI::Range(0.0, 100.0))
      ->capture_default_str();
  run->add_option("--resume", options.resume_from, "go on from a checkpoint, or from the newest of a run folder")
      ->expected(0, 1);
  run->add_flag("--dry-run", options.dry_run, "check everything, print the configuration, write nothing");
}

/// All that is needed to repeat the run.
inline dvd::Json to_json(const TrainOptions& options, const std::vector<std::string>& class_names) {
  dvd::Json json = dvd::to_json(options.model);
  const auto& g = options.trainer.generator_optimizer;
  json.update({{"preset", options.preset},
               {"data", options.data.empty() ? "moving shapes" : options.data},
               {"split", options.split},
               {"stride", options.stride},
               {"center_crop", options.center_crop},
               {"flip", options.flip},
               {"recurrent", options.recurrent},
               {"batch", options.trainer.batch},
               {"steps", options.steps},
               {"micro_batch", options.trainer.micro_batch},
               {"d_steps", options.trainer.d_steps},
               {"augment", augmentation_text(options.trainer.augment)},
               {"mismatched", options.trainer.mismatched},
               {"grid_cell", options.grid_cell.weight},
               {"grid_cell_samples", options.grid_cell.samples_per_video},
               {"reduce", options.reduce},
               {"shards", options.trainer.shards},
               {"lr_g", g.learning_rate},
               {"lr_d", options.trainer.discriminator_optimizer.learning_rate},
               {"lr_schedule", options.lr_schedule},
               {"lr_warm_up", options.lr_warm_up},
               {"lr_decay_from", options.lr_decay_from},
               {"beta1", g.beta1},
               {"beta2", g.beta2},
               {"ema_decay", options.trainer.average.decay},
               {"ema_start", options.trainer.average.start},
               {"checkpoint_every", options.checkpoint_every},
               {"sample_every", options.sample_every},
               {"log_every", options.log_every},
               {"keep", options.keep},
               {"truncation", options.truncation},
               {"evaluate_every", options.evaluate_every},
               {"evaluate_clips", options.evaluate_clips},
               {"evaluate_protocol", options.evaluate_protocol},
               {"evaluate_weights", options.evaluate_weights},
               {"keep_best", options.keep_best},
               {"tensorboard", options.tensorboard},
               {"recompute", options.recompute},
               {"seed", options.common.seed},
               {"device", options.common.device},
               {"precision", options.common.precision},
               {"class_names", class_names},
               {"version", dvd::version}});
  return json;
}

/// Trains as asked, with elements of type T on the device D. Every rank calls it. Throws dvd::Error and whatever the
/// system throws.
template <class T, class D>
int train(TrainOptions options, Ranks& ranks);

}  // namespace examples
