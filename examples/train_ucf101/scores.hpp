// How good a model in training is: scores at a tick, of samples of its averaged weights beside real clips.
#pragma once

#include <dvd/data/moving_shapes.hpp>
#include <dvd/io/clip_tensor.hpp>
#include <dvd/metrics/fingerprint.hpp>
#include <dvd/metrics/scores.hpp>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "../common/score_networks.hpp"
#include "../common/spread_features.hpp"
#include "data.hpp"
#include "options.hpp"

namespace examples {

/// The protocol of a run's scores. Throws ArgumentError where the flags ask for what cannot be.
inline dvd::Protocol score_protocol(const TrainOptions& options) {
  std::string name = options.evaluate_protocol;
  if (name.empty()) {
    dvd::require(options.data.empty(),
                 "--evaluate-every with --data needs to know how to score: give "
                 "--evaluate-protocol and --evaluate-weights (see evaluate_videos --list-protocols)");
    name = "shapes";
  }
  dvd::Protocol protocol = dvd::find_protocol(name);
  const dvd::Index frames = options.model.condition_frames + options.model.frames;
  const dvd::Index there = protocol.with_given_frames ? frames : options.model.frames;
  dvd::require(protocol.with_given_frames || options.model.condition_frames > 0, "--evaluate-protocol ", name,
               " is for models that continue videos; this one makes them from nothing");
  if (protocol.frames == 0) protocol.frames = there;
  dvd::require(protocol.frames <= there, "--evaluate-protocol ", name, " wants clips of ", protocol.frames,
               " frames, and this model makes ", there);
  protocol.real_clips = protocol.fake_clips = options.evaluate_clips;
  protocol.rule = dvd::ClipRule::with_replacement;
  protocol.stride = options.stride;
  protocol.repeats = 1;
  protocol.splits = std::min(protocol.splits, options.evaluate_clips);
  protocol.validate();
  return protocol;
}

/// Scores the networks that samples are made from, by the same latents and labels every time: what changes is the
/// model. Ranks share the clips.
template <class Gan>
class Scores {
 public:
  using T = typename Gan::scalar_type;
  using D = typename Gan::device_type;

  /// `data` and `ranks` must outlive this. Throws what open_score_network throws.
  Scores(const TrainOptions& options, DataSet& data, Ranks& ranks)
      : ranks_(ranks),
        protocol_(score_protocol(options)),
        data_(data),
        random_(dvd::Random(options.common.seed).stream("scores")),
        truncation_(options.truncation),
        network_(open_score_network<D>(protocol_, options.evaluate_weights, false)),
        fingerprint_(fingerprint_of(protocol_, network_->weights_hash())) {
    with_labels_ = protocol_.network == dvd::ScoreNetwork::shapes && data.names == dvd::MovingShapes().class_names();
    fingerprint_.set("real", options.data.empty() ? std::string("moving shapes") : options.data);
    fingerprint_.set("truncation", dvd::concat(truncation_));
    fingerprint_.set("seed", dvd::concat(options.common.seed));
  }

  const dvd::Protocol& protocol() const { return protocol_; }
  const dvd::Fingerprint& fingerprint() const { return fingerprint_; }

  /// To be called on all ranks, which have the same model. On rank 0 the scores that one process would find, to the
  /// last bit; on the others there are none. What one rank throws, all throw.
  std::vector<dvd::Score> of(Gan& gan) {
    const dvd::Index given = gan.config().condition_frames;
    if (!has_real_)
      real_ = sample(protocol_.real_clips, [&](dvd::Index first, dvd::Index count) {
        return std::pair(frames_scored(dvd::to_tensor<float>(draw(first, count).first), given), dvd::Labels());
      });
    has_real_ = true;
    const dvd::FeatureSample made = sample(protocol_.fake_clips, [&](dvd::Index first, dvd::Index count) {
      auto [truth, labels] = given > 0 ? draw(first, count) : DrawnClips();
      if (given == 0)
        for (dvd::Index i = 0; i < count && gan.config().classes > 0; ++i)
          labels.push_back((first + i) % gan.config().classes);
      if (gan.config().classes == 0) labels.clear();
      dvd::Tensor<float> scored = frames_scored(generate(gan, first, count, labels, truth), given);
      return std::pair(std::move(scored), with_labels_ ? labels : dvd::Labels());
    });
    std::vector<dvd::Score> scores;
    on_first_rank(ranks_, [&] { scores = dvd::scores_of(protocol_, made, &real_); });
    return scores;
  }

 private:
  static constexpr dvd::Index batch = 16;

  using DrawnClips = std::pair<std::vector<dvd::Clip>, dvd::Labels>;

  template <class Make>
  dvd::FeatureSample sample(dvd::Index count, const Make& make) {
    return spread_sample(ranks_, dvd::FeatureSampler(*network_, protocol_.layer), count, batch, make,
                         [](dvd::Index) {});
  }

