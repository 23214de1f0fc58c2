// Augmentations by name, as --augment takes and config.json holds them.
#pragma once

#include <algorithm>
#include <dvd/core/error.hpp>
#include <dvd/layers/augmentation_options.hpp>
#include <string>

namespace examples {

/// Throws ArgumentError unless `list` is `all`, `none`, or some of the names with commas between them.
inline dvd::AugmentationOptions read_augmentation(const std::string& list) {
  if (list == "all") return dvd::AugmentationOptions::all();
  dvd::AugmentationOptions options;
  if (list == "none") return options;
  constexpr dvd::AugmentationOptions all = dvd::AugmentationOptions::all();
  for (std::size_t begin = 0; begin <= list.size();) {
    const std::size_t end = std::min(list.find(',', begin), list.size());
    const std::string name = list.substr(begin, end - begin);
    begin = end + 1;
    if (name == "flip")
      options.flip = all.flip;
    else if (name == "color")
      options.color = all.color;
    else if (name == "translation")
      options.translation = all.translation;
    else if (name == "cutout")
      options.cutout = all.cutout;
    else
      throw dvd::ArgumentError(dvd::concat("--augment ", list, ": expected all, none, or some of flip, color, ",
                                           "translation and cutout with commas between them, not \"", name, "\""));
  }
  return options;
}

/// The list that says it.
inline std::string augmentation_text(const dvd::AugmentationOptions& options) {
  std::string list;
  const auto add = [&](const char* name, bool on) {
    if (on) list += (list.empty() ? "" : ",") + std::string(name);
  };
  add("flip", options.flip);
  add("color", options.color);
  add("translation", options.translation > 0);
  add("cutout", options.cutout > 0);
  return list.empty() ? "none" : list;
}

}  // namespace examples
