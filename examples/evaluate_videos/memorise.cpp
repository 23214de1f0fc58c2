#include "memorise.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <dvd/io/images.hpp>
#include <dvd/metrics/memorisation.hpp>
#include <dvd/metrics/nearest_neighbours.hpp>
#include <dvd/metrics/resize.hpp>
#include <numeric>
#include <optional>

#include "../common/given_frames.hpp"
#include "../common/spread.hpp"
#include "progress.hpp"

namespace examples {
namespace {

/// Clips as rows of numbers: their pixels, at most 32 to a side, and what the network says of them.
struct ClipRows {
  dvd::FeatureRows pixels, features;

  /// Of clips that are `count`, as spread_batches hands them over.
  ClipRows(std::vector<double> pixel_values, std::vector<double> feature_values, dvd::Index count)
      : pixels{static_cast<dvd::Index>(pixel_values.size()) / count, std::move(pixel_values)},
        features{static_cast<dvd::Index>(feature_values.size()) / count, std::move(feature_values)} {}
  ClipRows() = default;

  void append(const ClipRows& more) {
    for (const auto& [to, from] : {std::pair{&pixels, &more.pixels}, {&features, &more.features}}) {
      to->dimensions = from->dimensions;
      to->values.insert(to->values.end(), from->values.begin(), from->values.end());
    }
  }
};

/// Channels last within a frame, frames last within a clip: the order does not matter for distances.
std::vector<double> pixel_rows(const dvd::Tensor<float>& videos) {
  constexpr dvd::Index most = 32;
  const dvd::Shape& shape = videos.shape();
  dvd::Tensor<float> small = videos;
  if (shape[2] > most || shape[3] > most)
    small = dvd::resize(videos, std::min(shape[2], most), std::min(shape[3], most), dvd::ResizeRule::half_pixel);
  const dvd::Index frame = small.size() / (shape[0] * shape[1]);
  std::vector<double> rows(static_cast<std::size_t>(small.size()));
  for (dvd::Index n = 0; n < shape[1]; ++n)
    for (dvd::Index t = 0; t < shape[0]; ++t)
      std::copy_n(small.data() + (t * shape[1] + n) * frame, frame, rows.begin() + (n * shape[0] + t) * frame);
  return rows;
}

class Search {
 public:
  Search(Evaluation& evaluation, const Videos& held_out, const std::filesystem::path& folder)
      : evaluation_(evaluation), held_out_videos_(held_out), folder_(folder), stride_(evaluation.protocol.stride) {}

  Memorisation run() {
    evaluation_.ranks.agree([&] { list_training_clips(); });
    draw_samples();
    read_held_out();
    look_through();
    on_first_rank(evaluation_.ranks, [&] {
      compare();
      draw_picture();
    });
    return std::move(found_);
  }

 private:
  const EvaluateOptions& options() const { return evaluation_.options; }
  dvd::Index frames() const { return evaluation_.protocol.frames; }
  dvd::Index span() const { return (frames() - 1) * stride_ + 1; }

  /// Rows of all clips of `count`, which `make(first, some)` makes, together with the other ranks: rank 0 is given them
  /// by `take(rows, shown)`, with what `show(clips)` keeps of them to be looked at.
  template <class Make, class Show, class Take>
  void for_rows(const char* what, dvd::Index count, const Make& make, const Show& show, const Take& take) {
    ClipProgress progress(options().common.quiet, what, count);
    dvd::Index before = 0;
    spread_batches(
        evaluation_.ranks, count, options().batch,
        [&](dvd::Index first, dvd::Index some) {
          const dvd::Tensor<float> videos = make(first, some);
          dvd::FeatureSampler sampler(*evaluation_.network, evaluation_.protocol.layer);
          sampler.add(videos);
          return std::tuple(pixel_rows(videos), sampler.take().features.values, show(videos));
        },
        [&](auto made, dvd::Index done) {
          auto& [pixels, features, shown] = made;
          take(ClipRows(std::move(pixels), std::move(features), done - before), std::move(shown));
          before = done;
          progress.show(done);
        });
  }

