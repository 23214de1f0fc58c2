// What a run logs, for TensorBoard, too.
#pragma once

#include <dvd/io/run_folder.hpp>
#include <dvd/io/tensorboard_writer.hpp>
#include <dvd/models/config_json.hpp>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <optional>
#include <string>

namespace examples {

/// Writes event files into the folder `tensorboard` of a run.
class Board {
 public:
  /// `next_step`: the first step that is written; what earlier parts of the run have of it and later ones is void.
  Board(const std::filesystem::path& run, dvd::Index next_step)
      : writer_(run / "tensorboard",
                next_step > 1 ? std::optional<std::int64_t>(next_step) : std::optional<std::int64_t>()) {}

  /// A line of log.jsonl: every number but the step, in groups.
  void add(const dvd::Json& line) {
    const auto step = line.at("step").get<std::int64_t>();
    for (const auto& [name, value] : line.items())
      if (name != "step" && value.is_number()) writer_.scalar(tag(name), step, value.get<double>());
  }

  /// The animation of a step or, in a build without video files, its picture.
  void add_samples(const dvd::RunFolder& folder, dvd::Index step) {
    for (const char* extension : {".gif", ".png"}) {
      std::ifstream file(folder.sample(step, extension), std::ios::binary);
      if (!file) continue;
      const std::string bytes{std::istreambuf_iterator<char>(file), {}};
      const auto [height, width] = size_of(bytes, extension[1] == 'g');
      if (height > 0 && width > 0) writer_.image("samples", step, std::as_bytes(std::span(bytes)), height, width);
      return;
    }
  }

 private:
  /// "loss_spatial" becomes "loss/spatial", so that TensorBoard draws the two discriminators' side by side.
  static std::string tag(const std::string& name) {
    for (const char* group : {"loss", "score", "gradient_norm", "sigma", "lr"})
      if (name.starts_with(std::string(group) + '_'))
        return std::string(group) + '/' + name.substr(std::string(group).size() + 1);
    if (name == "difference_from_truth") return "loss/" + name;
    for (const char* score :
         {"frechet_distance", "inception_score", "kernel_distance", "precision", "recall", "class_accuracy"})
      if (name == score) return "evaluation/" + name;
    return "run/" + name;
  }

  /// As the head of a GIF or of a PNG says; 0 where it is none.
  static std::pair<std::int64_t, std::int64_t> size_of(const std::string& bytes, bool gif) {
    const auto byte = [&](std::size_t i) { return static_cast<std::int64_t>(static_cast<unsigned char>(bytes[i])); };
    if (bytes.size() < 24) return {0, 0};
    if (gif) return {byte(8) | byte(9) << 8, byte(6) | byte(7) << 8};
    const auto word = [&](std::size_t i) { return byte(i) << 24 | byte(i + 1) << 16 | byte(i + 2) << 8 | byte(i + 3); };
    return {word(20), word(16)};
  }

  dvd::TensorBoardWriter writer_;
};

}  // namespace examples
