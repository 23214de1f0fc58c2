// The configuration of a model as JSON, the form it has in checkpoints and in config.json.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "dvd/models/config.hpp"
#include "dvd/models/video_gan.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

using Json = nlohmann::ordered_json;

namespace detail {

inline bool is_deeper_than(int levels, const Json& json) {
  if (!json.is_structured()) return false;
  if (levels == 0) return true;
  for (const Json& each : json)
    if (is_deeper_than(levels - 1, each)) return true;
  return false;
}

/// JSON out of a file, for a message. Writing it calls itself for every level, so that a file of many thousands of
/// brackets would end the program; and a message is to be read.
inline std::string shown(const Json& json) {
  if (json.is_discarded()) return "no JSON";
  if (is_deeper_than(32, json)) return "JSON of more than 32 levels";
  std::string text = json.dump();
  constexpr std::size_t most = 1000;
  if (text.size() > most) text = text.substr(0, most) + "...";
  return text;
}

}  // namespace detail

/// The configuration as it stands in a checkpoint: what describes other sizes than squares of three channels, only
/// where it does not follow from the rest.
inline Json to_json(const DvdGanConfig& config) {
  const Index height = config.image_height(), width = config.image_width();
  const bool by_resolution =
      config.height == 0 || config.width == 0 || (height == config.resolution && width == config.resolution);
  Json json = {{"frames", config.frames}};
  if (by_resolution) json["resolution"] = config.resolution;
  json.update({{"channels", config.channels},
               {"classes", config.classes},
               {"latent_dim", config.latent_dim},
               {"embed_dim", config.embed_dim},
               {"spatial_frames", config.spatial_frames},
               {"condition_frames", config.condition_frames},
               {"upsample", config.upsample == Upsampling::bilinear ? "bilinear" : "nearest"}});
  if (config.image_channels != 3) json["image_channels"] = config.image_channels;
  if (!by_resolution || height != config.resolution) json["height"] = height;
  if (!by_resolution || width != config.resolution) json["width"] = width;
  const Index stages = config.stages();
  const auto list = [&](const char* name, const std::vector<Index>& given, const std::vector<Index>& by_default) {
    if (!given.empty() && given != by_default) json[name] = given;
  };
  list("generator_multipliers", config.generator_multipliers, DvdGanConfig::default_generator_multipliers(stages));
  list("discriminator_multipliers", config.discriminator_multipliers,
       DvdGanConfig::default_discriminator_multipliers(stages));
  return json;
}

/// The sizes of a generator's videos: what stands for a configuration in files of a GAN that has none of its own.
inline Json to_json(const VideoSizes& sizes) {
  return {{"frames", sizes.frames},
          {"height", sizes.height},
          {"width", sizes.width},
          {"image_channels", sizes.channels},
          {"latent_dim", sizes.latent_dim},
          {"classes", sizes.classes},
          {"condition_frames", sizes.condition_frames},
          {"condition_dim", sizes.condition_dim}};
}

/// Reads a configuration; fields that it does not know are left alone. Throws ArgumentError, naming the field, if one
/// is missing or makes no sense.
inline DvdGanConfig config_from_json(const Json& json) {
  require(json.is_object(), "the configuration is not a JSON object");
  const auto checked = [](const char* name, const Json& field) {
    require(field.is_number_integer(), "the configuration's \"", name, "\" is not an integer");
    constexpr Index most = 1'000'000'000;
    const bool beyond = field.is_number_unsigned() && field.get<std::uint64_t>() > std::uint64_t{most};
    const Index value = field.get<Index>();
    require(!beyond && value >= -most && value <= most, "the configuration's \"", name, "\" is too large");
    return value;
  };
  const auto given = [&](const char* name) { return json.contains(name) && !json[name].is_null(); };
  const auto number = [&](const char* name) {
    require(json.contains(name) && json[name].is_number_integer(), "the configuration has no integer \"", name, "\"");
    return checked(name, json[name]);
  };
  // Of a size that is given: 0 stands for one that is not.
  const auto size = [&](const char* name) {
    const Index value = checked(name, json[name]);
    require(value >= 1, name, " must be at least 1, not ", value);
    return value;
  };
  const auto list = [&](const char* name) {
    require(json[name].is_array() && !json[name].empty(), "the configuration's \"", name, "\" is no list of integers");
    std::vector<Index> values;
    for (const Json& value : json[name]) values.push_back(checked(name, value));
    return values;
  };
  DvdGanConfig config;
  config.frames = number("frames");
  if (given("height")) config.height = size("height");
  if (given("width")) config.width = size("width");
  if (given("resolution") || config.height == 0 || config.width == 0) config.resolution = number("resolution");
  if (given("image_channels")) config.image_channels = checked("image_channels", json["image_channels"]);
  config.channels = number("channels");
  config.classes = number("classes");
  config.latent_dim = number("latent_dim");
  if (given("embed_dim") || config.classes != 0) config.embed_dim = number("embed_dim");
  config.spatial_frames = number("spatial_frames");
  if (json.contains("condition_frames")) config.condition_frames = number("condition_frames");
  if (given("generator_multipliers")) config.generator_multipliers = list("generator_multipliers");
  if (given("discriminator_multipliers")) config.discriminator_multipliers = list("discriminator_multipliers");
  const auto upsample = json.find("upsample");
  if (upsample != json.end()) {
    require(*upsample == "bilinear" || *upsample == "nearest",
            "the configuration's \"upsample\" must be \"bilinear\" or \"nearest\"");
    config.upsample = *upsample == "bilinear" ? Upsampling::bilinear : Upsampling::nearest;
  }
  config.validate();
  return config;
}

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