  /// The same of true clips, of which none is shown.
  template <class Take>
  void for_rows_of(const char* what, const Videos& videos, const std::vector<dvd::ChosenClip>& clips,
                   const Take& take) {
    for_rows(
        what, static_cast<dvd::Index>(clips.size()),
        [&](dvd::Index first, dvd::Index some) {
          return read(videos,
                      std::span(clips).subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(some)));
        },
        [](const dvd::Tensor<float>&) { return std::vector<dvd::Clip>(); },
        [&](ClipRows rows, const std::vector<dvd::Clip>&) { take(std::move(rows)); });
  }

  dvd::Tensor<float> read(const Videos& videos, std::span<const dvd::ChosenClip> chosen) const {
    return videos.clips(chosen, frames(), stride_);
  }

  /// Windows over all videos, each half a clip behind the last one; spread evenly where there are too many.
  void list_training_clips() {
    const Videos& real = *evaluation_.real;
    const dvd::Index step = std::max<dvd::Index>(1, span() / 2);
    std::vector<dvd::ChosenClip> all;
    for (dvd::Index video = 0; video < real.size(); ++video)
      for (dvd::Index first = 0; first + span() <= real.frames(video); first += step) all.push_back({video, first});
    found_.possible = static_cast<dvd::Index>(all.size());
    found_.looked_through = std::min(found_.possible, options().memorisation_clips);
    for (dvd::Index i = 0; i < found_.looked_through; ++i)
      training_.push_back(all[static_cast<std::size_t>(i * found_.possible / found_.looked_through)]);
    dvd::require(!training_.empty(), "--real ", options().real, " has no clip of ", span(), " frames to look through");
  }

  void draw_samples() {
    const GeneratedClips& generated = evaluation_.generated;
    dvd::Index count = options().memorisation;
    if (generated.videos) count = std::min(count, generated.videos->size());
    // Clips of a model that no score is of; and frames that it was given are nothing that it made.
    const dvd::Index repeat = generated.maker ? evaluation_.protocol.repeats : 0;
    std::vector<dvd::ChosenClip> given;
    if (generated.continues())
      given = dvd::choose_clips(*evaluation_.real, dvd::ClipRule::stratified, count, generated.most_frames(), stride_,
                                dvd::Random(options().common.seed).stream("memorisation"));
    for_rows(
        "samples", count,
        [&](dvd::Index first, dvd::Index some) {
          LabelledVideos truth;
          if (generated.continues()) {
            const auto part = std::span(given).subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(some));
            truth.videos = evaluation_.real->clips(part, generated.most_frames(), stride_);
            for (const dvd::ChosenClip& each : part) truth.labels.push_back(evaluation_.real->label(each.video));
          }
          return generated.make(evaluation_.protocol, repeat, first, some, truth).videos;
        },
        [](const dvd::Tensor<float>& videos) { return dvd::to_clips(videos); },
        [&](const ClipRows& rows, std::vector<dvd::Clip> clips) {
          samples_.append(rows);
          std::ranges::move(clips, std::back_inserter(sample_clips_));
        });
  }

  void read_held_out() {
    found_.held_out = held_out_videos_.description;
    const auto chosen = dvd::choose_clips(held_out_videos_, dvd::ClipRule::stratified, options().memorisation, frames(),
                                          stride_, dvd::Random(options().common.seed).stream("held out"));
    for_rows_of("held-out clips", held_out_videos_, chosen, [&](const ClipRows& rows) { held_out_.append(rows); });
  }

