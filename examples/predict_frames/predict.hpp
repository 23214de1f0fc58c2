// From a checkpoint and a video file to how the video may go on, on whichever device.
#pragma once

#include <dvd/models/dvd_gan.hpp>
#include <dvd/models/prediction.hpp>

#include "../common/checkpoints.hpp"
#include "../common/recurrent.hpp"
#include "files.hpp"

namespace examples {

/// What was made of the frames given, `[condition_frames, N, H, W, P]`, brought to the host.
template <class T, class D>
Numbers numbers_of(const dvd::Tensor<float, D>& given, const dvd::Continuation<T, D>& continuation) {
  const dvd::Index given_frames = given.extent(0), made = continuation.frames.extent(0);
  const dvd::Shape& shape = given.shape();
  dvd::Tensor<float, D> videos(dvd::Shape{given_frames + made, shape[1], shape[2], shape[3], shape[4]});
  videos.slice(0, given_frames).copy_from(given);
  videos.slice(given_frames, made).copy_from(dvd::cast<float>(continuation.frames));
  Numbers numbers{dvd::to_file_order(videos), {}, static_cast<dvd::Index>(continuation.latents.size())};
  for (const dvd::Tensor<T, D>& latents : continuation.latents) {
    const std::vector<float> values = dvd::cast<float>(latents).to_vector();
    numbers.z.insert(numbers.z.end(), values.begin(), values.end());
  }
  return numbers;
}

template <class Gan>
int predict_from(const PredictOptions& options, const std::filesystem::path& path, const dvd::SafetensorsFile& file) {
  using T = typename Gan::scalar_type;
  using D = typename Gan::device_type;
  const dvd::DvdGanConfig config = dvd::read_config(file, path);
  dvd::require(config.condition_frames > 0, path.string(),
               " is of a model that makes videos from nothing; predict_frames needs one trained with "
               "--condition-frames, and sample_videos is for this one");
  const dvd::Json run = run_config(file);
  dvd::Index stride = options.stride;
  if (stride == 0)
    stride = run.contains("stride") && run["stride"].is_number_integer() ? run["stride"].get<dvd::Index>() : 1;
  dvd::require(stride >= 1 && stride <= 1000, path.string(), ": its stride of ", stride, " makes no sense");
  const dvd::Index steps = options.steps > 0 ? options.steps : config.frames;
  const std::vector<std::string> names = class_names(file, config.classes);
  dvd::Labels labels;
  dvd::require(config.classes > 0 || !options.class_name, "--class ", options.class_name.value_or(""),
               ": this model has no classes");
  for (dvd::Index i = 0; config.classes > 0 && i < options.count; ++i)
    labels.push_back(options.class_name ? find_class(*options.class_name, names) : i % config.classes);
  check_size(options, config, steps);
  const Input input = read_input(options, config, stride, steps);

  typename Gan::Networks networks(config, dvd::Random(0));
  dvd::load_generator(file, path, networks, options.live);
  make_folder(options.common.out);
  running = true;

  dvd::Clip given = input.clip;
  given.frames = config.condition_frames;
  given.pixels.resize(static_cast<std::size_t>(given.frames * given.height * given.width * given.channels));
  const std::vector<dvd::Clip> copies(static_cast<std::size_t>(options.count), given);
  const dvd::Tensor<T, D> condition = dvd::to_tensor<T, D>(copies);
  const auto continuation = dvd::continue_videos(
      networks, condition, labels, steps,
      {.seed = options.common.seed, .truncation = options.truncation, .threshold = options.threshold});
  std::vector<dvd::Clip> made;
  for (const dvd::Clip& frames : dvd::to_clips(continuation.frames)) {
    made.push_back(padded(input.clip, config.condition_frames + steps));
    std::ranges::copy(frames.pixels, made.back().frame(config.condition_frames));
  }
  Numbers numbers;
  if (std::ranges::find(options.formats, "safetensors") != options.formats.end())
    numbers = numbers_of(dvd::to_tensor<float, D>(copies), continuation);
  const auto files = write(options, config, input, made, numbers, labels);
  if (options.common.quiet) return 0;
  fmt::print("{} of {} behind {} given, {}{}\n", count_of(options.count, "continuation"), count_of(steps, "frame"),
             config.condition_frames, pixels_text(config),
             !options.class_name && config.classes > 1 ? ", of all classes in turn (see --class)" : "");
  compare(input.clip, config.condition_frames, made);
  for (const auto& each : files) fmt::print("{}\n", each.string());
  return 0;
}

template <class T, class D>
int predict(const PredictOptions& options) {
  dvd::require(options.start >= 0 && options.start <= 1e9, "--start must be at least 0 seconds, not ", options.start);
  dvd::SampleOptions{.truncation = options.truncation, .threshold = options.threshold}.validate();
  dvd::require(options.fps == 0 || (options.fps >= 0.1 && options.fps <= 240),
               "--fps must be 0 or between 0.1 and 240, not ", options.fps);
  const dvd::ThreadLimit threads(options.common.threads);
  const std::filesystem::path path = find_checkpoint(options.checkpoint);
  const dvd::SafetensorsFile file(path);
  return with_recurrent_unit<T, D>(
      recurrent_of(file), [&]<class Parts>() { return predict_from<dvd::DvdGan<T, D, Parts>>(options, path, file); });
}

}  // namespace examples
