// Networks out of safetensors files: a checkpoint's configuration, and any of its networks alone.
//
//     const dvd::SafetensorsFile file("run.safetensors");
//     const dvd::DvdGanConfig config = dvd::read_config(file, "run.safetensors");
//     dvd::GeneratorNetworks<dvd::Generator<float>> networks(config, dvd::Random(0));
//     dvd::load_generator(file, "run.safetensors", networks);
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include "dvd/core/finite.hpp"
#include "dvd/io/safetensors.hpp"
#include "dvd/models/config_json.hpp"
#include "dvd/models/generator_networks.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// Throws FileError if the file has a checksum that does not fit its content.
inline void check_checksum(const SafetensorsFile& file, const std::filesystem::path& path) {
  if (!file.checksum_fits())
    throw FileError(concat(path.string(),
                           ": is damaged, or was edited by another program: its content does not fit the ",
                           "checksum in its metadata (to use an edited file, remove \"checksum\" from the metadata)"));
}

namespace detail {

inline std::vector<std::int64_t> file_shape(const Shape& shape) { return {shape.begin(), shape.end()}; }

/// Throws FileError unless the file holds floating-point values of this shape under this name.
inline void check_tensor(const SafetensorsFile& file, const std::filesystem::path& path, const std::string& name,
                         const Shape& shape) {
  if (!file.contains(name)) throw FileError(concat(path.string(), ": ", name, " is missing"));
  if (file.shape(name) != file_shape(shape)) {
    Shape found;
    if (file.shape(name).size() <= Shape::max_rank)
      for (const auto extent : file.shape(name)) found.append(extent);
    throw FileError(
        concat(path.string(), ": ", name, " has shape ", found, ", but the configuration asks for ", shape));
  }
  const DataType type = file.type(name);
  if (type != DataType::F32 && type != DataType::F64 && type != DataType::F16 && type != DataType::BF16)
    throw FileError(concat(path.string(), ": ", name, " holds ", name_of(type), ", not floating-point values"));
}

template <class T, class D>
void read_tensor(const SafetensorsFile& file, const std::string& name, Tensor<T, D>& tensor) {
  tensor.assign(file.read<T>(name));
}

/// Throws FileError if a network that was read from the file holds something that is not finite.
template <class Network>
void check_finite(const std::filesystem::path& path, Network& network) {
  if (const std::string name = first_non_finite(contents(network)); !name.empty())
    throw FileError(concat(path.string(), ": ", name, " holds values that are not finite"));
}

/// As load_network, of a file whose checksum is known to fit. With `others`, names that are not the network's are left
/// alone.
template <class Network>
void read_network(const SafetensorsFile& file, const std::filesystem::path& path, Network& network,
                  const std::string& prefix, bool others = false) {
  auto all = contents(network, prefix);
  std::set<std::string> known;
  for (const auto& [name, parameter] : all.parameters) known.insert(name);
  for (const auto& [name, buffer] : all.buffers) known.insert(name);
  std::string unknown;
  for (const std::string& name : file.names())
    if (unknown.empty() && !others && name.starts_with(prefix) && !known.contains(name)) unknown = name;
  for (const std::string& name : known)
    if (!unknown.empty() && !file.contains(name))
      throw FileError(concat(path.string(), ": is of another kind of model: ", name, " is missing, and ", unknown,
                             " has no place"));
  for (const auto& [name, parameter] : all.parameters) check_tensor(file, path, name, parameter->value.shape());
  for (const auto& [name, buffer] : all.buffers) check_tensor(file, path, name, buffer->value.shape());
  if (!unknown.empty())
    throw FileError(concat(path.string(), ": ", unknown, " is not part of a network of this configuration"));
  for (auto& [name, parameter] : all.parameters) detail::read_tensor(file, name, parameter->value);
  for (auto& [name, buffer] : all.buffers) detail::read_tensor(file, name, buffer->value);
}

/// As load_generator, of a file whose checksum is known to fit, into networks that are of no use where it throws.
template <class Networks>
void read_generator(const SafetensorsFile& file, const std::filesystem::path& path, Networks& networks, bool live) {
  const std::string prefix = !live && file.contains("ema.generator.input.weight") ? "ema." : "";
  if (!networks.conditioning && file.contains(prefix + "conditioning.projections.0.weight"))
    throw FileError(concat(path.string(),
                           ": has weights of a model that continues videos, but its configuration tells ",
                           "no condition_frames"));
  read_network(file, path, networks.generator, prefix + "generator.");
  if (networks.conditioning) read_network(file, path, *networks.conditioning, prefix + "conditioning.");
  check_finite(path, networks);
}

}  // namespace detail

