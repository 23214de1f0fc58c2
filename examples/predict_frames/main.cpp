// Continues a video file with a DVD-GAN that predicts (DVD-GAN-FP).
//
//     train_ucf101 --preset demo-prediction --out runs/prediction
//     predict_frames --checkpoint runs/prediction --input clip.mp4 --start 1.5 --count 4 --out predictions

#include <cmath>
#include <dvd/device/cpu.hpp>
#include <dvd/io/video_file.hpp>
#include <dvd/io/video_writer.hpp>
#include <dvd/io/videos.hpp>
#include <dvd/models/dvd_gan.hpp>
#include <dvd/models/prediction.hpp>
#include <optional>

#include "../common/checkpoints.hpp"
#include "../common/given_frames.hpp"
#include "../common/program.hpp"
#include "../common/psnr.hpp"
#include "../common/recurrent.hpp"

namespace examples {
namespace {

using Tensor = dvd::Tensor<float, dvd::Cpu>;

constexpr std::int64_t most_frames_in_a_picture = 64;

struct PredictOptions {
  CommonOptions common;
  std::string checkpoint, input;
  std::optional<std::string> class_name;
  double start = 0, truncation = 1, threshold = 0, fps = 0;
  dvd::Index steps = 0, count = 4, stride = 0;
  std::vector<std::string> formats = {"gif", "png", "safetensors"};
  bool live = false;
};

void add_options(CLI::App& app, PredictOptions& options) {
  options.common.add_to(app);
  app.add_option("--checkpoint", options.checkpoint,
                 "checkpoint of a model trained with --condition-frames, or a run's folder for its newest one")
      ->required();
  app.add_option("--input", options.input, "video file to continue")->required();
  app.add_option("--start", options.start, "where in the file the frames given to the model begin, in seconds")
      ->check(CLI::Range(0.0, 1e9))
      ->capture_default_str();
  app.add_option("--steps", options.steps,
                 "frames to predict; more than the model makes at a time continue its own. 0: as many as it makes")
      ->check(CLI::Range(0, 100'000))
      ->capture_default_str();
  app.add_option("--count", options.count, "different continuations")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  app.add_option("--stride", options.stride, "take every K-th frame of the file; 0: as the model was trained")
      ->check(CLI::Range(0, 1000))
      ->capture_default_str();
  app.add_option("--class", options.class_name,
                 "class of the video by number or name; without it, continuations are of all classes in turn");
  app.add_option("--truncation", options.truncation, "scale of the latents: below 1 safer, less varied")
      ->check(CLI::Range(0.0, 100.0))
      ->capture_default_str();
  app.add_option("--threshold", options.threshold, "redraw latents beyond this; 0 means never")->capture_default_str();
  app.add_option("--format", options.formats,
                 "one or more of gif, mp4, png (at most the first 64 frames) and safetensors, separated by commas")
      ->delimiter(',')
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->check(CLI::IsMember({"gif", "mp4", "png", "safetensors"}))
      ->default_str("gif,png,safetensors");
  app.add_option("--fps", options.fps, "frames per second of gif and mp4; 0: as fast as the file")
      ->check(CLI::Range(0.0, 240.0))
      ->capture_default_str();
  app.add_flag("--live", options.live, "use the current weights rather than their moving average");
}

/// The frames given to the model and, as far as the file goes on, those that it should find.
struct Input {
  dvd::Clip clip;  ///< given frames first
  double frames_per_second = 0;
};

std::string count_of(dvd::Index count, const std::string& what) {
  return fmt::format("{} {}{}", count, what, count == 1 ? "" : "s");
}

/// Reads them. Throws ArgumentError where the file ends before the last given frame, FileError where it is damaged.
Input read_input(const PredictOptions& options, const dvd::DvdGanConfig& config, dvd::Index stride, dvd::Index steps) {
  const dvd::VideoFile video(options.input);
  const dvd::VideoInfo& info = video.info();
  const double rate = info.frames_per_second;
  const auto first = static_cast<dvd::Index>(std::llround(std::min(options.start * rate, 1e15)));
  const dvd::Index given = config.condition_frames, needed = first + (given - 1) * stride + 1;
  if (needed > info.frames) {
    const dvd::Index latest = info.frames - (given - 1) * stride - 1;
    // Rounded down, so that it can be followed to the letter.
    const double latest_start = std::floor(1000 * static_cast<double>(latest) / rate) / 1000;
    throw dvd::ArgumentError(
        fmt::format("{} has {} ({:.2f} s); the model is given {}{} from frame {} on, which takes {}; {}", options.input,
                    count_of(info.frames, "frame"), static_cast<double>(info.frames) / rate, given,
                    stride > 1 ? fmt::format(", every {}. one,", stride) : "", first, needed,
                    latest >= 0  ? fmt::format("--start may be at most {:.3f}", latest_start)
                    : stride > 1 ? "use a longer video, or a lower --stride"
                                 : "use a longer video"));
  }
  const dvd::Framing framing{.resolution = config.resolution};
  const auto read = [&](dvd::Index frames) {
    return Input{video.read(first, frames, stride, framing), rate / static_cast<double>(stride)};
  };
  // Where the file is damaged further on, there is less to compare with.
  Input input = read(given);
  dvd::Index readable = given, wanted = std::min(given + steps, (info.frames - 1 - first) / stride + 1);
  for (dvd::Index frames = wanted; readable < wanted; frames = readable + (wanted - readable + 1) / 2) try {
      input = read(frames);
      readable = frames;
    } catch (const dvd::FileError&) {
      wanted = frames - 1;
    }
  return input;
}

/// Says how near the continuations come to what the file shows, and how near its last given frame, repeated, does.
void compare(const dvd::Clip& truth, dvd::Index given, const std::vector<dvd::Clip>& made) {
  const dvd::Index shared = std::min(truth.frames - given, made.front().frames - given);
  if (shared < 1) return;
  const std::int64_t size = truth.height * truth.width * 3;
  double mean = 0, best = -1, repeated = 0;
  for (const dvd::Clip& clip : made) {
    double one = 0;
    for (dvd::Index t = given; t < given + shared; ++t) one += psnr(truth.frame(t), clip.frame(t), size);
    one /= static_cast<double>(shared);
    mean += one / static_cast<double>(made.size());
    best = std::max(best, one);
  }
  for (dvd::Index t = given; t < given + shared; ++t)
    repeated += psnr(truth.frame(t), truth.frame(given - 1), size) / static_cast<double>(shared);
  fmt::print(
      "PSNR       {:.1f} dB over the {} that the file has (best continuation {:.1f}); repeating the last "
      "given frame: {:.1f} dB\n",
      mean, count_of(shared, "frame"), best, repeated);
}

/// `clip` with grey frames behind it, `frames` in all.
dvd::Clip padded(const dvd::Clip& clip, dvd::Index frames) {
  dvd::Clip result(frames, clip.height, clip.width);
  std::ranges::fill(result.pixels, dvd::detail::background);
  std::copy_n(clip.pixels.begin(), std::min(clip.pixels.size(), result.pixels.size()), result.pixels.begin());
  return result;
}

/// The first frames of clips: a picture of more would be too wide to look at.
std::vector<dvd::Clip> beginnings(std::vector<dvd::Clip> clips) {
  for (dvd::Clip& clip : clips) {
    clip.frames = std::min<std::int64_t>(clip.frames, most_frames_in_a_picture);
    clip.pixels.resize(static_cast<std::size_t>(clip.frames * clip.height * clip.width * 3));
  }
  return clips;
}

/// Writes truth, if the file goes on, and continuations side by side. Returns what was written.
std::vector<std::filesystem::path> write(const PredictOptions& options, const dvd::DvdGanConfig& config,
                                         const Input& input, const std::vector<dvd::Clip>& made,
                                         const Tensor& condition, const dvd::Continuation<float>& continuation,
                                         const dvd::Labels& labels) {
  const std::filesystem::path folder = options.common.out;
  const dvd::Index given = config.condition_frames, frames = made.front().frames;
  std::vector<dvd::Clip> rows;
  if (input.clip.frames > given) rows.push_back(padded(input.clip, frames));
  rows.insert(rows.end(), made.begin(), made.end());
  for (dvd::Clip& row : rows) row = with_marked_frames(row, given, dvd::legible_scale(config.resolution));
  const auto columns = static_cast<dvd::Index>(std::ceil(std::sqrt(static_cast<double>(rows.size()))));
  const dvd::Index side_by_side = rows.size() <= 5 ? static_cast<dvd::Index>(rows.size()) : columns;
  const double fps = options.fps > 0 ? options.fps : std::clamp(input.frames_per_second, 0.1, 240.0);

  std::vector<std::filesystem::path> files;
  std::vector<std::string> formats = options.formats;  // the numbers first: pictures can be made from them again
  std::ranges::stable_partition(formats, [](const std::string& format) { return format == "safetensors"; });
  for (const std::string& format : formats) {
    const std::filesystem::path path = folder / ("prediction." + format);
    if (std::ranges::find(files, path) != files.end()) continue;
    files.push_back(path);
    if (format == "png") {
      dvd::write_png(path, dvd::film_strips(beginnings(rows), 1, 2));
    } else if (format == "gif") {
      dvd::write_gif(path, dvd::tile_clips(rows, side_by_side, 1, 2), fps);
    } else if (format == "mp4") {
      dvd::write_mp4(path, dvd::tile_clips(rows, side_by_side, 1, 2), fps);
    } else {
      const auto count = static_cast<dvd::Index>(made.size());
      Tensor videos(dvd::Shape{frames, count, config.resolution, config.resolution, 3});
      videos.slice(0, given).copy_from(condition);
      videos.slice(given, frames - given).copy_from(continuation.frames);
      const std::vector<float> values = dvd::to_file_order(videos);
      const std::vector<dvd::Clip> truth_clips = {input.clip};
      const std::vector<float> truth = dvd::to_file_order(dvd::to_tensor<float>(truth_clips));
      std::vector<float> z;
      for (const Tensor& latents : continuation.latents)
        for (const float value : latents.to_vector()) z.push_back(value);
      dvd::SafetensorsWriter writer;
      const dvd::Index resolution = config.resolution;
      writer.add<float>("videos", {count, frames, 3, resolution, resolution}, values);
      writer.add<float>("truth", {input.clip.frames, 3, resolution, resolution}, truth);
      writer.add<std::int64_t>("labels", {count}, labels);
      writer.add<float>("z", {static_cast<dvd::Index>(continuation.latents.size()), count, config.latent_dim}, z);
      writer.set_metadata("condition_frames", std::to_string(given));
      writer.write(path);
    }
  }
  return files;
}

/// Throws ArgumentError for pictures beyond reason, before anything is computed.
void check_size(const PredictOptions& options, const dvd::DvdGanConfig& config, dvd::Index steps) {
  constexpr double most_bytes = 4e9;
  const double side = static_cast<double>(config.resolution * dvd::legible_scale(config.resolution));
  const double bytes =
      3 * side * side * static_cast<double>(options.count + 1) * static_cast<double>(config.condition_frames + steps);
  dvd::require(bytes <= most_bytes, "--steps ", steps, " with --count ", options.count, " would make ",
               fmt::format("{:.0f}", bytes / 1e9), " GB of frames; use fewer steps or continuations");
}

template <class Parts>
int predict(const PredictOptions& options, const std::filesystem::path& path, const dvd::SafetensorsFile& file) {
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
  for (dvd::Index i = 0; i < options.count; ++i)
    labels.push_back(options.class_name ? find_class(*options.class_name, names) : i % config.classes);
  check_size(options, config, steps);
  const Input input = read_input(options, config, stride, steps);

  typename dvd::DvdGan<float, dvd::Cpu, Parts>::Networks networks(config, dvd::Random(0));
  load_weights(file, path, networks, options.live);
  make_folder(options.common.out);
  running = true;

  dvd::Clip given = input.clip;
  given.frames = config.condition_frames;
  given.pixels.resize(static_cast<std::size_t>(given.frames * given.height * given.width * 3));
  const std::vector<dvd::Clip> copies(static_cast<std::size_t>(options.count), given);
  const Tensor condition = dvd::to_tensor<float>(copies);
  const auto continuation = dvd::continue_videos(
      networks, condition, labels, steps,
      {.seed = options.common.seed, .truncation = options.truncation, .threshold = options.threshold});
  std::vector<dvd::Clip> made;
  for (const dvd::Clip& frames : dvd::to_clips(continuation.frames)) {
    made.push_back(padded(input.clip, config.condition_frames + steps));
    std::ranges::copy(frames.pixels, made.back().frame(config.condition_frames));
  }
  const auto files = write(options, config, input, made, condition, continuation, labels);
  if (options.common.quiet) return 0;
  fmt::print("{} of {} behind {} given, {}x{} pixels{}\n", count_of(options.count, "continuation"),
             count_of(steps, "frame"), config.condition_frames, config.resolution, config.resolution,
             !options.class_name && config.classes > 1 ? ", of all classes in turn (see --class)" : "");
  compare(input.clip, config.condition_frames, made);
  for (const auto& each : files) fmt::print("{}\n", each.string());
  return 0;
}

int predict(const PredictOptions& options) {
  options.common.check_device();
  dvd::require(options.start >= 0 && options.start <= 1e9, "--start must be at least 0 seconds, not ", options.start);
  dvd::SampleOptions{.truncation = options.truncation, .threshold = options.threshold}.validate();
  dvd::require(options.fps == 0 || (options.fps >= 0.1 && options.fps <= 240),
               "--fps must be 0 or between 0.1 and 240, not ", options.fps);
  const dvd::ThreadLimit threads(options.common.threads);
  const std::filesystem::path path = find_checkpoint(options.checkpoint);
  const dvd::SafetensorsFile file(path);
  return with_recurrent_unit(recurrent_of(file), [&]<class Parts>() { return predict<Parts>(options, path, file); });
}

}  // namespace
}  // namespace examples

int main(int argc, char** argv) {
  examples::PredictOptions options;
  options.common.out = "predictions";
  CLI::App app("Continues a video file with a DVD-GAN that predicts (DVD-GAN-FP).", "predict_frames");
  examples::add_options(app, options);
  return examples::run(app, argc, argv, [&] { return examples::predict(options); });
}
