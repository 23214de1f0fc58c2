// Samples videos from a checkpoint of a DVD-GAN.
//
//     sample_videos                                      from the small model that comes with this program
//     sample_videos --checkpoint runs/demo --class disc-left --count 4 --format gif

#include <deque>
#include <dvd/device/cpu.hpp>
#include <dvd/io/video_writer.hpp>
#include <dvd/io/videos.hpp>
#include <dvd/models/dvd_gan.hpp>
#include <map>
#include <optional>

#include "../common/checkpoints.hpp"
#include "../common/program.hpp"
#include "../common/recurrent.hpp"

namespace examples {
namespace {

using Tensor = dvd::Tensor<float, dvd::Cpu>;

struct SampleProgramOptions {
  CommonOptions common;
  std::string checkpoint = DVD_DEMO_CHECKPOINT, class_name, latents, interpolate, save_generator;
  dvd::Index count = 0, batch = 8, standing = 0;
  double truncation = 1, threshold = 0, fps = 8;
  std::string format = "gif";
  bool live = false;
};

void add_options(CLI::App& app, SampleProgramOptions& options) {
  options.common.add_to(app);
  app.add_option("--checkpoint", options.checkpoint,
                 "checkpoint to sample from, or a run's folder for its newest one; by default a small model of moving "
                 "shapes, trained with train_ucf101 --preset demo");
  auto* class_name =
      app.add_option("--class", options.class_name, "class by number or name; without it, all classes in turn");
  auto* count = app.add_option("--count", options.count, "number of videos; by default one a class, or 4 of one class");
  app.add_option("--truncation", options.truncation, "scale of the latents: below 1 safer, less varied")
      ->check(CLI::Range(0.0, 100.0))
      ->capture_default_str();
  app.add_option("--threshold", options.threshold, "redraw latents beyond this; 0 means never")->capture_default_str();
  app.add_option("--format", options.format, "gif, mp4, png or safetensors")
      ->check(CLI::IsMember({"gif", "mp4", "png", "safetensors"}))
      ->capture_default_str();
  auto* latents = app.add_option("--latents", options.latents, "safetensors file with z [N, latent_dim] and labels [N]")
                      ->excludes(class_name)
                      ->excludes(count);
  app.add_option("--interpolate", options.interpolate,
                 "latent: between two latents of one class; class: between two classes (see --class A,B) of one latent")
      ->excludes(latents)
      ->check(CLI::IsMember({"latent", "class"}));
  app.add_flag("--live", options.live, "sample the current weights rather than their moving average");
  app.add_option("--standing", options.standing,
                 "batches to collect standing statistics from; 0 uses the running statistics")
      ->check(CLI::Range(0, 100'000))
      ->capture_default_str();
  app.add_option("--save-generator", options.save_generator,
                 "write the weights that are sampled, alone and in half precision, to this safetensors file, and make "
                 "no videos: a checkpoint to give away");
  app.add_option("--batch", options.batch, "videos to make at a time")
      ->check(CLI::Range(1, 65536))
      ->capture_default_str();
  app.add_option("--fps", options.fps, "frames per second of gif and mp4")
      ->check(CLI::Range(0.1, 240.0))
      ->capture_default_str();
}

/// What to feed the generator: N latents, N labels and, when interpolating between classes, N second labels and how
/// much of them to take.
struct Request {
  Tensor z;  ///< [N, latent_dim]
  dvd::Labels labels, other_labels;
  std::vector<float> mix;
};

Request read_latents(const std::string& path, const dvd::DvdGanConfig& config) {
  const dvd::SafetensorsFile file(path);
  for (const char* name : {"z", "labels"})
    if (!file.contains(name)) throw dvd::FileError(dvd::concat(path, ": ", name, " is missing"));
  const auto& shape = file.shape("z");
  if (shape.size() != 2 || shape[0] < 1 || shape[1] != config.latent_dim)
    throw dvd::FileError(dvd::concat(path, ": z must have shape [N, ", config.latent_dim, "] with N at least 1"));
  if (file.shape("labels") != std::vector<std::int64_t>{shape[0]})
    throw dvd::FileError(dvd::concat(path, ": labels must have shape [", shape[0], "], one a row of z"));
  Request request{
      Tensor(dvd::Shape{shape[0], shape[1]}, file.read<float>("z")), file.read<std::int64_t>("labels"), {}, {}};
  if (!dvd::all_finite(request.z)) throw dvd::FileError(dvd::concat(path, ": z holds values that are not finite"));
  for (const dvd::Index label : request.labels)
    if (label < 0 || label >= config.classes)
      throw dvd::FileError(dvd::concat(path, ": label ", label, " is outside 0 .. ", config.classes - 1));
  return request;
}

/// `count` points on the way from one end to the other, both included.
float position(dvd::Index i, dvd::Index count) {
  return count > 1 ? static_cast<float>(i) / static_cast<float>(count - 1) : 0.5f;
}

Request draw_request(const SampleProgramOptions& options, const dvd::DvdGanConfig& config,
                     const std::vector<std::string>& names) {
  dvd::require(options.count >= 0 && options.count <= 1'000'000, "--count must be between 1 and 1000000, not ",
               options.count);
  std::vector<dvd::Index> chosen;
  if (options.interpolate == "class") {
    const std::size_t comma = options.class_name.find(',');
    dvd::require(comma != std::string::npos, "--interpolate class needs two classes, as in --class ", names.front(),
                 ",", names.back());
    chosen = {find_class(options.class_name.substr(0, comma), names),
              find_class(options.class_name.substr(comma + 1), names)};
  } else if (!options.class_name.empty()) {
    chosen = {find_class(options.class_name, names)};
  }
  const bool all_classes = chosen.empty() && options.interpolate.empty();
  const dvd::Index count = options.count > 0              ? options.count
                           : !options.interpolate.empty() ? 8
                           : all_classes                  ? config.classes
                                                          : 4;
  const auto draw = [&](dvd::Index latents, std::uint64_t seed) {
    return dvd::draw_latents<float>(
        config.latent_dim,
        {.count = latents, .seed = seed, .truncation = options.truncation, .threshold = options.threshold});
  };
  Request request;
  if (options.interpolate.empty()) {
    request.z = draw(count, options.common.seed);
    for (dvd::Index i = 0; i < count; ++i) request.labels.push_back(all_classes ? i % config.classes : chosen[0]);
    return request;
  }
  // On the way from one latent to another their squares' sum keeps a Gaussian's length: cos^2 + sin^2 = 1.
  const std::vector<float> ends = draw(2, options.common.seed).to_vector();
  std::vector<float> values;
  for (dvd::Index i = 0; i < count; ++i) {
    const float angle = options.interpolate == "latent" ? position(i, count) * 1.5707963f : 0.0f;
    for (dvd::Index k = 0; k < config.latent_dim; ++k)
      values.push_back(std::cos(angle) * ends[static_cast<std::size_t>(k)] +
                       std::sin(angle) * ends[static_cast<std::size_t>(config.latent_dim + k)]);
    request.labels.push_back(chosen.empty() ? 0 : chosen[0]);
    if (options.interpolate == "class") {
      request.other_labels.push_back(chosen[1]);
      request.mix.push_back(position(i, count));
    }
  }
  request.z = Tensor(dvd::Shape{count, config.latent_dim}, values);
  return request;
}

/// The videos of entries `first` .. `first + count - 1` of a request.
template <class Generator>
Tensor generate(Generator& generator, const Request& request, dvd::Index first, dvd::Index count) {
  const auto part_of = [&](const dvd::Labels& labels) {
    return dvd::Labels(labels.begin() + first, labels.begin() + first + count);
  };
  const Tensor z = request.z.slice(first, count);
  if (request.mix.empty()) return generator.forward(z, part_of(request.labels), dvd::Pass::evaluate());
  const dvd::Index latent_dim = z.extent(1), embed_dim = generator.config().embed_dim;
  const std::vector<float> latents = z.to_vector(),
                           a = generator.embedding.forward(part_of(request.labels)).to_vector(),
                           b = generator.embedding.forward(part_of(request.other_labels)).to_vector();
  std::vector<float> condition;
  for (dvd::Index n = 0; n < count; ++n) {
    condition.insert(condition.end(), latents.begin() + n * latent_dim, latents.begin() + (n + 1) * latent_dim);
    const float mix = request.mix[static_cast<std::size_t>(first + n)];
    for (dvd::Index k = n * embed_dim; k < (n + 1) * embed_dim; ++k)
      condition.push_back((1 - mix) * a[static_cast<std::size_t>(k)] + mix * b[static_cast<std::size_t>(k)]);
  }
  return generator.forward_condition(Tensor(dvd::Shape{count, latent_dim + embed_dim}, condition),
                                     dvd::Pass::evaluate());
}

/// Writes all videos as one picture, or one file a video, or one safetensors file. Returns what was written.
std::vector<std::filesystem::path> write(const SampleProgramOptions& options, const Request& request,
                                         const std::vector<std::string>& names, const std::vector<float>& values,
                                         const std::vector<dvd::Clip>& clips) {
  const std::filesystem::path folder = options.common.out;
  const auto count = static_cast<dvd::Index>(clips.size());
  const dvd::Clip& first = clips.front();
  if (options.format == "safetensors") {
    dvd::SafetensorsWriter writer;
    const std::vector<float> z = request.z.to_vector();
    writer.add<float>("videos", {count, first.frames, 3, first.height, first.width}, values);
    writer.add<std::int64_t>("labels", {count}, request.labels);
    writer.add<float>("z", {count, request.z.extent(1)}, z);
    writer.write(folder / "videos.safetensors");
    return {folder / "videos.safetensors"};
  }
  const int scale = dvd::legible_scale(first.height);
  if (options.format == "png") {
    dvd::write_png(folder / "videos.png", dvd::film_strips(clips, scale, 2));
    return {folder / "videos.png"};
  }
  std::vector<std::filesystem::path> files;
  const auto write_clip = [&](const std::string& name, const dvd::Clip& clip) {
    files.push_back(folder / (name + "." + options.format));
    if (options.format == "gif")
      dvd::write_gif(files.back(), clip, options.fps);
    else
      dvd::write_mp4(files.back(), clip, options.fps);
  };
  for (dvd::Index i = 0; i < count; ++i) {
    std::string name = names[static_cast<std::size_t>(request.labels[static_cast<std::size_t>(i)])];
    for (char& letter : name)
      if (letter == '/' || letter == '\\' || static_cast<unsigned char>(letter) < 32) letter = '_';
    write_clip(fmt::format("{:04}-{}", i, name),
               dvd::tile_clips(std::span(&clips[static_cast<std::size_t>(i)], 1), 1, scale, 0));
  }
  if (count > 1 && count <= 64) {
    const auto columns = static_cast<dvd::Index>(std::ceil(std::sqrt(static_cast<double>(count))));
    write_clip("all", dvd::tile_clips(clips, columns, scale, 2));
  }
  return files;
}

/// Writes a generator in half precision, under the names that a checkpoint gives to its only weights.
template <class Generator>
void save_generator(const std::filesystem::path& path, Generator& generator,
                    const std::map<std::string, std::string>& metadata) {
  dvd::SafetensorsWriter writer;
  std::deque<std::vector<float>> values;  // the writer refers to what is not converted
  const auto add = [&](const std::string& name, const Tensor& tensor) {
    values.push_back(tensor.to_vector());
    const bool fits = std::all_of(values.back().begin(), values.back().end(),
                                  [](float value) { return std::abs(value) <= 65504; });  // the largest half
    writer.add(name, {tensor.shape().begin(), tensor.shape().end()}, values.back(),
               fits ? dvd::DataType::F16 : dvd::DataType::F32);
  };
  const auto all = dvd::contents(generator, "generator.");
  for (const auto& [name, parameter] : all.parameters) add(name, parameter->value);
  for (const auto& [name, buffer] : all.buffers) add(name, buffer->value);
  for (const char* key : {"config", "dvd.version"})
    if (metadata.contains(key)) writer.set_metadata(key, metadata.at(key));
  writer.add_checksum();
  writer.write(path);
}

template <class Parts>
int sample(const SampleProgramOptions& options, const std::filesystem::path& path,
           std::optional<dvd::SafetensorsFile> file) {
  const dvd::DvdGanConfig config = dvd::read_config(*file, path);
  dvd::require(config.condition_frames == 0, path.string(), " is of a model that continues videos; use predict_frames");
  const std::vector<std::string> names = class_names(*file, config.classes);
  const Request request =
      options.latents.empty() ? draw_request(options, config, names) : read_latents(options.latents, config);

  typename dvd::DvdGan<float, dvd::Cpu, Parts>::Networks networks(config, dvd::Random(0));
  load_weights(*file, path, networks, options.live);
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

  std::vector<float> values;
  std::vector<dvd::Clip> clips;
  const auto count = static_cast<dvd::Index>(request.labels.size());
  for (dvd::Index done = 0; done < count; done += options.batch) {
    const Tensor videos = generate(generator, request, done, std::min(options.batch, count - done));
    for (dvd::Clip& clip : dvd::to_clips(videos)) clips.push_back(std::move(clip));
    if (options.format == "safetensors") {
      const std::vector<float> some = dvd::to_file_order(videos);
      values.insert(values.end(), some.begin(), some.end());
    }
  }
  const auto files = write(options, request, names, values, clips);
  if (!options.common.quiet) {
    fmt::print("{} video{} of {} frames of {}x{} pixels\n", count, count == 1 ? "" : "s", config.frames,
               config.resolution, config.resolution);
    fmt::print("{}{}\n", files.back().string(), files.size() > 1 ? fmt::format(" and {} more", files.size() - 1) : "");
  }
  return 0;
}

int sample(const SampleProgramOptions& options) {
  options.common.check_device();
  dvd::require(options.fps >= 0.1 && options.fps <= 240, "--fps must be between 0.1 and 240, not ", options.fps);
  const dvd::ThreadLimit threads(options.common.threads);
  const std::filesystem::path path = find_checkpoint(options.checkpoint);
  std::optional<dvd::SafetensorsFile> file(path);
  const std::string recurrent = recurrent_of(*file);
  return with_recurrent_unit(recurrent, [&]<class Parts>() { return sample<Parts>(options, path, std::move(file)); });
}

}  // namespace
}  // namespace examples

int main(int argc, char** argv) {
  examples::SampleProgramOptions options;
  options.common.out = "samples";
  CLI::App app("Samples videos from a checkpoint of a DVD-GAN.", "sample_videos");
  examples::add_options(app, options);
  return examples::run(app, argc, argv, [&] { return examples::sample(options); });
}