/// The configuration of the model in a checkpoint, checked against the sizes of its largest tensors, so that a damaged
/// one cannot ask for much more memory than the file has. Throws FileError.
inline DvdGanConfig read_config(const SafetensorsFile& file, const std::filesystem::path& path) {
  const auto found = file.metadata().find("config");
  if (found == file.metadata().end())
    throw FileError(concat(path.string(), ": no configuration in the metadata; not a checkpoint of a DVD-GAN"));
  const Json json = Json::parse(found->second, nullptr, false);
  try {
    DvdGanConfig config = config_from_json(json);
    const auto widths = config.generator_widths();
    if (config.classes > 0)
      detail::check_tensor(file, path, "generator.embedding.weight", {config.classes, config.embed_dim});
    detail::check_tensor(file, path, "generator.input.weight",
                         {config.base_height() * config.base_width() * widths.front(), config.condition_dim()});
    detail::check_tensor(file, path, "generator.output.norm.running_mean", {config.frames, widths.back()});
    detail::check_tensor(file, path, "generator.output.conv.weight", {config.image_channels, widths.back(), 3, 3});
    for (std::size_t i = 0; i + 1 < widths.size(); ++i)
      detail::check_tensor(file, path, concat("generator.stages.", i, ".blocks.0.conv1.weight"),
                           {widths[i], widths[i], 3, 3});
    const auto features = config.discriminator_widths();
    if (config.condition_frames > 0)
      detail::check_tensor(file, path, "conditioning.projections.0.weight",
                           {widths.front(), config.condition_frames * features.back(), 3, 3});
    for (const std::string network : {"spatial.", "conditioning."})  // of which a file may have none
      for (std::size_t i = 0; i < features.size() && file.contains(network + "blocks.0.conv2.weight"); ++i)
        detail::check_tensor(file, path, concat(network, "blocks.", i, ".conv2.weight"),
                             {features[i], features[i], 3, 3});
    return config;
  } catch (const ArgumentError& error) {
    throw FileError(concat(path.string(), ": ", error.what()));
  }
}

/// Loads one network, for example a generator from the names below "ema.generator.". All names and shapes are checked
/// before the first value is taken. Throws FileError if one is missing, unknown or of another shape, and if the file's
/// checksum does not fit; the network is then unchanged.
template <class Network>
void load_network(const SafetensorsFile& file, const std::filesystem::path& path, Network& network,
                  const std::string& prefix) {
  check_checksum(file, path);
  detail::read_network(file, path, network, prefix);
}

/// Loads what samples are made from, the averaged weights of a checkpoint, or the current ones if it has no average or
/// they are wanted `live`. `networks` are GeneratorNetworks. Throws FileError if the file is damaged or of another
/// model and if a weight is not finite; the networks are then as they were.
template <class Networks>
void load_generator(const SafetensorsFile& file, const std::filesystem::path& path, Networks& networks,
                    bool live = false) {
  check_checksum(file, path);
  Networks loaded = networks;
  detail::read_generator(file, path, loaded, live);
  const auto from = contents(loaded), to = contents(networks);  // in place: a recording may have noted where they are
  for (std::size_t i = 0; i < from.parameters.size(); ++i)
    to.parameters[i].parameter->value.copy_from(from.parameters[i].parameter->value);
  for (std::size_t i = 0; i < from.buffers.size(); ++i)
    to.buffers[i].buffer->value.copy_from(from.buffers[i].buffer->value);
}

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
