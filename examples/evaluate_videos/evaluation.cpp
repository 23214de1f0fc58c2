#include "evaluation.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <dvd/data/moving_shapes.hpp>
#include <dvd/metrics/statistics_cache.hpp>
#include <filesystem>

#include "../common/checkpoints.hpp"
#include "../common/sizes.hpp"
#include "../common/spread_features.hpp"
#include "progress.hpp"

namespace examples {
namespace {

/// Height and width of "64" or "64x96".
std::pair<dvd::Index, dvd::Index> size_from(const std::string& text) {
  if (text.empty()) return {0, 0};
  const std::vector<dvd::Index> sides = read_numbers(text, 'x');
  dvd::require(!sides.empty() && sides.size() <= 2 && std::ranges::min(sides) >= 1, "--resolution ", text,
               " is neither a number of pixels, such as 64, nor HEIGHTxWIDTH, such as 64x96");
  return {sides.front(), sides.back()};
}

/// Rows of features and probabilities that are kept of a sample.
constexpr dvd::Index most_rows = 20'000;

}  // namespace

Evaluation::Evaluation(const EvaluateOptions& all, const Machine& machine, Ranks& all_ranks)
    : options(all), ranks(all_ranks), truncation_(all.truncation) {
  // Whatever takes long comes last: what can be told at once is.
  ranks.agree([&] {
    protocol = protocol_of(options);
    dvd::require(!options.fake.empty(),
                 "--fake is missing: what is to be scored? (a checkpoint, a run's folder, a "
                 "folder or a file of videos)");
    network = machine.open_network(protocol, options.weights, options.force);
  });
  open_generated(machine);
  ranks.agree([&] { check_generated(); });
  open_real();
  ranks.agree([&] {
    check_real();
    check_counts();
    check_labels();
  });
}

void Evaluation::open_generated(const Machine& machine) {
  const std::string checkpoint = from_first_rank(ranks, [&] {
    std::error_code error;
    const bool run = std::filesystem::is_directory(std::filesystem::path(options.fake) / "checkpoints", error);
    const bool file = std::filesystem::is_regular_file(options.fake, error) && !is_file_of_videos(options.fake);
    return run || file ? find_checkpoint(options.fake).string() : std::string();
  });
  if (checkpoint.empty())
    on_first_rank_first(ranks, [&] { open_generated_videos(); });
  else
    ranks.agree([&] {
      dvd::require(options.resolution.empty(), "--resolution ", options.resolution,
                   " is for videos in files; a model's have the size that it was trained for");
      generated.maker = machine.open_generator({.checkpoint = checkpoint,
                                                .live = options.live,
                                                .seed = options.common.seed,
                                                .truncation = options.truncation,
                                                .threshold = options.threshold,
                                                .standing = options.standing});
    });
  check_alike(ranks, "generated clips", generated.identity());
}

void Evaluation::open_generated_videos() {
  dvd::require(options.truncation == 1 && options.threshold == 0 && options.truncation_sweep.empty() &&
                   options.standing == 0 && !options.live,
               "--fake ", options.fake, " is videos, not a model: flags that say how to sample one mean nothing");
  const auto [height, width] = size_from(options.resolution);
  VideosRequest request{.flag = "--fake",
                        .place = options.fake,
                        .index = options.index,
                        .frames = protocol.frames,
                        .height = height,
                        .width = width,
                        .seed = options.common.seed + 1,
                        .shapes = protocol.fake_clips * protocol.repeats,
                        .warn = [this](const std::string& line) { warn(line); }};
  generated.videos = open_videos(request);
  if (protocol.frames == 0) {  // as many as the first one has: shorter ones are left out, and named
    request.frames = generated.videos->frames(0);
    for (dvd::Index i = 0; i < generated.videos->size() && request.frames > 0; ++i)
      if (generated.videos->frames(i) < request.frames) {
        generated.videos = open_videos(request);
        protocol.frames = request.frames;
        break;
      }
  }
  generated.set_order(dvd::Random(options.common.seed).stream("generated videos"));
}

void Evaluation::check_generated() {
  const dvd::Index given =
      generated.continues() && !protocol.with_given_frames ? generated.maker->config.condition_frames : 0;
  const bool prediction = protocol.name.starts_with("fvd-prediction");
  dvd::require(!prediction || !generated.maker || generated.continues(), "the protocol ", protocol.name,
               " is for models that continue videos, and ", options.fake, " makes them from nothing");
  dvd::require(prediction || protocol.with_given_frames || generated.continues(), "the protocol ", protocol.name,
               " is for models that continue videos");
  const dvd::Index most = generated.most_frames() - given;
  if (protocol.frames == 0) protocol.frames = most;
  dvd::require(protocol.frames <= most, "the protocol ", protocol.name, " wants clips of ", protocol.frames,
               " frames, and ", options.fake, " has ", most,
               protocol.network == dvd::ScoreNetwork::c3d_ucf101
                   ? "; its network takes no fewer"
                   : "; --frames N asks for fewer, which makes a score of another kind");
}

void Evaluation::open_real() {
  const bool wanted =
      protocol.kind == dvd::ScoreKind::frechet || options.floor || generated.continues() || options.memorisation > 0;
  if (!wanted) return;
  dvd::Index frames = protocol.frames;
  if (generated.continues()) frames = std::max(frames, generated.most_frames());
  // So many that which ones are drawn does not depend on how many.
  const dvd::Index shapes = std::max(dvd::Index{1} << 18, protocol.real_clips + protocol.fake_clips);
  const bool are_shapes = options.real == "shapes";
  on_first_rank_first(ranks, [&] {
    dvd::require(!are_shapes || protocol.real_clips > 0, "there is no end to moving shapes; give --real-clips N");
    dvd::require(!are_shapes || protocol.stride == 1, "moving shapes come without a stride, not with one of ",
                 protocol.stride, "; give --stride 1");
    real = open_videos({.flag = "--real",
                        .place = options.real,
                        .split = options.split,
                        .index = options.index,
                        .frames = frames,
                        .stride = protocol.stride,
                        .height = generated.height(),
                        .width = generated.width(),
                        .channels = generated.channels(),
                        .seed = options.common.seed,
                        .shapes = shapes,
                        .warn = [this](const std::string& line) { warn(line); }});
  });
  check_alike(ranks, "real clips", real->identity);
}

void Evaluation::check_real() {
  if (!real) return;
  if (real->height != generated.height() || real->width != generated.width())
    warn(
        fmt::format("real clips have {}x{} pixels and generated ones {}x{}; both are scaled, and the difference in "
                    "sharpness counts as a difference",
                    real->height, real->width, generated.height(), generated.width()));
  if (real->channels != generated.channels())
    warn(fmt::format("real clips have {} channel{} and generated ones {}: grey counts as three equal colours",
                     real->channels, real->channels == 1 ? "" : "s", generated.channels()));
  if (protocol.real_clips == 0 || protocol.rule == dvd::ClipRule::every_video)
    protocol.real_clips = real->size();
  else if (protocol.rule != dvd::ClipRule::with_replacement && protocol.real_clips > real->size())
    warn(fmt::format("there are {} real videos for {} clips, so that some give several", real->size(),
                     protocol.real_clips));
  if (generated.continues()) {
    protocol.fake_clips = std::min(protocol.fake_clips, protocol.real_clips);
    dvd::require(generated.maker->config.classes == 0 || real->class_names == generated.maker->class_names, "--real ",
                 options.real, " has other classes than ", options.fake,
                 " was trained on, so that it cannot be asked to continue these videos");
  }
}

void Evaluation::check_counts() {
  if (generated.videos) {
    const dvd::Index there = generated.videos->size();
    if (there < protocol.fake_clips) {
      warn(fmt::format("there are {} generated videos, and the protocol {} wants {}; the score is of {}", there,
                       protocol.name, protocol.fake_clips, there));
      protocol.fake_clips = there;
      protocol.splits = std::min(protocol.splits, there);
    }
    if (there < protocol.repeats * protocol.fake_clips) {
      const dvd::Index repeats = std::max<dvd::Index>(1, there / protocol.fake_clips);
      warn(fmt::format("there are {} generated videos, enough for {} of {} repeats", there, repeats, protocol.repeats));
      protocol.repeats = repeats;
    }
  }
  if (protocol.kind != dvd::ScoreKind::frechet) return;
  dvd::require(protocol.fake_clips >= 2 && protocol.real_clips >= 2,
               "a Fréchet distance needs at least two clips on "
               "each side, not ",
               protocol.fake_clips, " generated and ", protocol.real_clips, " real ones");
  const dvd::Index dimensions =
      protocol.layer == dvd::FeatureLayer::logits ? network->classes() : network->dimensions();
  const dvd::Index fewer = std::min(protocol.fake_clips, protocol.real_clips);
  if (fewer <= dimensions)
    warn(
        fmt::format("{} clips have {} features each: with no more clips than features covariances are singular and "
                    "the Fréchet distance comes out too large; compare it with scores of the same counts alone",
                    fewer, dimensions));
}

void Evaluation::check_labels() {
  if (protocol.network != dvd::ScoreNetwork::shapes) return;
  std::vector<std::string> known = dvd::MovingShapes().class_names(), numbers;
  for (std::size_t label = 0; label < known.size(); ++label) numbers.push_back(std::to_string(label));
  const auto& names = generated.class_names();
  const bool numbered = generated.videos && !names.empty() && names.size() <= numbers.size() &&
                        std::equal(names.begin(), names.end(), numbers.begin());
  with_labels_ = names == known || numbered;
  if (!with_labels_ && !names.empty()) warn("the classes are not those of moving shapes, so that there is no accuracy");
}

std::vector<dvd::ChosenClip> Evaluation::choose_real(dvd::Index repeat, bool others) const {
  const dvd::Random random =
      dvd::Random(options.common.seed).stream("real clips").stream(static_cast<std::uint64_t>(repeat));
  dvd::Index frames = protocol.frames;
  if (generated.continues()) frames = std::max(frames, generated.most_frames());
  if (protocol.rule == dvd::ClipRule::every_video)
    return others ? dvd::choose_clips(*real, dvd::ClipRule::stratified, protocol.fake_clips, frames, protocol.stride,
                                      random.stream("others"))
                  : dvd::choose_clips(*real, protocol.rule, 0, frames, protocol.stride, random);
  // As many others as there are generated ones, so that both distances are of the same numbers of clips.
  auto chosen = dvd::choose_clips(*real, protocol.rule, protocol.real_clips + (others ? protocol.fake_clips : 0),
                                  frames, protocol.stride, random);
  if (others) chosen.erase(chosen.begin(), chosen.begin() + protocol.real_clips);
  return chosen;
}

LabelledVideos Evaluation::read_real(std::span<const dvd::ChosenClip> chosen) const {
  dvd::Index frames = protocol.frames;
  if (generated.continues()) frames = std::max(frames, generated.most_frames());
  LabelledVideos clips{real->clips(chosen, frames, protocol.stride), {}};
  // Numbers of a file are rounded as generated ones are: both sides are seen alike.
  check_finite(clips.videos, real->description);
  if (protocol.bytes) clips.videos = dvd::to_tensor<float>(dvd::to_clips(clips.videos));
  for (const dvd::ChosenClip& each : chosen)
    if (real->classes() > 0) clips.labels.push_back(real->label(each.video));
  return clips;
}

dvd::Fingerprint Evaluation::key_of_real(dvd::Index repeat, bool others) const {
  dvd::Fingerprint key = fingerprint_of(protocol, network->weights_hash());
  key.set("protocol", std::string());
  key.set("generated clips", std::string());
  key.set("repeats", std::string());
  // Of whatever kind the score is.
  key.set("layer", std::string(dvd::word_for(protocol.layer)));
  key.set("real clips", protocol.real_clips);
  key.set("choice of real clips", std::string(dvd::word_for(protocol.rule)));
  key.set("stride of real clips", protocol.stride);
  key.set("real", real->identity);
  key.set("seed", dvd::concat(options.common.seed));
  key.set("repeat", repeat);
  key.set("others", others ? protocol.fake_clips : dvd::Index{0});
  key.set("device", options.common.device.starts_with("cuda") ? options.common.precision : "cpu");
  key.set("given frames", dvd::concat(generated.continues() ? generated.maker->config.condition_frames : dvd::Index{0},
                                      " of ", generated.most_frames()));
  return key;
}

dvd::FeatureSample Evaluation::sample_real(dvd::Index repeat, bool others) {
  const dvd::Fingerprint key = key_of_real(repeat, others);
  const dvd::StatisticsCache cache(options.cache == "none" ? std::filesystem::path()
                                   : options.cache.empty() ? dvd::StatisticsCache::default_folder()
                                                           : std::filesystem::path(options.cache));
  const std::vector<dvd::ChosenClip> chosen = choose_real(repeat, others);
  dvd::Labels labels;
  for (const dvd::ChosenClip& each : chosen)
    if (protocol.network == dvd::ScoreNetwork::shapes && real->class_names == dvd::MovingShapes().class_names())
      labels.push_back(real->label(each.video));
  std::optional<dvd::FeatureSample> kept;
  on_first_rank(ranks, [&] { kept = cache.find(key); });
  std::int64_t is_kept = kept ? 1 : 0;
  ranks.sum_counts(std::span(&is_kept, 1));
  dvd::FeatureSample sample;
  if (is_kept > 0) {
    if (kept) sample = std::move(*kept);
  } else {
    const auto count = static_cast<dvd::Index>(chosen.size());
    ClipProgress progress(options.common.quiet, others ? "other real clips" : "real clips", count);
    progress.show(0);
    const dvd::Index given =
        generated.continues() && !protocol.with_given_frames ? generated.maker->config.condition_frames : 0;
    sample = spread_sample(
        ranks, dvd::FeatureSampler(*network, protocol.layer, most_rows, others), count, options.batch,
        [&](dvd::Index first, dvd::Index some) {
          const LabelledVideos clips =
              read_real(std::span(chosen).subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(some)));
          return std::pair(frames_of(clips.videos, given, protocol.frames), dvd::Labels());
        },
        [&](dvd::Index done) { progress.show(done); });
    on_first_rank(ranks, [&] { cache.put(key, sample); });
  }
  sample.labels = labels;
  return sample;
}

