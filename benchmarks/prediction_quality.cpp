// How good are predictions of a model trained to continue moving shapes? Gives it the first frames of clips that it has
// not seen, and compares what it makes with how they go on, next to the trivial predictor that repeats the last frame
// it was given. Prints a table with a row for every predicted frame and their mean:
//
//     position   mean distance, in pixels, between the centre of the bright region and that of the true one
//     PSNR       of the frame, in dB
//
// and below it the share of clips
//
//     lost       in which some predicted frame shows no bright region (they are left out of the positions)
//     direction  whose region moves within 45 degrees of the true direction, by at least half the true way
//     shape      whose predicted region is the shape that was seen, told as shapes_judge.hpp tells it
//     classified in whose predicted frames the classifier of moving shapes finds the shape that was seen
//     hue        whose region has, in the mean of the predicted frames, within 15 degrees the hue of the last given one

#include <CLI/CLI.hpp>
#include <array>
#include <cstdio>
#include <dvd/data/moving_shapes.hpp>
#include <dvd/device/cpu.hpp>
#include <dvd/io/clip_tensor.hpp>
#include <dvd/metrics/class_accuracy.hpp>
#include <dvd/metrics/shapes_features.hpp>
#include <dvd/metrics/shapes_weights.hpp>
#include <dvd/models/prediction.hpp>
#include <dvd/training/checkpoint.hpp>

#include "../examples/common/checkpoints.hpp"
#include "../examples/common/psnr.hpp"
#include "../examples/common/recurrent.hpp"
#include "shapes_judge.hpp"

namespace {

using benchmarks::find_regions;
using benchmarks::Region;
using examples::psnr;

/// Errors of one predicted frame, summed over clips.
struct Errors {
  double position = 0, psnr = 0;
};

double distance(const Region& a, const Region& b) { return std::hypot(a.x - b.x, a.y - b.y); }

/// The hue, in degrees, of the mean colour inside the regions of some frames.
double hue_of(const dvd::Clip& clip, const std::vector<Region>& regions, std::int64_t first, std::int64_t frames) {
  std::array<double, 3> sum{};
  for (std::int64_t t = first; t < first + frames; ++t)
    for (std::int64_t i = 0; i < clip.height * clip.width; ++i)
      if (regions[static_cast<std::size_t>(t)].inside[static_cast<std::size_t>(i)])
        for (std::size_t c = 0; c < 3; ++c)
          sum[c] += static_cast<double>(clip.frame(t)[i * 3 + static_cast<std::int64_t>(c)]);
  constexpr double pi = 3.14159265358979323846;
  // The angle of the colour seen along the grey axis.
  return std::atan2(std::sqrt(3.0) * (sum[1] - sum[2]), 2 * sum[0] - sum[1] - sum[2]) * 180 / pi;
}

/// Degrees between two hues.
double between(double a, double b) { return std::abs(std::remainder(a - b, 360)); }

/// Compares predictions with the truth, frame by frame.
class Comparison {
 public:
  Comparison(std::int64_t given, std::int64_t frames)
      : given_(given), model_(static_cast<std::size_t>(frames)), repeat_(static_cast<std::size_t>(frames)) {}

  /// `made` begins with the given frames, as `truth` does. `shape` is 0, 1 or 2; `classified` what a classifier says.
  void see(const dvd::Clip& truth, const dvd::Clip& made, std::int64_t shape, std::int64_t classified) {
    ++clips_;
    classified_ += classified == shape;
    const std::int64_t size = truth.height * truth.width * 3;
    for (std::size_t i = 0; i < model_.size(); ++i) {
      const std::int64_t t = given_ + static_cast<std::int64_t>(i);
      model_[i].psnr += psnr(truth.frame(t), made.frame(t), size);
      repeat_[i].psnr += psnr(truth.frame(t), truth.frame(given_ - 1), size);
    }
    const auto expected = find_regions(truth), found = find_regions(made);
    if (!expected || !found) return;
    ++found_;
    const auto last = static_cast<std::size_t>(given_ - 1);
    for (std::size_t i = 0; i < model_.size(); ++i) {
      model_[i].position += distance((*found)[last + 1 + i], (*expected)[last + 1 + i]);
      repeat_[i].position += distance((*expected)[last], (*expected)[last + 1 + i]);
    }
    const Region &from = (*expected)[last], &to = expected->back(), &reached = found->back();
    const double along = (to.x - from.x) * (reached.x - from.x) + (to.y - from.y) * (reached.y - from.y);
    const double true_way = distance(from, to), way = distance(from, reached);
    right_ += along > std::sqrt(0.5) * true_way * way && way > 0.5 * true_way;
    std::vector<double> fills;
    for (std::size_t i = 0; i < model_.size(); ++i) fills.push_back((*found)[last + 1 + i].fill);
    shapes_ += benchmarks::shape_of_fill(benchmarks::quantile(fills, 0.5)) == shape;
    hues_ += between(hue_of(truth, *expected, given_ - 1, 1),
                     hue_of(made, *found, given_, static_cast<std::int64_t>(model_.size()))) <= 15;
  }

