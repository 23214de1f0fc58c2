// From a checkpoint and a video file to how the video may go on, on whichever device.
#pragma once

#include <dvd/models/dvd_gan.hpp>
#include <dvd/models/prediction.hpp>
#include <optional>

#include "../common/checkpoints.hpp"
#include "../common/recurrent.hpp"
#include "../common/save_alone.hpp"
#include "../common/spread.hpp"
#include "files.hpp"

namespace examples {

/// A model, the video that it is to continue, and how.
template <class Gan>
struct Predicted {
  dvd::DvdGanConfig config;
  dvd::Index stride, steps;
  std::optional<dvd::Index> label;  ///< that was asked for
  Input input;
  dvd::Labels labels;
  typename Gan::Networks networks;

  /// Throws ArgumentError and FileError where there are no such model and video, or they do not go together.
  Predicted(const PredictOptions& options, const std::filesystem::path& path, const dvd::SafetensorsFile& file)
      : config(config_of(path, file)),
        stride(stride_of(options, path, file)),
        steps(options.steps > 0 ? options.steps : config.frames),
        label(label_of(options, config, file)),
        input(options.save_generator.empty() ? read(options, path, file) : Input()),
        labels(labels_of(options)),
        networks(config, dvd::Random::none()) {
    dvd::load_generator(file, path, networks, options.live);
  }

 private:
  static dvd::DvdGanConfig config_of(const std::filesystem::path& path, const dvd::SafetensorsFile& file) {
    const dvd::DvdGanConfig config = dvd::read_config(file, path);
    dvd::require(config.condition_frames > 0, path.string(),
                 " is of a model that makes videos from nothing; predict_frames needs one trained with "
                 "--condition-frames, and sample_videos is for this one");
    return config;
  }

  static dvd::Index stride_of(const PredictOptions& options, const std::filesystem::path& path,
                              const dvd::SafetensorsFile& file) {
    const dvd::Json run = run_config(file);
    dvd::Index stride = options.stride;
    if (stride == 0)
      stride = run.contains("stride") && run["stride"].is_number_integer() ? run["stride"].get<dvd::Index>() : 1;
    dvd::require(stride >= 1 && stride <= 1000, path.string(), ": its stride of ", stride, " makes no sense");
    return stride;
  }

  static std::optional<dvd::Index> label_of(const PredictOptions& options, const dvd::DvdGanConfig& config,
                                            const dvd::SafetensorsFile& file) {
    dvd::require(config.classes > 0 || !options.class_name, "--class ", options.class_name.value_or(""),
                 ": this model has no classes");
    if (!options.class_name) return std::nullopt;
    return find_class(*options.class_name, class_names(file, config.classes));
  }

  dvd::Labels labels_of(const PredictOptions& options) const {
    const std::optional<dvd::Index> one = label ? label : input.label;
    dvd::Labels all;
    for (dvd::Index i = 0; config.classes > 0 && i < options.count; ++i)
      all.push_back(one.value_or(i % config.classes));
    return all;
  }

