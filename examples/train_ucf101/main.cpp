// Trains a DVD-GAN (arXiv 1907.06571) on moving shapes, on UCF-101, or on any folder of class folders of videos.
//
//     train_ucf101 --preset demo --out runs/demo
//     train_ucf101 --data UCF101 --split trainlist01.txt --frames 16 --resolution 64 --out runs/ucf101
//
// Read in this order: options.hpp (what a run is asked for), data.hpp (where clips come from), resume.hpp (going on),
// pictures.hpp (what the samples show), and `train` below.

#include <dvd/device/cpu.hpp>
#include <dvd/io/run_folder.hpp>
#include <dvd/training/checkpoint.hpp>
#include <dvd/training/trainer.hpp>

#include "data.hpp"
#include "memory.hpp"
#include "options.hpp"
#include "pictures.hpp"
#include "progress.hpp"
#include "resume.hpp"
#include "signals.hpp"

namespace examples {
namespace {

using Gan = dvd::DvdGan<float, dvd::Cpu>;

dvd::Json log_line(const TrainOptions& options, const dvd::StepReport& report, const Progress& progress) {
  const double speed = progress.steps_per_second(report.step);
  const auto clips_per_step = static_cast<double>(options.trainer.batch * (options.trainer.d_steps + 1));
  return {{"step", report.step},
          {"seconds", progress.seconds()},
          {"loss_spatial", report.spatial.loss},
          {"loss_temporal", report.temporal.loss},
          {"loss_generator", report.generator_loss},
          {"score_spatial_real", report.spatial.real_score},
          {"score_spatial_fake", report.spatial.fake_score},
          {"score_temporal_real", report.temporal.real_score},
          {"score_temporal_fake", report.temporal.fake_score},
          {"gradient_norm_spatial", report.spatial.gradient_norm},
          {"gradient_norm_temporal", report.temporal.gradient_norm},
          {"gradient_norm_generator", report.generator_gradient_norm},
          {"lr_g", options.trainer.generator_optimizer.learning_rate},
          {"lr_d", options.trainer.discriminator_optimizer.learning_rate},
          {"steps_per_second", speed},
          {"clips_per_second", speed * clips_per_step},
          {"memory_mib", memory_mib()},
          {"peak_memory_mib", peak_memory_mib()}};
}

/// A class may have any bytes in its name; JSON wants UTF-8.
std::string to_text(const dvd::Json& json, int indent = -1) {
  return json.dump(indent, ' ', false, dvd::Json::error_handler_t::replace);
}

/// Throws Error if training has diverged, before a checkpoint of it can push out a good one.
void check_finite(const dvd::StepReport& report) {
  bool finite = std::isfinite(report.generator_loss) && std::isfinite(report.generator_gradient_norm);
  for (const dvd::DiscriminatorReport& part : {report.spatial, report.temporal})
    finite = finite && std::isfinite(part.loss + part.real_score + part.fake_score + part.gradient_norm);
  if (!finite)
    throw dvd::Error(dvd::concat("step ", report.step,
                                 ": a loss, score or gradient is not finite; checkpoints so far are ",
                                 "kept; go on with --resume and lower --lr-g and --lr-d"));
}

void describe(Gan& gan, const TrainOptions& options, const DataSet& data) {
  fmt::print("data       {}, {} classes{}\n", options.data.empty() ? "moving shapes (embedded)" : options.data,
             data.classes(), data.description);
  fmt::print(
      "model      {} frames of {}x{} pixels, ch {}: {:.2f} M parameters in G, {:.2f} M in D_S, {:.2f} M in D_T\n",
      options.model.frames, options.model.resolution, options.model.resolution, options.model.channels,
      static_cast<double>(dvd::contents(gan.generator).size()) * 1e-6,
      static_cast<double>(dvd::contents(gan.spatial).size()) * 1e-6,
      static_cast<double>(dvd::contents(gan.temporal).size()) * 1e-6);
  fmt::print("training   {} steps of batch {}, seed {}\n", options.steps, options.trainer.batch, options.common.seed);
}

int train(TrainOptions options) {
  options.common.check_device();
  check_variants(options);
  const dvd::ThreadLimit threads(options.common.threads);
  options.trainer.seed = options.common.seed;
  options.trainer.discriminator_optimizer.beta1 = options.trainer.generator_optimizer.beta1;
  options.trainer.discriminator_optimizer.beta2 = options.trainer.generator_optimizer.beta2;
  dvd::require(options.truncation >= 0 && options.truncation <= 100, "--truncation must be between 0 and 100, not ",
               options.truncation);
  options.model.validate();
  options.trainer.validate();

  const auto checkpoints = checkpoints_to_try(options);
  const auto data = open_data(options);
  options.model.classes = data->classes();

  Gan gan(options.model, options.common.seed);
  gan.generator.recompute = options.recompute;
  dvd::Trainer trainer(gan, options.trainer);
  const std::string resumed = load_first_whole(options, checkpoints, trainer);
  const dvd::Json config = to_json(options, data->class_names());
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

  const dvd::RunFolder folder(options.common.out);
  running = true;
  folder.write_config(to_text(config, 2) + "\n");
  folder.forget_log_after(trainer.steps(), [](const std::string& line) {
    const dvd::Json json = dvd::Json::parse(line, nullptr, false);
    return json.is_object() && json.contains("step") && json["step"].is_number_integer()
               ? json["step"].get<dvd::Index>()
               : dvd::Index{-1};
  });

  const std::map<std::string, std::string> metadata = {{"config", to_text(config)}, {"dvd.version", dvd::version}};
  Progress progress(trainer.steps(), options.steps, options.log_every, options.common.quiet);
  const StopSignals signals;
  while (trainer.steps() < options.steps && !signals.stop_requested()) {
    const dvd::StepReport report = trainer.step(*data);
    const bool last = report.step == options.steps;
    progress.show(report);
    check_finite(report);
    if (last || report.step % options.log_every == 0) folder.append_log(log_line(options, report, progress).dump());
    if (last || report.step % options.sample_every == 0)
      write_pictures(gan, options.common.seed, options.truncation, folder.sample(report.step, ".png"),
                     folder.sample(report.step, ".gif"));
    if (last || report.step % options.checkpoint_every == 0 || signals.stop_requested()) {
      dvd::save_checkpoint(folder.checkpoint(report.step), trainer, metadata);
      folder.rotate_checkpoints(options.keep);
    }
  }

  if (trainer.steps() < options.steps) {
    progress.say(fmt::format("stopped    after step {} of {}, as asked", trainer.steps(), options.steps));
    progress.say(fmt::format("go on with train_ucf101 --resume --out {}", options.common.out));
    return 0;
  }
  progress.say(fmt::format("done       {} in {}, {:.2f} steps/s, at most {:.0f} MiB of memory", options.common.out,
                           clock_text(progress.seconds()), progress.steps_per_second(trainer.steps()),
                           peak_memory_mib()));
  progress.say(fmt::format("samples    {}\n           {}", folder.sample(trainer.steps(), ".png").string(),
                           folder.sample(trainer.steps(), ".gif").string()));
  progress.say(fmt::format("checkpoint {}", folder.checkpoint(trainer.steps()).string()));
  return 0;
}

}  // namespace
}  // namespace examples

int main(int argc, char** argv) {
  examples::TrainOptions options;
  options.common.out = "runs/dvdgan";
  CLI::App app("Trains a DVD-GAN on moving shapes, UCF-101 or any folder of class folders of videos.", "train_ucf101");
  return examples::run_with_defaults(app, argc, argv, options, [&] { return examples::train(options); });
}