dvd::FeatureSample Evaluation::sample_generated(dvd::Index repeat) {
  std::vector<dvd::ChosenClip> given;
  if (generated.continues()) given = choose_real(repeat, false);
  ClipProgress progress(options.common.quiet, "generated clips", protocol.fake_clips);
  progress.show(0);
  return spread_sample(
      ranks, dvd::FeatureSampler(*network, protocol.layer, most_rows), protocol.fake_clips, options.batch,
      [&](dvd::Index first, dvd::Index some) {
        LabelledVideos truth;
        if (generated.continues())
          truth = read_real(std::span(given).subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(some)));
        LabelledVideos made = generated.make(protocol, repeat, first, some, truth);
        return std::pair(std::move(made.videos), with_labels_ ? std::move(made.labels) : dvd::Labels());
      },
      [&](dvd::Index done) { progress.show(done); });
}

Result Evaluation::score() {
  const bool compares = real && protocol.kind == dvd::ScoreKind::frechet;
  const bool floor = real && (options.floor || (protocol.network == dvd::ScoreNetwork::shapes && compares));
  if (floor && !told_of_floor_ &&
      (protocol.rule == dvd::ClipRule::every_video || real->size() < protocol.real_clips + protocol.fake_clips))
    warn("true against true are clips of the same videos, which makes that distance too small");
  told_of_floor_ = true;
  std::vector<std::vector<dvd::Score>> scores, floors;
  for (dvd::Index repeat = 0; repeat < protocol.repeats; ++repeat) {
    const auto number = static_cast<std::size_t>(repeat);
    if ((compares || floor) && real_samples_.size() <= number) real_samples_.push_back(sample_real(repeat, false));
    if (floor && other_samples_.size() <= number) other_samples_.push_back(sample_real(repeat, true));
    const dvd::FeatureSample made = sample_generated(repeat);
    on_first_rank(ranks, [&] {
      const dvd::FeatureSample* const true_ones = compares ? &real_samples_[number] : nullptr;
      scores.push_back(scores_of(protocol, made, true_ones));
      if (floor) floors.push_back(scores_of(protocol, other_samples_[number], true_ones));
    });
  }
  return ranks.first() ? result_of(scores, floors) : Result();
}

