// What a network says of real clips, kept from one evaluation to the next: it does not change, and costs more than the
// model's own clips.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <filesystem>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "dvd/io/safetensors.hpp"
#include "dvd/io/user_cache.hpp"
#include "dvd/metrics/feature_sample.hpp"
#include "dvd/metrics/fingerprint.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// A folder of samples, each in a file named by the fingerprint of how it was made. That a file is missing, damaged or
/// cannot be written is no error: the sample is taken again.
class StatisticsCache {
 public:
  /// An empty path keeps nothing.
  explicit StatisticsCache(std::filesystem::path folder) : folder_(std::move(folder)) {}

  /// `$XDG_CACHE_HOME/dvd/scores` or `~/.cache/dvd/scores`; empty where the user has neither.
  static std::filesystem::path default_folder() {
    const std::filesystem::path cache = user_cache_folder();
    return cache.empty() ? cache : cache / "scores";
  }

  /// What was kept under a fingerprint.
  std::optional<FeatureSample> find(const Fingerprint& fingerprint) const {
    std::error_code error;
    const std::filesystem::path path = path_of(fingerprint);
    if (folder_.empty() || !std::filesystem::is_regular_file(path, error)) return std::nullopt;
    try {
      const SafetensorsFile file(path);
      const auto said = file.metadata().find("made_so");
      if (said == file.metadata().end() || said->second != text_of(fingerprint) || !file.checksum_fits())
        return std::nullopt;
      FeatureSample sample;
      const std::vector<std::int64_t> count = file.read<std::int64_t>("count");
      if (count.size() != 1) return std::nullopt;
      sample.moments = FeatureMoments(count[0], file.read<double>("mean"), file.read<double>("scatter"));
      sample.features = rows(file, "features");
      sample.probabilities = rows(file, "probabilities");
      return sample;
    } catch (const Error&) {
      return std::nullopt;
    }
  }

  /// Keeps a sample; its labels are not.
  void put(const Fingerprint& fingerprint, const FeatureSample& sample) const {
    if (folder_.empty() || sample.clips() == 0) return;
    std::error_code error;
    std::filesystem::create_directories(folder_, error);
    const std::vector<double> mean = sample.moments.mean(), scatter = sample.moments.scatter();
    const auto dimensions = static_cast<std::int64_t>(mean.size());
    const std::int64_t count[] = {sample.clips()};
    SafetensorsWriter writer;
    writer.add<std::int64_t>("count", {1}, std::span(count));
    writer.add<double>("mean", {dimensions}, mean);
    writer.add<double>("scatter", {dimensions, dimensions}, scatter);
    for (const auto& [name, rows] : {std::pair{"features", &sample.features}, {"probabilities", &sample.probabilities}})
      if (rows->count() > 0) writer.add<double>(name, {rows->count(), rows->dimensions}, rows->values);
    writer.set_metadata("made_so", text_of(fingerprint));
    writer.add_checksum();
    try {
      writer.write(path_of(fingerprint));
    } catch (const FileError&) {
    }
  }

 private:
  static std::string text_of(const Fingerprint& fingerprint) {
    std::string text;
    for (const auto& [name, value] : fingerprint.fields()) text += name + ": " + value + '\n';
    return text;
  }

  static FeatureRows rows(const SafetensorsFile& file, const std::string& name) {
    if (!file.contains(name)) return {};
    const auto& shape = file.shape(name);
    if (shape.size() != 2) throw FileError(concat("expected rows of ", name));
    return {shape[1], file.read<double>(name)};
  }

  std::filesystem::path path_of(const Fingerprint& fingerprint) const {
    return folder_ / (fingerprint.hash() + ".safetensors");
  }

  std::filesystem::path folder_;
};

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