  Input read(const PredictOptions& options, const std::filesystem::path& path, const dvd::SafetensorsFile& file) const {
    check_size(options, config, steps);
    if (options.input) return read_input(options, config, stride, steps);
    const dvd::Json run = run_config(file);
    dvd::require(run.contains("data") && run["data"] == "moving shapes" && config.classes == 12, path.string(),
                 " was not trained on moving shapes: --input names the video file to continue");
    dvd::require(options.stride <= 1, "--stride is for the frames of a file, and --input names none");
    return draw_input(options, config, label);
  }
};

/// What was made of the frames given, `[condition_frames, N, H, W, P]`, behind these, in the order of files.
template <class T, class D>
std::vector<float> values_of(const dvd::Tensor<float, D>& given, const dvd::Continuation<T, D>& continuation) {
  const dvd::Index given_frames = given.extent(0), made = continuation.frames.extent(0);
  const dvd::Shape& shape = given.shape();
  dvd::Tensor<float, D> videos(dvd::Shape{given_frames + made, shape[1], shape[2], shape[3], shape[4]});
  videos.slice(0, given_frames).copy_from(given);
  videos.slice(given_frames, made).copy_from(dvd::cast<float>(continuation.frames));
  return dvd::to_file_order(videos);
}

/// Frames and numbers of continuations, in their order.
struct Continuations {
  std::vector<dvd::Clip> clips;  ///< the video's frames, in grey beyond its end, but for those that were made
  Numbers numbers;               ///< none unless they are to be written
};

/// Continues the video `options.count` times, together with the other ranks. Rank 0 has what was made.
template <class Gan>
Continuations continue_video(const PredictOptions& options, Ranks& ranks, Predicted<Gan>& model) {
  using T = typename Gan::scalar_type;
  using D = typename Gan::device_type;
  using Values = std::vector<float>;
  const dvd::DvdGanConfig& config = model.config;
  const bool with_numbers = std::ranges::find(options.formats, "safetensors") != options.formats.end();
  dvd::Clip given = model.input.clip;
  given.frames = config.condition_frames;
  given.pixels.resize(static_cast<std::size_t>(given.frames * given.height * given.width * given.channels));

  const auto make = [&](dvd::Index first, dvd::Index some) {
    const std::vector<dvd::Clip> copies(static_cast<std::size_t>(some), given);
    const dvd::Labels& all = model.labels;
    const dvd::Labels labels = all.empty() ? all : dvd::Labels(all.begin() + first, all.begin() + first + some);
    const auto continuation = dvd::continue_videos(model.networks, dvd::to_tensor<T, D>(copies), labels, model.steps,
                                                   {.seed = options.common.seed,
                                                    .truncation = options.truncation,
                                                    .threshold = options.threshold,
                                                    .first = first});
    std::tuple<std::vector<dvd::Clip>, Values, Values> made{dvd::to_clips(continuation.frames), {}, {}};
    if (!with_numbers) return made;
    std::get<1>(made) = values_of(dvd::to_tensor<float, D>(copies), continuation);
    for (const dvd::Tensor<T, D>& latents : continuation.latents) {
      const Values z = dvd::cast<float>(latents).to_vector();
      std::get<2>(made).insert(std::get<2>(made).end(), z.begin(), z.end());
    }
    return made;
  };

  Continuations all;
  if (with_numbers) all.numbers.z.resize(static_cast<std::size_t>((model.steps + config.frames - 1) / config.frames));
  spread_batches(ranks, options.count, options.batch, make, [&](auto made, dvd::Index) {
    const auto& [clips, videos, z] = made;
    for (const dvd::Clip& frames : clips) {
      all.clips.push_back(padded(model.input.clip, config.condition_frames + model.steps));
      std::ranges::copy(frames.pixels, all.clips.back().frame(config.condition_frames));
    }
    all.numbers.videos.insert(all.numbers.videos.end(), videos.begin(), videos.end());
    auto next = z.begin();
    for (Values& round : all.numbers.z) {
      const auto end = next + static_cast<dvd::Index>(clips.size()) * config.latent_dim;
      round.insert(round.end(), next, end);
      next = end;
    }
  });
  return all;
}

template <class Gan>
int predict_from(const PredictOptions& options, Ranks& ranks, const std::filesystem::path& path,
                 const dvd::SafetensorsFile& file) {
  std::optional<Predicted<Gan>> opened;
  ranks.agree([&] { opened.emplace(options, path, file); });
  Predicted<Gan>& model = *opened;
  if (!options.save_generator.empty()) {
    on_first_rank(ranks, [&] { save_alone(options.save_generator, model.networks, file); });
    if (ranks.first() && !options.common.quiet) fmt::print("{}\n", options.save_generator);
    return 0;
  }
  on_first_rank(ranks, [&] { make_folder(options.common.out); });
  running = true;

  const Continuations made = continue_video(options, ranks, model);
  on_first_rank(ranks, [&] {
    const auto files = write(options, model.config, model.input, made.clips, made.numbers, model.labels);
    if (options.common.quiet) return;
    fmt::print(
        "{} of {} behind {} given, {}{}\n", count_of(options.count, "continuation"), count_of(model.steps, "frame"),
        model.config.condition_frames, pixels_text(model.config),
        !model.label && !model.input.label && model.config.classes > 1 ? ", of all classes in turn (see --class)" : "");
    compare(model.input.clip, model.config.condition_frames, made.clips);
    for (const auto& each : files) fmt::print("{}\n", each.string());
  });
  return 0;
}

template <class T, class D>
int predict(const PredictOptions& options, Ranks& ranks) {
  const dvd::ThreadLimit threads(options.common.threads);
  const std::filesystem::path path = from_first_rank(ranks, [&] {
    dvd::require(options.start >= 0 && options.start <= 1e9, "--start must be at least 0 seconds, not ", options.start);
    dvd::SampleOptions{.truncation = options.truncation, .threshold = options.threshold}.validate();
    dvd::require(options.fps == 0 || (options.fps >= 0.1 && options.fps <= 240),
                 "--fps must be 0 or between 0.1 and 240, not ", options.fps);
    return find_checkpoint(options.checkpoint).string();
  });
  std::optional<dvd::SafetensorsFile> file;
  std::string recurrent;
  ranks.agree([&] {
    file.emplace(path);
    recurrent = recurrent_of(*file);
  });
  return with_recurrent_unit<T, D>(
      recurrent, [&]<class Parts>() { return predict_from<dvd::DvdGan<T, D, Parts>>(options, ranks, path, *file); });
}

}  // namespace examples
