// What predict_frames is asked for.
#pragma once

#include <dvd/core/shape.hpp>
#include <optional>
#include <vector>

#include "../common/demo_model.hpp"
#include "../common/program.hpp"
#include "../common/ranks.hpp"

namespace examples {

struct PredictOptions {
  CommonOptions common;
  std::string checkpoint = demo_model("demo-prediction.safetensors", DVD_DEMO_PREDICTION), save_generator;
  std::optional<std::string> input, class_name;
  double start = 0, truncation = 1, threshold = 0, fps = 0;
  dvd::Index steps = 0, count = 4, stride = 0, batch = 1;
  std::vector<std::string> formats = {"gif", "png", "safetensors"};
  bool live = false;
};

/// Declares all flags on `app`.
inline void add_options(CLI::App& app, PredictOptions& options) {
  options.common.add_to(app);
  options.common.add_precision_to(app);
  app.add_option(
      "--checkpoint", options.checkpoint,
      "checkpoint of a model trained with --condition-frames, or a run's folder for its newest one; by default "
      "a small model of moving shapes, trained with train_ucf101 --preset demo-prediction");
  auto* input =
      app.add_option("--input", options.input,
                     "video file to continue; without it, for a model of moving shapes, one that its training "
                     "has not seen, drawn by --seed");
  app.add_option("--start", options.start, "where in the file the frames given to the model begin, in seconds")
      ->check(CLI::Range(0.0, 1e9))
      ->capture_default_str()
      ->needs(input);
  app.add_option("--steps", options.steps,
                 "frames to predict; more than the model makes at a time continue its own. 0: as many as it makes")
      ->check(CLI::Range(0, 100'000))
      ->capture_default_str();
  app.add_option("--count", options.count, "different continuations")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  app.add_option("--stride", options.stride, "take every K-th frame of the file; 0: as the model was trained")
      ->check(CLI::Range(0, 1000))
      ->capture_default_str();
  app.add_option(
      "--class", options.class_name,
      "class of the video by number or name; without it, continuations of a file are of all classes in turn. Not for a "
      "model without classes");
  app.add_option("--truncation", options.truncation, "scale of the latents: below 1 safer, less varied")
      ->check(CLI::Range(0.0, 100.0))
      ->capture_default_str();
  app.add_option("--threshold", options.threshold, "redraw latents beyond this; 0 means never")->capture_default_str();
  app.add_option("--format", options.formats,
                 "one or more of gif, mp4, png (at most the first 64 frames) and safetensors, separated by commas")
      ->delimiter(',')
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->check(CLI::IsMember({"gif", "mp4", "png", "safetensors"}))
      ->default_str("gif,png,safetensors");
  app.add_option("--fps", options.fps, "frames per second of gif and mp4; 0: as fast as the file")
      ->check(CLI::Range(0.0, 240.0))
      ->capture_default_str();
  app.add_option("--batch", options.batch,
                 "continuations to make at a time: more keep a GPU, or many cores, busier. Ranks (mpirun) share whole "
                 "batches")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  app.add_option("--save-generator", options.save_generator,
                 "write the weights that predict, alone and in half precision, to this safetensors file, and predict "
                 "nothing: a checkpoint to give away");
  app.add_flag("--live", options.live, "use the current weights rather than their moving average");
}

/// Continues a video as asked, with elements of type T on the device D, together with the other ranks. Throws
/// dvd::Error and whatever the system throws.
template <class T, class D>
int predict(const PredictOptions& options, Ranks& ranks);

}  // namespace examples
