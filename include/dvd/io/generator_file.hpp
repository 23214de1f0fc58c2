// A generator in a file of its own, and out of any checkpoint: for programs that make videos and do not train.
//
//     dvd::save_generator("alone.safetensors", gan.average);
//     const auto served = dvd::load_served_generator("alone.safetensors");     // a DVD-GAN's
//     const auto mine = dvd::load_served_generator("mine.safetensors", MyGenerator(dvd::Random::none()));
//
// The file holds the generator's weights and buffers under the names of its own `visit`, which are those that a
// checkpoint gives to the weights in training, with the configuration and a checksum in its metadata: what reads a
// checkpoint's generator reads this one, too.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <algorithm>
#include <cmath>
#include <concepts>
#include <deque>
#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "dvd/io/network_file.hpp"
#include "dvd/models/served_generator.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

namespace detail {

/// The networks of a DVD-GAN's generator, whose configuration is in their files.
template <class G>
concept DvdNetworks = requires(const G& networks) {
  { networks.generator.config() } -> std::convertible_to<DvdGanConfig>;
  {bool{networks.conditioning}};
};

template <class G>
Json config_of_generator(const G& generator) {
  if constexpr (DvdNetworks<G>)
    return to_json(generator.generator.config());
  else
    return to_json(VideoSizes(generator.sizes()));
}

/// Throws FileError if the file says that it is of a generator of other sizes.
inline void check_sizes(const SafetensorsFile& file, const std::filesystem::path& path, const VideoSizes& sizes) {
  const auto found = file.metadata().find("config");
  const Json config = found == file.metadata().end() ? Json() : Json::parse(found->second, nullptr, false);
  if (!config.is_object()) return;  // whose sizes the tensors have to tell
  const Json expected = to_json(sizes);
  for (const auto& [name, size] : expected.items())
    if (config.contains(name) && config[name] != size)
      throw FileError(concat(path.string(), ": is of another generator: its ", name, " is ", shown(config[name]),
                             ", not ", size.dump()));
}

/// As read_generator, of a generator of one's own.
template <VideoGenerator G>
requires(!DvdNetworks<G>) void read_generator(const SafetensorsFile& file, const std::filesystem::path& path,
                                              G& generator, bool live) {
  check_sizes(file, path, generator.sizes());
  // A checkpoint has each tensor twice; a generator saved alone, whatever its members are called, has it once.
  const auto all = contents(generator);
  const bool averaged = std::ranges::any_of(
      all.parameters, [&](const auto& each) { return file.contains(each.name) && file.contains("ema." + each.name); });
  const bool checkpoint = averaged || file.contains("optimizer.generator.step");
  const std::string prefix = averaged && !live ? "ema." : "";
  read_network(file, path, generator, prefix, checkpoint && prefix.empty());
  check_finite(path, generator);
}

}  // namespace detail

/// How a generator is saved alone.
struct GeneratorFileOptions {
  bool half = false;  ///< rounded to half precision, but for tensors with values beyond its range: half the size
  std::map<std::string, std::string> metadata = {};  ///< joins the configuration, or replaces it under "config"
};

/// Saves a generator alone: of a GAN mostly `gan.average`. The file appears whole or not at all, and carries a
/// checksum. Throws ArgumentError for weights that are not finite; FileError if the file cannot be written: a previous
/// one then stays.
template <VideoGenerator G>
void save_generator(const std::filesystem::path& path, const G& generator, const GeneratorFileOptions& options = {}) {
  using P = FullPrecision<typename G::scalar_type>;
  const auto all = contents(const_cast<G&>(generator));  // a visit shows places to write to; these are only read
  const std::string spoilt = first_non_finite(all);
  require(spoilt.empty(), spoilt, " holds values that are not finite, which cannot be saved");
  SafetensorsWriter writer;
  std::deque<std::vector<P>> values;  // the writer refers to what is not converted
  const auto add = [&](const std::string& name, const Tensor<P, typename G::device_type>& tensor) {
    const std::vector<P>& elements = values.emplace_back(tensor.to_vector());
    const bool fits = std::ranges::all_of(elements, [](P value) { return std::abs(value) <= P{65504}; });
    if (options.half && fits)
      writer.add(name, detail::file_shape(tensor.shape()), std::vector<float>(elements.begin(), elements.end()),
                 DataType::F16);
    else
      writer.add<P>(name, detail::file_shape(tensor.shape()), elements);
  };
  for (const auto& [name, parameter] : all.parameters) add(name, parameter->value);
  for (const auto& [name, buffer] : all.buffers) add(name, buffer->value);
  writer.set_metadata("config", detail::config_of_generator(generator).dump());
  for (const auto& [key, value] : options.metadata) writer.set_metadata(key, value);
  writer.add_checksum();
  writer.write(path);
}

/// The generator of a DVD-GAN out of a file that `save_generator` or `save_checkpoint` wrote, a program of this
/// project's or another that knows the names; of a checkpoint by its averaged weights, or the current ones if they are
/// wanted `live`. Its type says what it computes in, where and with which recurrent unit:
///
///     using Networks = dvd::GeneratorNetworks<dvd::Generator<dvd::bfloat16, dvd::Cuda>>;
///     const auto served = dvd::load_served_generator<Networks>("alone.safetensors");
///
/// Throws FileError that says what is wrong: that the file is damaged, of another kind of model, or which of its
/// tensors is missing, has another shape or is not finite.
template <VideoGenerator G = GeneratorNetworks<Generator<float>>>
requires std::constructible_from<G, const DvdGanConfig&, const Random&> ServedGenerator<G> load_served_generator(
    const std::filesystem::path& path, bool live = false) {
  const SafetensorsFile file(path);
  check_checksum(file, path);
  G generator(read_config(file, path), Random::none());
  detail::read_generator(file, path, generator, live);
  return ServedGenerator<G>(std::move(generator));
}

/// The same of any other generator, whose weights take the place of those of `generator`. A file that tells other sizes
/// of videos, or has not exactly its tensors, is refused.
template <VideoGenerator G>
ServedGenerator<G> load_served_generator(const std::filesystem::path& path, G generator, bool live = false) {
  const SafetensorsFile file(path);
  check_checksum(file, path);
  detail::read_generator(file, path, generator, live);
  return ServedGenerator<G>(std::move(generator));
}

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
