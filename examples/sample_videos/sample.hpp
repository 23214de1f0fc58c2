// From a checkpoint to videos, on whichever device.
#pragma once

#include <dvd/device/cpu.hpp>
#include <dvd/io/videos.hpp>
#include <dvd/models/recorded_generator.hpp>
#include <optional>

#include "../common/recurrent.hpp"
#include "../common/save_alone.hpp"
#include "../common/sizes.hpp"
#include "../common/spread.hpp"
#include "files.hpp"

namespace examples {

/// The videos of entries `first` .. `first + count - 1` of a request, from networks that `recorded` has, too.
template <class T, class D, class Networks>
dvd::Tensor<T, D> generate(Networks& networks, dvd::RecordedGenerator<Networks>& recorded, const Request& request,
                           dvd::Index first, dvd::Index count) {
  auto& generator = networks.generator;
  const auto part_of = [&](const dvd::Labels& labels) {
    if (labels.empty()) return labels;  // a model without classes
    return dvd::Labels(labels.begin() + first, labels.begin() + first + count);
  };
  const auto z = request.z.slice(first, count);
  const auto uploaded = [](dvd::Shape shape, const std::vector<float>& values) {
    return dvd::cast<T>(dvd::Tensor<float, D>(shape, values));
  };
  const std::vector<float> latents = z.to_vector();
  if (request.mix.empty()) return recorded.generate(uploaded(z.shape(), latents), part_of(request.labels));
  const dvd::Index latent_dim = z.extent(1), embed_dim = generator.config().embed_dim;
  const auto embedded = [&](const dvd::Labels& labels) {
    return dvd::cast<float>(generator.embedding.forward(part_of(labels))).to_vector();
  };
  const std::vector<float> a = embedded(request.labels), b = embedded(request.other_labels);
  std::vector<float> condition;
  for (dvd::Index n = 0; n < count; ++n) {
    condition.insert(condition.end(), latents.begin() + n * latent_dim, latents.begin() + (n + 1) * latent_dim);
    const float mix = request.mix[static_cast<std::size_t>(first + n)];
    for (dvd::Index k = n * embed_dim; k < (n + 1) * embed_dim; ++k)
      condition.push_back((1 - mix) * a[static_cast<std::size_t>(k)] + mix * b[static_cast<std::size_t>(k)]);
  }
  return generator.forward_condition(uploaded(dvd::Shape{count, latent_dim + embed_dim}, condition),
                                     dvd::Pass::evaluate());
}

/// Makes what is asked for, together with the other ranks, and writes it. Returns the last file that was written.
template <class Networks>
std::filesystem::path make_videos(const SampleProgramOptions& options, Ranks& ranks, Networks& networks,
                                  const Request& request, const std::vector<std::string>& names) {
  using T = typename Networks::scalar_type;
  using D = typename Networks::device_type;
  const dvd::Index count = request.z.extent(0);
  const bool numbers = options.format == "safetensors", picture = has_a_picture_of_all(options, count);
  dvd::RecordedGenerator recorded(networks);
  std::vector<dvd::Clip> clips;
  std::vector<float> values;
  spread_batches(
      ranks, count, options.batch,
      [&](dvd::Index first, dvd::Index some) {
        const dvd::Tensor<T, D> videos = generate<T, D>(networks, recorded, request, first, some);
        std::tuple<std::vector<dvd::Clip>, std::vector<float>> made;
        if (numbers) std::get<1>(made) = dvd::to_file_order(dvd::cast<float>(videos));
        if (numbers) return made;
        std::vector<dvd::Clip> shown = dvd::to_clips(videos);
        if (has_a_file_a_video(options)) write_each(options, request, names, first, shown);
        if (picture) std::get<0>(made) = std::move(shown);
        return made;
      },
      [&](auto made, dvd::Index) {
        auto& [more_clips, more_values] = made;
        std::ranges::move(more_clips, std::back_inserter(clips));
        values.insert(values.end(), more_values.begin(), more_values.end());
      });
  std::filesystem::path written;
  on_first_rank(ranks, [&] {
    if (numbers)
      written = write_numbers(options, networks.generator.config(), request, values);
    else if (picture)
      written = write_picture(options, clips);
    else
      written = path_of(options, video_name(request, names, count - 1));
  });
  return written;
}

/// A model, and what is asked of it.
template <class Gan>
struct Sampled {
  dvd::DvdGanConfig config;
  std::vector<std::string> names;
  Request request;
  typename Gan::Networks networks;