  /// Real clips by their numbers.
  DrawnClips draw(dvd::Index first, dvd::Index count) {
    std::vector<dvd::LabelledClip> drawn(static_cast<std::size_t>(count));
    dvd::cpu::parallel_calls(count, [&](dvd::Index i) {
      drawn[static_cast<std::size_t>(i)] =
          data_.draw(random_.stream("real").stream(static_cast<std::uint64_t>(first + i)));
    });
    DrawnClips clips;
    for (dvd::LabelledClip& each : drawn) {
      clips.first.push_back(std::move(each.clip));
      clips.second.push_back(each.label);
    }
    return clips;
  }

  dvd::Tensor<float> frames_scored(const dvd::ConstTensorView<float>& videos, dvd::Index given) const {
    return videos.slice(protocol_.with_given_frames ? 0 : given, protocol_.frames).clone();
  }

  dvd::Tensor<float> generate(Gan& gan, dvd::Index first, dvd::Index count, const dvd::Labels& labels,
                              const std::vector<dvd::Clip>& truth) {
    const dvd::DvdGanConfig& config = gan.config();
    const auto z = dvd::draw_latents<T, D>(
        config.latent_dim,
        {.count = count, .seed = random_.bits(static_cast<std::uint64_t>(first)), .truncation = truncation_});
    dvd::Tensor<T, D> condition;
    if (config.condition_frames > 0) condition = dvd::to_tensor<T, D>(truth).slice(0, config.condition_frames).clone();
    const auto made = gan.average.generate(z, labels, condition, dvd::Pass::evaluate());
    const auto frames = dvd::cast<float>(made);
    dvd::Tensor<float> videos(frames.shape(), frames.to_vector());
    if (config.condition_frames > 0) {
      const dvd::Tensor<float> before = dvd::to_tensor<float>(truth);
      const dvd::Shape& shape = videos.shape();
      dvd::Tensor<float> whole(dvd::Shape{config.condition_frames + shape[0], shape[1], shape[2], shape[3], shape[4]});
      whole.slice(0, config.condition_frames).copy_from(before.slice(0, config.condition_frames));
      whole.slice(config.condition_frames, shape[0]).copy_from(videos);
      videos = std::move(whole);
    }
    return protocol_.bytes ? dvd::to_tensor<float>(dvd::to_clips(videos)) : std::move(videos);
  }

  Ranks& ranks_;
  dvd::Protocol protocol_;
  DataSet& data_;
  dvd::Random random_;
  double truncation_;
  std::unique_ptr<dvd::FeatureNetwork> network_;
  dvd::Fingerprint fingerprint_;
  bool with_labels_ = false, has_real_ = false;
  dvd::FeatureSample real_;  // on rank 0
};

/// The best score of a run so far, which `best.safetensors` holds with the checkpoint that has it.
class BestScore {
 public:
  /// Of an earlier part of the run, if there was one and it was scored alike; says in `remark` where it was not.
  BestScore(std::string name, const dvd::Fingerprint& fingerprint, const std::filesystem::path& path,
            std::string& remark)
      : name_(std::move(name)), fingerprint_(fingerprint.hash()), path_(path) {
    std::error_code error;
    if (!std::filesystem::exists(path, error)) return;
    try {
      const dvd::SafetensorsFile file(path);
      const auto said = file.metadata().find("best");
      if (said == file.metadata().end()) return;
      const dvd::Json json = dvd::Json::parse(said->second);
      if (json.at("score") == name_ && json.at("fingerprint") == fingerprint_)
        best_ = json.at("value").get<double>();
      else
        remark = path.filename().string() +
                 ": the best model so far was scored in another way, with which scores from "
                 "here on cannot be compared; it is replaced by the next one that is scored";
    } catch (const std::exception&) {
      remark = path.filename().string() + ": cannot be read; it is replaced by the next model that is scored";
    }
  }

  const std::filesystem::path& path() const { return path_; }
  const std::string& name() const { return name_; }
  std::optional<double> value() const { return best_; }

  /// Whether these scores are better than all before; remembers them then.
  bool takes(const std::vector<dvd::Score>& scores) {
    for (const dvd::Score& each : scores) {
      if (each.name != name_) continue;
      if (best_ && !(dvd::more_is_better(name_) ? each.value > *best_ : each.value < *best_)) return false;
      best_ = each.value;
      return true;
    }
    return false;
  }

  /// What a checkpoint with the best score says of it.
  std::string metadata(dvd::Index step) const {
    return dvd::Json{{"score", name_}, {"value", *best_}, {"step", step}, {"fingerprint", fingerprint_}}.dump();
  }

 private:
  std::string name_, fingerprint_;
  std::filesystem::path path_;
  std::optional<double> best_;
};

}  // namespace examples
