// Finding and reading the checkpoints that programs are given.
#pragma once

#include <algorithm>
#include <charconv>
#include <dvd/core/utf8.hpp>
#include <dvd/io/network_file.hpp>
#include <dvd/io/run_folder.hpp>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace examples {

/// The checkpoint that is meant: itself, or the newest whole one of a run's folder. Throws ArgumentError where the
/// folder has none.
inline std::filesystem::path find_checkpoint(const std::string& name) {
  if (!std::filesystem::is_directory(name)) return name;
  const auto entries = dvd::list_checkpoints(name);
  dvd::require(!entries.empty(), "--checkpoint ", name, ": the folder has no checkpoints/step-….safetensors");
  for (auto entry = entries.rbegin(); entry != entries.rend(); ++entry) try {
      if (dvd::SafetensorsFile(entry->path).checksum_fits()) return entry->path;
    } catch (const dvd::FileError&) {  // a damaged one; the one before it may be whole
    }
  return entries.back().path;
}

/// What a run wrote of itself into its checkpoint; empty if nothing.
inline dvd::Json run_config(const dvd::SafetensorsFile& file) {
  const auto found = file.metadata().find("config");
  const dvd::Json json = found == file.metadata().end() ? dvd::Json() : dvd::Json::parse(found->second, nullptr, false);
  return json.is_object() ? json : dvd::Json::object();
}

/// The recurrent unit of the model in a checkpoint: what it says, or else what its tensors tell.
inline std::string recurrent_of(const dvd::SafetensorsFile& file) {
  const dvd::Json config = run_config(file);
  if (!config.contains("recurrent") && file.contains("generator.stages.0.gru.offset.weight")) return "tsru";
  return config.contains("recurrent") && config["recurrent"].is_string() ? config["recurrent"].get<std::string>()
                                                                         : "convgru";
}

/// The names of the classes, by index, as far as the checkpoint tells.
inline std::vector<std::string> class_names(const dvd::SafetensorsFile& file, dvd::Index classes) {
  std::vector<std::string> names;
  const dvd::Json config = run_config(file);
  if (config.contains("class_names") && config["class_names"].is_array())
    for (const auto& name : config["class_names"])
      if (name.is_string()) names.push_back(name.get<std::string>());
  if (static_cast<dvd::Index>(names.size()) != classes) {
    names.clear();
    for (dvd::Index label = 0; label < classes; ++label) names.push_back(std::to_string(label));
  }
  return names;
}

/// The class of this name or, where there is none, of this number. A name may have any bytes, of which checkpoints hold
/// the text.
inline std::optional<dvd::Index> class_called(const std::string& text, const std::vector<std::string>& names) {
  const auto named = std::find(names.begin(), names.end(), dvd::utf8_text(text));
  if (named != names.end()) return named - names.begin();
  dvd::Index label = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), label);
  if (error != std::errc() || end != text.data() + text.size() || label < 0 ||
      label >= static_cast<dvd::Index>(names.size()))
    return std::nullopt;
  return label;
}

/// A class given by its number or name. Throws ArgumentError if there is none.
inline dvd::Index find_class(const std::string& text, const std::vector<std::string>& names) {
  const auto label = class_called(text, names);
  dvd::require(label.has_value(), "--class ", text, " is neither a class name (such as ", names.front(),
               ") nor a number from 0 to ", names.size() - 1);
  return *label;
}

/// Makes the folder for results. Throws FileError if it cannot.
inline void make_folder(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error) throw dvd::FileError(dvd::concat(path, ": cannot create the folder: ", error.message()));
}

}  // namespace examples
