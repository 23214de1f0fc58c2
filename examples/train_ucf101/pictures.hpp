// What a run shows of itself: samples of fixed latents, so that pictures of different steps can be compared.
#pragma once

#include <dvd/data/clip_source.hpp>
#include <dvd/io/videos.hpp>
#include <dvd/models/dvd_gan.hpp>
#include <set>

#include "../common/given_frames.hpp"
#include "../common/video_files.hpp"

namespace examples {

/// Draws the same samples again and again, from the averaged weights as they are.
template <class Gan>
class Pictures {
 public:
  Pictures(Gan& gan, std::uint64_t seed, double truncation) : gan_(gan), seed_(seed), truncation_(truncation) {}

  /// Writes a PNG, in which a row shows the frames of a video, and, in a build with video files, a GIF.
  ///
  /// The PNG has a row a class (at most twelve; six where there are no classes) and the GIF four samples a row. Of a
  /// model that predicts, rows come in pairs: a clip of `data`, and under it what the model makes of its first frames,
  /// which have a border; as far as they are found soon, the clips are of different classes.
  template <dvd::ClipSource Data>
  void write(Data& data, const std::filesystem::path& png, const std::filesystem::path& gif) {
    const dvd::Index given = gan_.config().condition_frames;
    if (given == 0) return write_samples(png, gif);
    if (truth_.empty()) choose_clips(data);
    const auto condition = dvd::to_tensor<typename Gan::scalar_type, typename Gan::device_type>(truth_).slice(0, given);
    const auto made =
        gan_.average.generate(dvd::draw_latents<typename Gan::scalar_type, typename Gan::device_type>(
                                  gan_.config().latent_dim,
                                  {.count = condition.extent(1), .seed = stream().bits(0), .truncation = truncation_}),
                              labels_, condition, dvd::Pass::evaluate());
    const std::vector<dvd::Clip> predictions = dvd::to_clips(made);
    const int scale = dvd::legible_scale(gan_.config().image_height(), gan_.config().image_width());
    std::vector<dvd::Clip> rows, grid;
    for (std::size_t i = 0; i < truth_.size(); ++i) {
      dvd::Clip whole = truth_[i];
      std::ranges::copy(predictions[i].pixels, whole.frame(given));
      for (const dvd::Clip& clip : {truth_[i], whole}) {
        rows.push_back(with_marked_frames(clip, given, scale));
        grid.push_back(with_marked_frames(clip, given, std::max(1, scale / 2)));
      }
    }
    dvd::write_png(png, dvd::film_strips(rows, 1, 2));
    if (with_video_files) write_gif(gif, dvd::tile_clips(grid, 4, 1, 2), 8);
  }

 private:
  static constexpr dvd::Index most_rows = 12;

  dvd::Random stream() const { return dvd::Random(seed_).stream("pictures"); }

  void write_samples(const std::filesystem::path& png, const std::filesystem::path& gif) {
    constexpr dvd::Index columns = 4;
    const dvd::DvdGanConfig& config = gan_.config();
    std::vector<dvd::Clip> strips, grid;
    const dvd::Index rows = config.classes > 0 ? std::min(config.classes, most_rows) : most_rows / 2;
    for (dvd::Index row = 0; row < rows; ++row) {
      auto clips = dvd::to_clips(gan_.sample({.label = config.classes > 0 ? row : 0,
                                              .count = columns,
                                              .seed = stream().bits(static_cast<std::uint64_t>(row)),
                                              .truncation = truncation_}));
      strips.push_back(clips.front());
      for (dvd::Clip& clip : clips) grid.push_back(std::move(clip));
    }
    const int scale = dvd::legible_scale(config.image_height(), config.image_width());
    dvd::write_png(png, dvd::film_strips(strips, scale, 2));
    if (with_video_files) write_gif(gif, dvd::tile_clips(grid, columns, std::max(1, scale / 2), 2), 8);
  }

  template <class Data>
  void choose_clips(Data& data) {
    constexpr std::size_t wanted = most_rows / 2;
    constexpr std::uint64_t patience = 8 * wanted;
    std::set<dvd::Index> seen;
    std::vector<dvd::LabelledClip> chosen;
    for (std::uint64_t i = 0; chosen.size() < wanted; ++i) {
      const bool others = static_cast<dvd::Index>(seen.size()) < gan_.config().classes && i < patience;
      const dvd::LabelledClip drawn = data.draw(stream().stream(i));
      if (seen.insert(drawn.label).second || !others) chosen.push_back(drawn);
    }
    for (const dvd::LabelledClip& each : chosen) {
      truth_.push_back(each.clip);
      if (gan_.config().classes > 0) labels_.push_back(each.label);
    }
  }

  Gan& gan_;
  std::uint64_t seed_;
  double truncation_;
  std::vector<dvd::Clip> truth_;
  dvd::Labels labels_;
};

}  // namespace examples