Result Evaluation::result_of(const std::vector<std::vector<dvd::Score>>& scores,
                             const std::vector<std::vector<dvd::Score>>& floors) const {
  Result result;
  result.about = protocol.about;
  result.generated = generated.description();
  result.generated_identity = generated.identity();
  if (generated.maker) {
    result.sampling.set("truncation", fmt::format("{:g}", truncation_));
    result.sampling.set("threshold", fmt::format("{:g}", options.threshold));
    result.sampling.set("standing", options.standing);
    result.sampling.set("weights", std::string(options.live ? "live" : "average"));
  }
  result.truncation = truncation_;
  result.network = network->description();
  result.scores = dvd::summary_of(scores);
  if (!floors.empty()) result.floor = dvd::summary_of(floors);
  result.warnings = warnings_;
  result.fingerprint = fingerprint_of(protocol, network->weights_hash());
  if (real && (protocol.kind == dvd::ScoreKind::frechet || !floors.empty())) {
    result.real = real->description;
    result.fingerprint.set("real", real->identity);
    if (!options.split.empty())
      result.fingerprint.set("split", std::filesystem::path(options.split).filename().string());
  }
  result.fingerprint.set("seed", dvd::concat(options.common.seed));
  if (options.common.precision != "float32") result.fingerprint.set("precision", options.common.precision);
  return result;
}

Result Evaluation::score_at(double truncation) {
  generated.maker->set_truncation(truncation);
  truncation_ = truncation;
  return score();
}

}  // namespace examples
