// From a checkpoint to videos, on whichever device.
#pragma once

#include <dvd/device/cpu.hpp>
#include <dvd/io/videos.hpp>
#include <dvd/models/recorded_generator.hpp>
#include <optional>

#include "../common/recurrent.hpp"
#include "../common/sizes.hpp"
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

template <class Gan>
int sample_from(const SampleProgramOptions& options, const std::filesystem::path& path,
                std::optional<dvd::SafetensorsFile> file) {
  using T = typename Gan::scalar_type;
  using D = typename Gan::device_type;
  const dvd::DvdGanConfig config = dvd::read_config(*file, path);
  dvd::require(config.condition_frames == 0, path.string(), " is of a model that continues videos; use predict_frames");
  const std::vector<std::string> names = class_names(*file, config.classes);
  const Request request =
      options.latents.empty() ? draw_request(options, config, names) : read_latents(options.latents, config);

  typename Gan::Networks networks(config, dvd::Random(0));
  dvd::load_generator(*file, path, networks, options.live);
  auto& generator = networks.generator;
  if (!options.save_generator.empty()) {
    save_generator(options.save_generator, generator, file->metadata());
    if (!options.common.quiet) fmt::print("{}\n", options.save_generator);
    return 0;
  }
  file.reset();

  make_folder(options.common.out);
  running = true;
  if (options.standing > 0)
    dvd::collect_standing_statistics(generator, options.standing, std::max<dvd::Index>(options.batch, 8),
                                     options.common.seed, options.truncation, options.threshold);

  dvd::RecordedGenerator recorded(networks);
  std::vector<float> values;
  std::vector<dvd::Clip> clips;
  const auto count = request.z.extent(0);
  for (dvd::Index done = 0; done < count; done += options.batch) {
    const dvd::Tensor<T, D> videos =
        generate<T, D>(networks, recorded, request, done, std::min(options.batch, count - done));
    for (dvd::Clip& clip : dvd::to_clips(videos)) clips.push_back(std::move(clip));
    if (options.format == "safetensors") {
      const std::vector<float> some = dvd::to_file_order(dvd::cast<float>(videos));
      values.insert(values.end(), some.begin(), some.end());
    }
  }
  const auto files = write(options, request, names, values, clips);
  if (!options.common.quiet) {
    fmt::print("{} video{} of {} frames of {}\n", count, count == 1 ? "" : "s", config.frames, pixels_text(config));
    fmt::print("{}{}\n", files.back().string(), files.size() > 1 ? fmt::format(" and {} more", files.size() - 1) : "");
  }
  return 0;
}

template <class T, class D>
int sample(const SampleProgramOptions& options) {
  dvd::require(options.fps >= 0.1 && options.fps <= 240, "--fps must be between 0.1 and 240, not ", options.fps);
  if (options.format == "gif" || options.format == "mp4") require_video_files("--format " + options.format);
  const dvd::ThreadLimit threads(options.common.threads);
  const std::filesystem::path path = find_checkpoint(options.checkpoint);
  std::optional<dvd::SafetensorsFile> file(path);
  const std::string recurrent = recurrent_of(*file);
  return with_recurrent_unit<T, D>(
      recurrent, [&]<class Parts>() { return sample_from<dvd::DvdGan<T, D, Parts>>(options, path, std::move(file)); });
}

}  // namespace examples