  void print(const std::string& name) const {
    std::printf("%s, %lld clips\n\n", name.c_str(), static_cast<long long>(clips_));
    std::printf("| frame | position: model | repeated | PSNR: model | repeated |\n|---|---|---|---|---|\n");
    const double found = std::max<double>(static_cast<double>(found_), 1), clips = static_cast<double>(clips_);
    Errors model, repeat;
    const auto row = [](const std::string& frame, const Errors& a, const Errors& b) {
      std::printf("| %s | %.2f | %.2f | %.1f | %.1f |\n", frame.c_str(), a.position, b.position, a.psnr, b.psnr);
    };
    const auto count = static_cast<double>(model_.size());
    for (std::size_t i = 0; i < model_.size(); ++i) {
      const Errors a{model_[i].position / found, model_[i].psnr / clips};
      const Errors b{repeat_[i].position / found, repeat_[i].psnr / clips};
      row(std::to_string(i + 1), a, b);
      model = {model.position + a.position / count, model.psnr + a.psnr / count};
      repeat = {repeat.position + b.position / count, repeat.psnr + b.psnr / count};
    }
    row("mean", model, repeat);
    const auto share = [&](std::int64_t of) { return static_cast<double>(of) / clips; };
    std::printf("\nlost %.3f, direction %.3f, shape %.3f, classified %.3f, hue %.3f\n", 1 - share(found_),
                share(right_), share(shapes_), share(classified_), share(hues_));
  }

 private:
  std::int64_t given_;
  std::int64_t clips_ = 0, found_ = 0, right_ = 0, shapes_ = 0, classified_ = 0, hues_ = 0;
  std::vector<Errors> model_, repeat_;
};

template <class Parts>
void judge(const std::filesystem::path& path, const dvd::SafetensorsFile& file, std::int64_t clips,
           std::int64_t steps) {
  const std::string name = path.string();
  const dvd::DvdGanConfig config = dvd::read_config(file, name);
  dvd::require(config.condition_frames > 0, name, ": makes videos from nothing; shapes_quality is for it");
  dvd::require(config.classes == 12 || config.classes == 1, name, ": has ", config.classes,
               " classes, moving shapes have 12");
  typename dvd::DvdGan<float, dvd::Cpu, Parts>::Networks networks(config, dvd::Random(0));
  dvd::load_generator(file, path, networks);

  if (steps == 0) steps = config.frames;
  const dvd::Index given = config.condition_frames;
  // Beyond the length of the training's clips shapes would leave the frame: there is no truth to compare with.
  dvd::require(steps <= config.frames, "--steps may be at most ", config.frames, ", the model's own length");
  const dvd::MovingShapes shapes({.frames = config.video_frames(), .resolution = config.resolution});
  Comparison comparison(given, steps);
  dvd::ShapesFeatures<float> classifier(dvd::shapes_classifier());
  constexpr dvd::Index batch = 12;
  for (dvd::Index first = 0; first < clips; first += batch) {
    std::vector<dvd::Clip> truth;
    dvd::Labels labels;
    for (dvd::Index i = first; i < std::min(first + batch, clips); ++i) {
      dvd::Clip clip = shapes.draw(dvd::Random(1).stream("unseen").stream(static_cast<std::uint64_t>(i)), i % 12).clip;
      clip.frames = given + steps;
      clip.pixels.resize(static_cast<std::size_t>(clip.frames * clip.height * clip.width * 3));
      truth.push_back(std::move(clip));
      labels.push_back(config.classes == 12 ? i % 12 : 0);
    }
    const auto condition = dvd::to_tensor<float>(truth).slice(0, given);
    const auto made =
        dvd::continue_videos(networks, condition, labels, steps, {.seed = static_cast<std::uint64_t>(first)});
    const std::vector<dvd::Clip> predicted = dvd::to_clips(made.frames);
    const dvd::FeatureRows logits = classifier(made.frames).logits;
    for (std::size_t n = 0; n < truth.size(); ++n) {
      dvd::Clip whole = truth[n];
      std::ranges::copy(predicted[n].pixels, whole.frame(given));
      // Classes are directions within shapes.
      comparison.see(truth[n], whole, (first + static_cast<dvd::Index>(n)) % 12 / 4,
                     dvd::likeliest_class(logits.row(static_cast<dvd::Index>(n))) / 4);
    }
  }
  comparison.print(name);
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::string> checkpoints;
  std::int64_t clips = 240, steps = 0;
  CLI::App app("Judges predictions of models trained to continue moving shapes.", "prediction_quality");
  app.add_option("checkpoints", checkpoints, "checkpoints to judge, or folders of runs; their averaged weights predict")
      ->required();
  app.add_option("--clips", clips, "clips, of all classes in turn")
      ->check(CLI::Range(1, 100'000))
      ->capture_default_str();
  app.add_option("--steps", steps, "frames to predict; 0: as many as the model makes")->check(CLI::Range(0, 4096));
  CLI11_PARSE(app, argc, argv);
  try {
    for (const std::string& name : checkpoints) {
      const auto path = examples::find_checkpoint(name);
      const dvd::SafetensorsFile file(path);
      examples::with_recurrent_unit(examples::recurrent_of(file), [&]<class Parts>() {
        judge<Parts>(path, file, clips, steps);
        return 0;
      });
    }
  } catch (const std::exception& error) {
    std::fprintf(stderr, "prediction_quality: %s\n", error.what());
    return 1;
  }
}