  void look_through() {
    std::optional<dvd::NearestNeighbours> pixels, features, held_pixels, held_features;
    on_first_rank(evaluation_.ranks, [&] {
      pixels.emplace(samples_.pixels, 1);
      features.emplace(samples_.features, 1);
      held_pixels.emplace(held_out_.pixels, 1);
      held_features.emplace(held_out_.features, 1);
    });
    for_rows_of("training clips", *evaluation_.real, training_, [&](const ClipRows& rows) {
      pixels->add(rows.pixels);
      held_pixels->add(rows.pixels);
      features->add(rows.features);
      held_features->add(rows.features);
    });
    if (!evaluation_.ranks.first()) return;
    const auto keep = [](const dvd::NearestNeighbours& nearest, dvd::Index dimensions, std::vector<NearestClip>& to) {
      for (dvd::Index i = 0; i < nearest.count(); ++i) {
        const dvd::Neighbour best = nearest.of(i).front();
        to.push_back({best.index, best.distance / std::sqrt(static_cast<double>(dimensions))});
      }
    };
    keep(*pixels, samples_.pixels.dimensions, found_.pixels.samples);
    keep(*held_pixels, samples_.pixels.dimensions, found_.pixels.held_out);
    keep(*features, samples_.features.dimensions, found_.features.samples);
    keep(*held_features, samples_.features.dimensions, found_.features.held_out);
  }

  void compare() {
    const auto distances = [](const std::vector<NearestClip>& clips) {
      std::vector<double> result;
      for (const NearestClip& each : clips) result.push_back(each.distance);
      return result;
    };
    for (NearestIn* space : {&found_.pixels, &found_.features})
      space->share = dvd::nearer_share(distances(space->samples), distances(space->held_out));
    found_.share = std::max(found_.pixels.share, found_.features.share);
    found_.noise = dvd::nearer_share_noise(found_.pixels.samples.size(), found_.pixels.held_out.size());
    for (const NearestIn* space : {&found_.pixels, &found_.features})
      for (const NearestClip& each : space->samples) {
        const dvd::ChosenClip& clip = training_[static_cast<std::size_t>(each.clip)];
        found_.names.push_back(fmt::format("{}, from frame {}", evaluation_.real->name(clip.video), clip.first));
      }
  }

  /// The most suspicious samples, those nearest in pixels, in groups of three rows: the sample, which has a border, the
  /// training clip that is nearest in pixels and the one nearest in features.
  void draw_picture() {
    std::vector<std::size_t> order(sample_clips_.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::ranges::stable_sort(order, {}, [&](std::size_t i) { return found_.pixels.samples[i].distance; });
    order.resize(std::min<std::size_t>(order.size(), 6));
    const int scale = dvd::legible_scale(sample_clips_.front().height, sample_clips_.front().width);
    std::vector<dvd::Clip> rows;
    for (const std::size_t i : order) {
      rows.push_back(with_marked_frames(sample_clips_[i], frames(), scale));
      for (const NearestIn* space : {&found_.pixels, &found_.features}) {
        const dvd::ChosenClip& chosen = training_[static_cast<std::size_t>(space->samples[i].clip)];
        const dvd::Clip clip = dvd::to_clips(read(*evaluation_.real, std::span(&chosen, 1))).front();
        rows.push_back(dvd::tile_clips(std::span(&clip, 1), 1, scale, 0));
      }
    }
    found_.picture = folder_ / "memorisation.png";
    dvd::write_png(found_.picture, dvd::film_strips(rows, 1, 2));
  }

  Evaluation& evaluation_;
  const Videos& held_out_videos_;
  std::filesystem::path folder_;
  dvd::Index stride_;
  std::vector<dvd::ChosenClip> training_;
  std::vector<dvd::Clip> sample_clips_;
  ClipRows samples_, held_out_;
  Memorisation found_;
};

double median(std::vector<NearestClip> clips) {
  std::ranges::sort(clips, {}, &NearestClip::distance);
  return clips[clips.size() / 2].distance;
}

}  // namespace