  /// Throws ArgumentError and FileError where there is no such model, or not for this.
  Sampled(const SampleProgramOptions& options, const std::filesystem::path& path, const dvd::SafetensorsFile& file)
      : config(config_of(path, file)),
        names(class_names(file, config.classes)),
        request(options.latents.empty() ? draw_request(options, config, names) : read_latents(options.latents, config)),
        networks(config, dvd::Random::none()) {
    dvd::load_generator(file, path, networks, options.live);
  }

 private:
  static dvd::DvdGanConfig config_of(const std::filesystem::path& path, const dvd::SafetensorsFile& file) {
    const dvd::DvdGanConfig config = dvd::read_config(file, path);
    dvd::require(config.condition_frames == 0, path.string(),
                 " is of a model that continues videos; use predict_frames");
    return config;
  }
};

template <class Gan>
int sample_from(const SampleProgramOptions& options, Ranks& ranks, const std::filesystem::path& path,
                std::optional<dvd::SafetensorsFile> file) {
  std::optional<Sampled<Gan>> opened;
  ranks.agree([&] { opened.emplace(options, path, *file); });
  Sampled<Gan>& model = *opened;
  const bool speaks = ranks.first() && !options.common.quiet;
  if (!options.save_generator.empty()) {
    on_first_rank(ranks, [&] { save_alone(options.save_generator, model.networks, *file); });
    if (speaks) fmt::print("{}\n", options.save_generator);
    return 0;
  }
  file.reset();

  ranks.agree([&] { make_folder(options.common.out); });
  running = true;
  ranks.agree([&] {
    if (options.standing > 0)
      dvd::collect_standing_statistics(model.networks.generator, options.standing,
                                       std::max<dvd::Index>(options.batch, 8), options.common.seed, options.truncation,
                                       options.threshold);
  });

  const std::filesystem::path last = make_videos(options, ranks, model.networks, model.request, model.names);
  if (speaks) {
    const dvd::Index count = model.request.z.extent(0);
    const dvd::Index more = has_a_file_a_video(options) ? count - (has_a_picture_of_all(options, count) ? 0 : 1) : 0;
    fmt::print("{} video{} of {} frames of {}\n", count, count == 1 ? "" : "s", model.config.frames,
               pixels_text(model.config));
    fmt::print("{}{}\n", last.string(), more > 0 ? fmt::format(" and {} more", more) : "");
  }
  return 0;
}

template <class T, class D>
int sample(const SampleProgramOptions& options, Ranks& ranks) {
  const dvd::ThreadLimit threads(options.common.threads);
  const std::filesystem::path path = from_first_rank(ranks, [&] {
    dvd::require(options.fps >= 0.1 && options.fps <= 240, "--fps must be between 0.1 and 240, not ", options.fps);
    if (has_a_file_a_video(options)) require_video_files("--format " + options.format);
    return find_checkpoint(options.checkpoint).string();
  });
  std::optional<dvd::SafetensorsFile> file;
  std::string recurrent;
  ranks.agree([&] {
    file.emplace(path);
    recurrent = recurrent_of(*file);
  });
  return with_recurrent_unit<T, D>(recurrent, [&]<class Parts>() {
    return sample_from<dvd::DvdGan<T, D, Parts>>(options, ranks, path, std::move(file));
  });
}

}  // namespace examples
