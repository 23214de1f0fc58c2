// Named ways to score videos: everything that two programs must do alike for their scores to be comparable.
//
// "FVD" and "Inception Score" name families. Programs that say so differ in the network's weights, in the layer that is
// read, in which clips are compared and how many, in how they are scaled and in how covariances are divided, and each
// of these moves the score by more than many papers' improvements. A protocol fixes all of them; what a user then
// changes is part of the score's fingerprint (metrics/fingerprint.hpp).
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <array>
#include <span>
#include <string>
#include <string_view>

#include "dvd/core/error.hpp"
#include "dvd/core/shape.hpp"
#include "dvd/metrics/inception_score.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// What a protocol measures.
enum class ScoreKind {
  inception,  ///< Inception Score of generated clips: higher is better
  frechet,    ///< Fréchet distance of generated from real clips: lower is better
};

/// The networks that scores are taken from.
enum class ScoreNetwork {
  i3d_k400,    ///< I3D trained on Kinetics-400 from scratch
  i3d_k600,    ///< I3D trained on Kinetics-600 from scratch
  c3d_ucf101,  ///< C3D trained on Sports-1M, then on UCF-101
  shapes,      ///< the classifier of moving shapes that comes with this library
};

/// What of a network a Fréchet distance is taken over. Inception Scores are taken over class probabilities.
enum class FeatureLayer { logits, pooled };

/// Which clips of the real videos are compared with.
enum class ClipRule {
  stratified,        ///< one random clip from each of so many random videos, spread evenly over the classes
  first_videos,      ///< one random clip from each of the first so many videos in the order of their names
  every_video,       ///< one random clip from every video
  with_replacement,  ///< random clips of random videos
};

/// How clips become a network's input; see metrics/resize.hpp and metrics/c3d.hpp.
enum class Preprocessing {
  corner_origin,  ///< I3D: to 224x224 by the resize of TensorFlow 1
  half_pixel,     ///< I3D: to 224x224 with half-pixel centres, as PyTorch
  tgan,           ///< C3D: bicubic to 128x128, centre 112x112
  tganv2,         ///< C3D: clipped to [-1, 1], bilinear to 112x112, corners aligned
  own,            ///< the network of moving shapes takes clips of any size
};

/// A way to score; see `find_protocol`. A count of 0 means all that there are.
struct Protocol {
  std::string name;
  std::string about;  ///< for people: whose it is and what is not known of it
  ScoreKind kind = ScoreKind::frechet;
  ScoreNetwork network = ScoreNetwork::i3d_k400;
  FeatureLayer layer = FeatureLayer::logits;
  Preprocessing preprocessing = Preprocessing::corner_origin;
  Index real_clips = 2048;
  Index fake_clips = 2048;
  ClipRule rule = ClipRule::stratified;
  Index frames = 16;     ///< of a clip; 0: as the generated ones have
  Index stride = 1;      ///< of the real videos' frames, a clip takes every stride-th
  bool bytes = true;     ///< all clips are rounded to 8 bits first, as files of videos hold them
  bool unbiased = true;  ///< covariances are divided by n - 1 rather than n
  LogGuard guard = LogGuard::none;
  Index splits = 1;   ///< parts that the Inception Score is averaged over
  Index repeats = 1;  ///< with clips drawn anew; mean and deviation are told
  /// Of a model that continues videos: whether the frames that it was given count as the beginning of a clip.
  bool with_given_frames = true;

  /// Throws ArgumentError for numbers that make no sense.
  void validate() const {
    constexpr Index most = 1'000'000;
    require(fake_clips >= 1 && fake_clips <= most, name, ": the number of generated clips is 1 to ", most, ", not ",
            fake_clips);
    require(real_clips >= 0 && real_clips <= most, name, ": the number of real clips is 1 to ", most,
            ", or 0 for one of every video, not ", real_clips);
    require(frames >= 0 && frames <= 65536, name, ": a clip has 1 to 65536 frames, not ", frames);
    require(stride >= 1 && stride <= 65536, name, ": the stride of real clips is 1 to 65536, not ", stride);
    require(splits >= 1 && splits <= fake_clips, name, ": ", fake_clips, " clips can be split into 1 to ", fake_clips,
            " parts, not ", splits);
    require(repeats >= 1 && repeats <= 1000, name, ": 1 to 1000 repeats are expected, not ", repeats);
  }
};

/// The word that stands for a value in fingerprints and messages.
constexpr std::string_view word_for(ScoreKind kind) {
  return kind == ScoreKind::inception ? "inception score" : "frechet distance";
}
constexpr std::string_view word_for(FeatureLayer layer) { return layer == FeatureLayer::logits ? "logits" : "pooled"; }
constexpr std::string_view word_for(ScoreNetwork network) {
  constexpr std::array<std::string_view, 4> words{"i3d k400-scratch", "i3d k600-scratch", "c3d ucf101", "shapes"};
  return words[static_cast<std::size_t>(network)];
}
constexpr std::string_view word_for(ClipRule rule) {
  constexpr std::array<std::string_view, 4> words{"stratified", "first videos", "every video", "with replacement"};
  return words[static_cast<std::size_t>(rule)];
}
constexpr std::string_view word_for(Preprocessing preprocessing) {
  constexpr std::array<std::string_view, 5> words{"corner-origin 224", "half-pixel 224", "tgan", "tganv2", "own"};
  return words[static_cast<std::size_t>(preprocessing)];
}
constexpr std::string_view word_for(LogGuard guard) {
  constexpr std::array<std::string_view, 3> words{"none", "tgan", "tganv2"};
  return words[static_cast<std::size_t>(guard)];
}

