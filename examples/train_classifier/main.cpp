// Trains the classifier of moving shapes, by whose features and classes scores of the embedded data set are computed:
// weights/shapes_classifier.safetensors was made so.
//
//     train_classifier --out runs/classifier

#include <chrono>
#include <dvd/layers/cross_entropy.hpp>
#include <dvd/training/adam.hpp>
#include <dvd/training/schedule.hpp>
#include <nlohmann/json.hpp>

#include "../common/checkpoints.hpp"
#include "../common/program.hpp"
#include "../common/terminal.hpp"
#include "clips.hpp"

namespace {

using Classifier = dvd::VideoClassifier<float>;

struct Settings {
  std::int64_t steps = 2000, batch = 32, clips = 240;
};

/// Prints how it goes, a line every so often.
class ProgressLines {
 public:
  ProgressLines(dvd::Index steps, bool quiet) : steps_(steps), quiet_(quiet) {}

  void count(dvd::Index step, double loss) {
    constexpr dvd::Index every = 100;
    loss_ += loss;
    if (++counted_; step % every != 0 && step != steps_) return;
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
    const double left = seconds / static_cast<double>(step) * static_cast<double>(steps_ - step);
    if (!quiet_) {
      fmt::print("step {}/{}  loss {:.4f}  {} left\n", step, steps_, loss_ / static_cast<double>(counted_),
                 examples::clock_text(left));
      std::fflush(stdout);
    }
    loss_ = 0, counted_ = 0;
  }

 private:
  dvd::Index steps_, counted_ = 0;
  bool quiet_;
  double loss_ = 0;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

void train(Classifier& classifier, const Settings& settings, const dvd::Random& random, bool quiet) {
  auto contents = dvd::contents(classifier);
  dvd::Adam<float> optimizer(contents, {.learning_rate = 3e-3, .beta1 = 0.9, .beta2 = 0.99});
  const dvd::Schedule schedule = dvd::WarmUp{.steps = 50, .then = dvd::CosineFall{.end = settings.steps}};
  const dvd::Tensor<float> apply = dvd::Tensor<float>::full(dvd::Shape{1}, 1);
  ProgressLines progress(settings.steps, quiet);
  for (dvd::Index step = 1; step <= settings.steps; ++step) {
    const examples::ClassifiedClips clips =
        examples::draw_clips(random.stream(static_cast<std::uint64_t>(step)), settings.batch);
    Classifier::Cache cache;
    const auto logits = classifier.forward(clips.videos, dvd::Pass::train(), &cache);
    const auto [loss, dlogits] = dvd::cross_entropy(logits, clips.labels);
    if (!dvd::is_finite(loss.item()))
      throw dvd::Error(dvd::concat("the loss of step ", step, " is not finite; choose another --seed"));
    contents.clear_gradients();
    classifier.backward(dlogits, cache, dvd::Gradients::parameters);
    optimizer.scale_learning_rate(schedule(step - 1));
    optimizer.advance();
    optimizer.step(apply);
    progress.count(step, static_cast<double>(loss.item()));
  }
}

/// Weights of convolutions and of the linear layer in half precision, the few others in full.
void save(Classifier& classifier, const std::filesystem::path& path, const Settings& settings, std::uint64_t seed) {
  dvd::SafetensorsWriter writer;
  std::vector<std::vector<float>> values;  // which stay in place until they are written
  const auto add = [&](const std::string& name, const dvd::Tensor<float>& tensor) {
    values.push_back(tensor.to_vector());
    const dvd::Shape& shape = tensor.shape();
    writer.add(name, {shape.begin(), shape.end()}, values.back(),
               shape.rank() > 1 ? dvd::DataType::F16 : dvd::DataType::F32);
  };
  const auto contents = dvd::contents(classifier);
  for (const auto& [name, parameter] : contents.parameters) add(name, parameter->value);
  for (const auto& [name, buffer] : contents.buffers) add(name, buffer->value);
  writer.set_metadata("network", dvd::shapes_network_name);
  writer.set_metadata("class_names", nlohmann::json(dvd::MovingShapes().class_names()).dump());
  writer.set_metadata("dvd.version", dvd::version);
  writer.set_metadata("seed", std::to_string(seed));
  writer.set_metadata("steps", std::to_string(settings.steps));
  writer.set_metadata("batch", std::to_string(settings.batch));
  writer.add_checksum();
  writer.write(path);
}

/// A table: a row for each size, a column for each length.
void print_accuracies(dvd::FeatureNetwork& network, std::int64_t clips, const dvd::Random& random) {
  constexpr dvd::Index lengths[] = {2, 4, 8, 16, 48};
  fmt::print("accuracy on {} fresh clips each, in %\n| pixels |", clips);
  for (const dvd::Index frames : lengths) fmt::print(" {} frames |", frames);
  fmt::print("\n|---|---|---|---|---|---|\n");
  const auto row = [&](const std::string& title, dvd::MovingShapesOptions size) {
    fmt::print("| {} |", title);
    for (const dvd::Index frames : lengths) {
      size.frames = frames;
      const dvd::Random own = random.stream(title).stream(static_cast<std::uint64_t>(frames));
      fmt::print(" {:.2f} |", 100 * examples::accuracy_of(network, size, clips, own));
      std::fflush(stdout);
    }
    fmt::print("\n");
  };
  for (const dvd::Index side : {8, 12, 16, 24, 32, 48, 64, 128})
    row(dvd::concat(side, "x", side), {.resolution = side});
  row("64x96", {.height = 64, .width = 96});
  row("64x32", {.height = 64, .width = 32});
  row("32x32, grey", {.resolution = 32, .image_channels = 1});
}

int run(const examples::CommonOptions& options, const Settings& settings) {
  options.require_cpu();
  const dvd::ThreadLimit threads(options.threads);
  const dvd::Random random(options.seed);
  Classifier classifier({}, random.stream("weights"));
  examples::make_folder(options.out);
  const std::filesystem::path path = std::filesystem::path(options.out) / "shapes_classifier.safetensors";
  examples::running = true;
  train(classifier, settings, random.stream("clips"), options.quiet);
  save(classifier, path, settings, options.seed);
  if (options.quiet) return 0;
  if (settings.clips > 0) {
    dvd::ShapesFeatures<float> network(dvd::SafetensorsFile(path), path);  // as others will read it
    print_accuracies(network, settings.clips, random.stream("held out"));
  }
  fmt::print("classifier {}\n", path.string());
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  examples::CommonOptions options;
  options.out = "runs/classifier";
  Settings settings;
  CLI::App app("Trains the classifier of moving shapes that scores of the embedded data set are computed with.",
               "train_classifier");
  options.add_to(app);
  const auto add = [&](const char* name, std::int64_t& value, const char* help, std::int64_t least, std::int64_t most) {
    app.add_option(name, value, help)->check(CLI::Range(least, most))->capture_default_str();
  };
  add("--steps", settings.steps, "steps to train", 1, 1'000'000);
  add("--batch", settings.batch, "clips a step", 2, 4096);
  add("--clips", settings.clips, "fresh clips of each size to test with; 0: no test", 0, 1'000'000);
  return examples::run(app, argc, argv, [&] { return run(options, settings); });
}
