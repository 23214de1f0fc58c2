// What evaluate_videos is asked for.
#pragma once

#include <dvd/core/shape.hpp>
#include <dvd/metrics/protocol.hpp>
#include <optional>
#include <string>
#include <vector>

#include "../common/program.hpp"
#include "../common/ranks.hpp"

namespace examples {

struct EvaluateOptions {
  CommonOptions common;
  std::string real = "shapes", fake, protocol, weights;
  std::string split, index, resolution, held_out, held_out_split, against, cache;
  std::vector<std::string> compare;
  std::optional<dvd::Index> frames, stride, real_clips, fake_clips, splits, repeats;
  dvd::Index batch = 8, standing = 0, memorisation = 0, memorisation_clips = 10'000;
  double truncation = 1, threshold = 0;
  std::vector<double> truncation_sweep;
  bool live = false, floor = false, force = false, list_protocols = false;
};

/// Declares all flags on `app`.
inline void add_options(CLI::App& app, EvaluateOptions& options) {
  options.common.add_to(app);
  options.common.add_precision_to(app);
  auto* videos = app.add_option_group("videos");
  videos
      ->add_option("--real", options.real,
                   "real videos: a set of prepare_videos, a folder of videos as train_ucf101 takes it, a safetensors "
                   "file of videos, or shapes, the embedded moving shapes")
      ->type_name("DIR|SET|FILE|shapes")
      ->capture_default_str();
  videos
      ->add_option("--fake", options.fake,
                   "generated videos: a checkpoint or a run's folder, whose model makes them; a set, a folder of "
                   "videos, a safetensors file as sample_videos writes it; or shapes")
      ->type_name("CHECKPOINT|RUN|DIR|SET|FILE|shapes");
  videos->add_option("--split", options.split,
                     "the real videos to use, as train_ucf101 --split takes them, such as trainlist01.txt");
  videos->add_option("--resolution", options.resolution,
                     "pixels that videos are read at, HEIGHTxWIDTH or one number; by default those of the model or, "
                     "without one, of the first generated video");
  videos->add_option("--index", options.index,
                     "file in which to keep what is found out about video files; none: keep nothing");

  auto* score = app.add_option_group("score");
  score->add_option("--protocol", options.protocol,
                    "how to score: " + dvd::protocol_names() + "; by default shapes. See --list-protocols");
  score->add_option("--weights", options.weights,
                    "weights of the protocol's network, as convert_weights writes them; shapes has its own");
  score->add_flag("--force", options.force, "take weights of another training than the protocol asks for");
  score->add_option("--frames", options.frames, "frames of a clip, in place of the protocol's");
  score->add_option("--stride", options.stride, "stride of real clips, in place of the protocol's");
  score->add_option("--real-clips", options.real_clips, "number of real clips; 0: one of every video");
  score->add_option("--fake-clips", options.fake_clips, "number of generated clips");
  score->add_option("--splits", options.splits, "parts that an Inception Score is averaged over");
  score->add_option("--repeats", options.repeats, "times to score, with clips drawn anew");
  score->add_flag("--floor", options.floor,
                  "score real clips against other real clips, too: what a perfect model would get. Always told of "
                  "moving shapes");
  score->add_option("--cache", options.cache,
                    "folder to keep what the network says of real clips; none: keep nothing; by default in the user's "
                    "cache");

  auto* model = app.add_option_group("model");
  model->add_option("--truncation", options.truncation, "scale of the latents")
      ->check(CLI::Range(0.0, 100.0))
      ->capture_default_str();
  model->add_option("--threshold", options.threshold, "redraw latents beyond this; 0 means never")
      ->capture_default_str();
  model
      ->add_option("--standing", options.standing,
                   "batches to collect standing statistics from; 0 uses the running statistics")
      ->check(CLI::Range(0, 100'000))
      ->capture_default_str();
  model->add_flag("--live", options.live, "use the current weights rather than their moving average");
  model
      ->add_option("--batch", options.batch,
                   "clips at a time; changes scores by rounding alone. Ranks (mpirun) share whole batches")
      ->check(CLI::Range(1, 65536))
      ->capture_default_str();
  model
      ->add_option("--truncation-sweep", options.truncation_sweep,
                   "score at each of these truncations, such as 0.2,0.4,0.6,0.8,1, and draw the curve of Fréchet "
                   "distance against Inception Score (curve.png, curve.svg)")
      ->delimiter(',')
      ->check(CLI::Range(0.0, 100.0));

  auto* memory = app.add_option_group("memorisation");
  memory
      ->add_option("--memorisation,--memorization", options.memorisation,
                   "find the nearest training clips (--real) of so many samples, in pixels and in features, and tell "
                   "whether they are nearer than those of true clips that the model never saw")
      ->type_name("SAMPLES")
      ->check(CLI::Range(0, 100'000));
  memory->add_option("--held-out", options.held_out,
                     "true clips that the model never saw; by default, of moving shapes, others");
  memory->add_option("--held-out-split", options.held_out_split,
                     "the same as a split of --real, such as testlist01.txt");
  memory->add_option("--memorisation-clips", options.memorisation_clips, "training clips to look through, at most")
      ->check(CLI::Range(1, 100'000'000))
      ->capture_default_str();

  auto* compare = app.add_option_group("comparison");
  compare->add_option("--against", options.against, "a scores.json to compare with");
  compare->add_option("--compare", options.compare, "tell scores.json files side by side, and what keeps them apart");
  compare->add_flag("--list-protocols", options.list_protocols, "tell all protocols and end");
}

/// The protocol that is asked for, with what the flags change of it. Throws ArgumentError for one that is none.
inline dvd::Protocol protocol_of(const EvaluateOptions& options) {
  dvd::Protocol protocol = dvd::find_protocol(options.protocol.empty() ? "shapes" : options.protocol);
  const auto take = [](const std::optional<dvd::Index>& given, dvd::Index& value) {
    if (given) value = *given;
  };
  take(options.frames, protocol.frames);
  take(options.stride, protocol.stride);
  take(options.real_clips, protocol.real_clips);
  take(options.fake_clips, protocol.fake_clips);
  take(options.splits, protocol.splits);
  take(options.repeats, protocol.repeats);
  if (protocol.rule == dvd::ClipRule::every_video && protocol.real_clips > 0) protocol.rule = dvd::ClipRule::stratified;
  protocol.validate();
  return protocol;
}

/// Scores as asked with what computes on the device named, together with the other ranks. Throws dvd::Error and
/// whatever the system throws.
struct Machine;
int evaluate(const EvaluateOptions& options, const Machine& machine, Ranks& ranks);
/// Compares scores that were written before (--compare).
void compare_scores(const EvaluateOptions& options);

}  // namespace examples