/// All protocols. Facts are from the papers' and tools' public sources; where these leave something open, `about` says
/// what was chosen.
inline std::span<const Protocol> protocols() {
  static const std::array all{
      // google-research/frechet_video_distance: 400 logits averaged over time. Clips and counts are the caller's there.
      Protocol{.name = "fvd-ref",
               .about = "FVD as its authors' code computes it (Unterthiner et al. 2018); the choice of clips and their "
                        "number, 2048, are ours, because that code leaves them open"},
      // Skorokhodov et al. 2022: the first 2,048 videos by name, covariances by 1/N.
      Protocol{.name = "fvd-styleganv",
               .about = "FVD as StyleGAN-V's code computes it (Skorokhodov et al. 2022), but for what its port of I3D "
                        "does when it scales frames, which is taken for TensorFlow's rule",
               .rule = ClipRule::first_videos,
               .unbiased = false},
      Protocol{.name = "fvd-prediction",
               .about = "FVD of continued videos: 5 frames given and 11 made, no frames skipped (Clark et al. 2019, "
                        "section 4.4); the number of clips is ours"},
      Protocol{.name = "fvd-prediction-made",
               .about = "the same of the frames that were made alone",
               .frames = 11,
               .with_given_frames = false},
      // Saito et al. 2017: 208 batches of 48; the mean over 4 seeds; 1e-7 inside both logarithms.
      Protocol{.name = "is-tgan",
               .about = "Inception Score of UCF-101 as TGAN's code computes it (Saito et al. 2017)",
               .kind = ScoreKind::inception,
               .network = ScoreNetwork::c3d_ucf101,
               .preprocessing = Preprocessing::tgan,
               .fake_clips = 9984,
               .bytes = false,
               .guard = LogGuard::tgan,
               .repeats = 4},
      Protocol{.name = "is-tganv2",
               .about = "Inception Score of UCF-101 as TGANv2's code computes it (Saito et al. 2020)",
               .kind = ScoreKind::inception,
               .network = ScoreNetwork::c3d_ucf101,
               .preprocessing = Preprocessing::tganv2,
               .fake_clips = 2048,
               .bytes = false,
               .guard = LogGuard::tganv2,
               .repeats = 10},
      Protocol{.name = "is-styleganv",
               .about =
                   "Inception Score of UCF-101 with the counts and splits of StyleGAN-V; what its port of C3D does "
                   "to its input is not known, so that of TGANv2 is used, and scores may differ from its own",
               .kind = ScoreKind::inception,
               .network = ScoreNetwork::c3d_ucf101,
               .preprocessing = Preprocessing::tganv2,
               .fake_clips = 2048,
               .splits = 10},
      // Section 4.1: I3D of Kinetics-600, its average pool, statistics of the whole training set, stride 2.
      Protocol{.name = "fid-dvdgan",
               .about = "FID of DVD-GAN (Clark et al. 2019, section 4.1); the number of generated clips is not told "
                        "there, 10,000 is ours",
               .network = ScoreNetwork::i3d_k600,
               .layer = FeatureLayer::pooled,
               .real_clips = 0,
               .fake_clips = 10'000,
               .rule = ClipRule::every_video,
               .frames = 0,
               .stride = 2},
      Protocol{.name = "is-dvdgan",
               .about = "Inception Score of DVD-GAN on Kinetics-600 (Clark et al. 2019, section 4.1), over the softmax "
                        "of logits averaged over time; counts and splits are not told there, 10,000 and 10 are ours",
               .kind = ScoreKind::inception,
               .network = ScoreNetwork::i3d_k600,
               .fake_clips = 10'000,
               .frames = 0,
               .stride = 2,
               .splits = 10},
      Protocol{.name = "shapes",
               .about = "Fréchet distance, Inception Score, class accuracy, precision and recall by the classifier of "
                        "moving shapes that comes with this library; comparable with itself alone",
               .network = ScoreNetwork::shapes,
               .layer = FeatureLayer::pooled,
               .preprocessing = Preprocessing::own,
               .real_clips = 1200,
               .fake_clips = 1200,
               .frames = 0},
  };
  return all;
}

/// Their names, for messages: "fvd-ref, fvd-styleganv, ...".
inline std::string protocol_names() {
  std::string names;
  for (const Protocol& each : protocols()) names += (names.empty() ? "" : ", ") + each.name;
  return names;
}

/// The protocol of a name. Throws ArgumentError where there is none.
inline Protocol find_protocol(std::string_view name) {
  for (const Protocol& each : protocols())
    if (each.name == name) return each;
  throw ArgumentError(concat("there is no protocol ", name, " (expected one of ", protocol_names(), ")"));
}

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
