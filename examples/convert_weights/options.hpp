// What convert_weights is asked for.
#pragma once

#include <charconv>
#include <dvd/convert/network_tensors.hpp>
#include <dvd/convert/weight_variant.hpp>
#include <dvd/core/is_finite.hpp>
#include <filesystem>
#include <optional>
#include <string>
#include <system_error>

#include "../common/program.hpp"

namespace examples {

struct ConvertWeightsOptions {
  std::string file, network, variant, mean, out;
  std::string epsilon;  ///< empty: as the file says, or else 0.001
  bool list = false, quiet = false;
};

/// Declares all flags on `app`.
inline void add_options(CLI::App& app, ConvertWeightsOptions& options) {
  app.option_defaults()->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);  // a later flag overrides
  app.set_version_flag("--version", std::string(dvd::version));
  app.add_option("file", options.file,
                 "weights: a NumPy archive (.npz), a PyTorch or TorchScript file (.pt, .pth), a safetensors file, or a "
                 "TensorFlow checkpoint by its prefix, which model.ckpt is where model.ckpt.index lies")
      ->type_name("FILE")
      ->required();
  app.add_option("--out", options.out, "safetensors file to write")->required();
  app.add_option("--network", options.network, "i3d or c3d; told by the names of the tensors unless given")
      ->check(CLI::IsMember({"i3d", "c3d"}));
  app.add_option("--variant", options.variant,
                 "what it was trained on: k400-scratch, k600-scratch, rgb-imagenet (I3D), ucf101 (C3D); told by the "
                 "number of classes and the file's name unless given")
      ->check(CLI::IsMember({"k400-scratch", "k600-scratch", "rgb-imagenet", "ucf101"}));
  app.add_option("--mean", options.mean, "file with C3D's mean of all clips, such as mean2.npz")->type_name("FILE");
  app.add_option("--epsilon", options.epsilon,
                 "what I3D's norms add to a variance; 0.001 unless the file says another number");
  app.add_flag("--list", options.list, "name every tensor");
  app.add_flag("--quiet", options.quiet, "print nothing but errors");
}

/// Throws ArgumentError for what is no epsilon.
inline void check_epsilon(const std::string& text) {
  double epsilon = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, epsilon);
  dvd::require(error == std::errc() && stop == end && dvd::is_finite(epsilon) && epsilon > 0 && epsilon < 1,
               "--epsilon ", text, " is no number between 0 and 1");
}

/// Checks what the parser cannot. Throws ArgumentError where it makes no sense.
inline void finish_options(const ConvertWeightsOptions& options) {
  namespace fs = std::filesystem;
  if (!options.epsilon.empty()) check_epsilon(options.epsilon);
  std::error_code ignored;
  for (const std::string& file : {options.file, options.mean})
    dvd::require(file.empty() || fs::exists(file, ignored) || fs::exists(file + ".index", ignored), file,
                 ": no such file, and no ", file, ".index of a TensorFlow checkpoint");
  const fs::path folder = fs::path(options.out).parent_path();
  dvd::require(folder.empty() || fs::is_directory(folder, ignored), "--out ", options.out, ": there is no folder ",
               folder.string());
  dvd::require(!fs::is_directory(options.out, ignored), "--out ", options.out,
               " is a folder (expected a file's name, such as i3d.safetensors)");
  for (const std::string& file : {options.file, options.mean})
    dvd::require(file.empty() || !fs::equivalent(file, options.out, ignored), "--out ", options.out,
                 " is the file that is read; expected another");
}

}  // namespace examples