std::unique_ptr<Videos> open_held_out(const Evaluation& evaluation) {
  const EvaluateOptions& options = evaluation.options;
  const Videos& real = *evaluation.real;
  std::unique_ptr<Videos> held_out;
  on_first_rank_first(evaluation.ranks, [&] {
    const bool shapes = options.real == "shapes" && options.held_out.empty();
    dvd::require(shapes || !options.held_out.empty() || !options.held_out_split.empty(),
                 "--memorisation needs true clips that the model never saw, as the yardstick: give --held-out DIR, or "
                 "--held-out-split testlist01.txt");
    held_out = open_videos({.flag = options.held_out.empty() ? "--held-out-split" : "--held-out",
                            .place = options.held_out.empty() ? options.real : options.held_out,
                            .split = options.held_out_split,
                            .index = options.held_out.empty() ? options.index : std::string("none"),
                            .frames = evaluation.protocol.frames,
                            .stride = evaluation.protocol.stride,
                            .height = real.height,
                            .width = real.width,
                            .channels = real.channels,
                            .seed = options.common.seed + 2,
                            .shapes = std::max<dvd::Index>(options.memorisation, 12),
                            .warn = {}});
    dvd::require(
        held_out->height == real.height && held_out->width == real.width && held_out->channels == real.channels,
        "held-out clips have ", held_out->height, "x", held_out->width, " pixels of ", held_out->channels,
        " channels, and training clips ", real.height, "x", real.width, " of ", real.channels);
    dvd::require(shapes || held_out->identity != real.identity,
                 "the held-out clips are the training clips themselves; they are to be clips that the model never saw");
  });
  check_alike(evaluation.ranks, "held-out clips", held_out->identity);
  return held_out;
}

Memorisation find_memorised(Evaluation& evaluation, const Videos& held_out, const std::filesystem::path& folder) {
  return Search(evaluation, held_out, folder).run();
}

dvd::Json to_json(const Memorisation& memorisation) {
  const auto space = [&](const NearestIn& in, std::size_t first_name) {
    dvd::Json samples = dvd::Json::array();
    for (std::size_t i = 0; i < in.samples.size(); ++i)
      samples.push_back({{"distance", in.samples[i].distance}, {"nearest", memorisation.names[first_name + i]}});
    std::vector<double> held_out;
    for (const NearestClip& each : in.held_out) held_out.push_back(each.distance);
    return dvd::Json{{"nearer_share", in.share}, {"samples", samples}, {"held_out_distances", held_out}};
  };
  return {{"nearer_share", memorisation.share},
          {"by_chance", {0.5 - memorisation.noise, 0.5 + memorisation.noise}},
          {"training_clips_looked_through", memorisation.looked_through},
          {"training_clips", memorisation.possible},
          {"held_out", memorisation.held_out},
          {"pixels", space(memorisation.pixels, 0)},
          {"features", space(memorisation.features, memorisation.pixels.samples.size())}};
}

void print_memorisation(const Memorisation& memorisation) {
  fmt::print("\nnearest of {}{} training clips, median distance\n", memorisation.looked_through,
             memorisation.looked_through < memorisation.possible ? fmt::format(" (of {})", memorisation.possible) : "");
  fmt::print("{:<21}{:<12}{:<12}{}\n", "", "samples", "held out", "nearer than held-out clips");
  for (const auto& [name, space] : {std::pair{"pixels", &memorisation.pixels}, {"features", &memorisation.features}})
    fmt::print("{:<21}{:<12}{:<12}{:.3f}\n", name, number_text(median(space->samples)),
               number_text(median(space->held_out)), space->share);
  const char* const verdict = memorisation.share > 0.5 + memorisation.noise
                                  ? "samples lie nearer to training clips than true ones do: the model repeats them"
                                  : "samples lie no nearer to training clips than true ones do";
  fmt::print("memorisation {:.3f}      {} (0.5 by chance, up to {:.3f}; 1: all copied)\n", memorisation.share, verdict,
             0.5 + memorisation.noise);
  fmt::print("{}      samples (marked) over the nearest clips in pixels and in features\n",
             memorisation.picture.string());
}

}  // namespace examples
