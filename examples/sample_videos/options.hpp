// What sample_videos is asked for.
#pragma once

#include <dvd/core/shape.hpp>

#include "../common/demo_model.hpp"
#include "../common/program.hpp"
#include "../common/ranks.hpp"
#include "../common/video_files.hpp"

namespace examples {

struct SampleProgramOptions {
  CommonOptions common;
  std::string checkpoint = demo_model("demo-64.safetensors", DVD_DEMO_CHECKPOINT), class_name, latents, interpolate,
              save_generator;
  dvd::Index count = 0, batch = 8, standing = 0;
  double truncation = 1, threshold = 0, fps = 8;
  std::string format = with_video_files ? "gif" : "png";
  bool live = false;
};

/// Declares all flags on `app`.
inline void add_options(CLI::App& app, SampleProgramOptions& options) {
  options.common.add_to(app);
  options.common.add_precision_to(app);
  app.add_option("--checkpoint", options.checkpoint,
                 "checkpoint to sample from, or a run's folder for its newest one; by default a small model of moving "
                 "shapes, trained with train_ucf101 --preset demo-64");
  auto* class_name =
      app.add_option("--class", options.class_name,
                     "class by number or name; without it, all classes in turn. Not for a model without classes");
  auto* count = app.add_option("--count", options.count,
                               "number of videos; by default one a class, or 4 of one class or of none");
  app.add_option("--truncation", options.truncation, "scale of the latents: below 1 safer, less varied")
      ->check(CLI::Range(0.0, 100.0))
      ->capture_default_str();
  app.add_option("--threshold", options.threshold, "redraw latents beyond this; 0 means never")->capture_default_str();
  app.add_option("--format", options.format, "gif, mp4 (these two in a build with FFmpeg), png or safetensors")
      ->check(CLI::IsMember({"gif", "mp4", "png", "safetensors"}))
      ->capture_default_str();
  auto* latents = app.add_option("--latents", options.latents,
                                 "safetensors file with z [N, latent_dim] and, if the model has classes, labels [N]")
                      ->excludes(class_name)
                      ->excludes(count);
  app.add_option("--interpolate", options.interpolate,
                 "latent: between two latents of one class; class: between two classes (see --class A,B) of one latent")
      ->excludes(latents)
      ->check(CLI::IsMember({"latent", "class"}));
  app.add_flag("--live", options.live, "sample the current weights rather than their moving average");
  app.add_option("--standing", options.standing,
                 "batches to collect standing statistics from; 0 uses the running statistics")
      ->check(CLI::Range(0, 100'000))
      ->capture_default_str();
  app.add_option("--save-generator", options.save_generator,
                 "write the weights that are sampled, alone and in half precision, to this safetensors file, and make "
                 "no videos: a checkpoint to give away");
  app.add_option("--batch", options.batch, "videos to make at a time; ranks (mpirun) share whole batches")
      ->check(CLI::Range(1, 65536))
      ->capture_default_str();
  app.add_option("--fps", options.fps, "frames per second of gif and mp4")
      ->check(CLI::Range(0.1, 240.0))
      ->capture_default_str();
}

/// Samples as asked, with elements of type T on the device D, together with the other ranks. Throws dvd::Error and
/// whatever the system throws.
template <class T, class D>
int sample(const SampleProgramOptions& options, Ranks& ranks);

}  // namespace examples
