// What log.jsonl says of a step.
#pragma once

#include <dvd/models/config_json.hpp>
#include <dvd/training/spectrum.hpp>
#include <dvd/training/trainer.hpp>

#include "memory.hpp"
#include "options.hpp"
#include "progress.hpp"

namespace examples {

/// One tick. Losses, scores and gradient norms are the step's; `data_seconds` is the time spent waiting for clips since
/// the last tick, by rank 0, whose memory it is, too; the sigmas are the largest singular value of any weight of a
/// network; the learning rates are those of the next step; the mean difference from what really followed is there where
/// the loss holds it.
template <class Gan, class TrainerType>
dvd::Json log_line(const TrainOptions& options, Gan& gan, TrainerType& trainer, const dvd::StepReport& report,
                   const Progress& progress, double data_seconds, dvd::Index skipped_files) {
  const double factor = trainer.learning_rate_factor();
  const double speed = progress.steps_per_second();
  const auto clips_per_step = static_cast<double>(options.trainer.batch * (options.trainer.d_steps + 1));
  dvd::Json line = {{"step", report.step},
                    {"seconds", progress.seconds()},
                    {"loss_spatial", report.discriminator("spatial").loss},
                    {"loss_temporal", report.discriminator("temporal").loss},
                    {"loss_generator", report.generator_loss},
                    {"score_spatial_real", report.discriminator("spatial").real_score},
                    {"score_spatial_fake", report.discriminator("spatial").fake_score},
                    {"score_temporal_real", report.discriminator("temporal").real_score},
                    {"score_temporal_fake", report.discriminator("temporal").fake_score},
                    {"gradient_norm_spatial", report.discriminator("spatial").gradient_norm},
                    {"gradient_norm_temporal", report.discriminator("temporal").gradient_norm},
                    {"gradient_norm_generator", report.generator_gradient_norm},
                    {"sigma_spatial", dvd::largest_sigma(dvd::contents(gan.spatial)).value},
                    {"sigma_temporal", dvd::largest_sigma(dvd::contents(gan.temporal)).value},
                    {"sigma_generator", dvd::largest_sigma(dvd::contents(gan.networks())).value},
                    {"lr_g", factor * options.trainer.generator_optimizer.learning_rate},
                    {"lr_d", factor * options.trainer.discriminator_optimizer.learning_rate},
                    {"steps_per_second", speed},
                    {"clips_per_second", speed * clips_per_step},
                    {"data_seconds", data_seconds},
                    {"skipped_steps", trainer.skipped_steps()},
                    {"skipped_files", skipped_files},
                    {"ranks", trainer.ranks().size()},
                    {"memory_mib", memory_mib()},
                    {"peak_memory_mib", peak_memory_mib()}};
  if (options.grid_cell.weight > 0)
    line["difference_from_truth"] = report.generator_regularization / options.grid_cell.weight;
  return line;
}

/// The number `field` of a line of log.jsonl, or `otherwise` where the line was cut short or has none.
inline double number_in(const std::string& line, const char* field, double otherwise) {
  const dvd::Json json = dvd::Json::parse(line, nullptr, false);
  return json.is_object() && json.contains(field) && json[field].is_number() ? json[field].get<double>() : otherwise;
}

/// Its step, or -1 where it was cut short.
inline dvd::Index step_in(const std::string& line) { return static_cast<dvd::Index>(number_in(line, "step", -1)); }

}  // namespace examples
