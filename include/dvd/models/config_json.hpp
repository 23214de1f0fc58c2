// The configuration of a model as JSON, the form it has in checkpoints and in config.json.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

#include "dvd/models/config.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

using Json = nlohmann::ordered_json;

inline Json to_json(const DvdGanConfig& config) {
  return {{"frames", config.frames},
          {"resolution", config.resolution},
          {"channels", config.channels},
          {"classes", config.classes},
          {"latent_dim", config.latent_dim},
          {"embed_dim", config.embed_dim},
          {"spatial_frames", config.spatial_frames},
          {"condition_frames", config.condition_frames},
          {"upsample", config.upsample == Upsampling::bilinear ? "bilinear" : "nearest"}};
}

/// Reads a configuration; fields that it does not know are left alone. Throws ArgumentError, naming the field, if one
/// is missing or makes no sense.
inline DvdGanConfig config_from_json(const Json& json) {
  require(json.is_object(), "the configuration is not a JSON object");
  const auto number = [&](const char* name) {
    const auto field = json.find(name);
    require(field != json.end() && field->is_number_integer(), "the configuration has no integer \"", name, "\"");
    constexpr Index most = 1'000'000'000;
    const bool beyond = field->is_number_unsigned() && field->get<std::uint64_t>() > std::uint64_t{most};
    const Index value = field->get<Index>();
    require(!beyond && value >= -most && value <= most, "the configuration's \"", name, "\" is too large");
    return value;
  };
  DvdGanConfig config;
  config.frames = number("frames");
  config.resolution = number("resolution");
  config.channels = number("channels");
  config.classes = number("classes");
  config.latent_dim = number("latent_dim");
  config.embed_dim = number("embed_dim");
  config.spatial_frames = number("spatial_frames");
  if (json.contains("condition_frames")) config.condition_frames = number("condition_frames");
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
