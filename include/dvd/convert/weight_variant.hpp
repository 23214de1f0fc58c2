// What a network was trained on, which its tensors do not say: weights of two trainings have the same names and shapes.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "dvd/convert/network_tensors.hpp"
#include "dvd/core/error.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// The variants known: I3D trained on Kinetics-400 or -600 from scratch, I3D on ImageNet first and then on Kinetics-400
/// (whose scores are others than those published as FVD), C3D on Sports-1M and then UCF-101.
inline constexpr std::array<std::string_view, 4> weight_variants = {"k400-scratch", "k600-scratch", "rgb-imagenet",
                                                                    "ucf101"};

namespace detail {

// The file's name with the two folders before it, in lower case: kinetics-i3d's checkpoints differ by a folder's name.
inline std::string spoken_name(const std::filesystem::path& path) {
  const std::filesystem::path whole = path.lexically_normal();
  const std::filesystem::path folder = whole.parent_path();
  std::string name =
      concat(folder.parent_path().filename().string(), '/', folder.filename().string(), '/', whole.filename().string());
  for (char& letter : name)
    if (letter >= 'A' && letter <= 'Z') letter = static_cast<char>(letter - 'A' + 'a');
  return name;
}

}  // namespace detail

/// The variant of weights that a person calls `wanted`, empty where she leaves it to the file. What a file's name says
/// is believed where the classes allow but one other thing: 600 classes and C3D have one variant; of 400 classes, the
/// name must say "imagenet" or "scratch", or be that of a public file which is known to be the latter. ArgumentError
/// where it cannot be told, does not fit the network or its classes, and where a file of ImageNet's name is to be taken
/// for one from scratch.
inline std::string weight_variant(const std::filesystem::path& path, ClipNetwork network, std::int64_t classes,
                                  const std::string& wanted) {
  const auto known = std::ranges::find(weight_variants, wanted);
  require(wanted.empty() || known != weight_variants.end(), "variant ", wanted,
          " is none that is known (expected k400-scratch, k600-scratch, rgb-imagenet or ucf101)");
  if (network == ClipNetwork::c3d) {
    require(wanted.empty() || wanted == "ucf101", "variant ", wanted, " is none of C3D's (expected ucf101)");
    return "ucf101";
  }
  const std::string name = detail::spoken_name(path);
  const auto says = [&](std::string_view word) { return name.find(word) != name.npos; };
  if (classes == 600) {
    require(wanted.empty() || wanted == "k600-scratch", "variant ", wanted, " does not fit the ", classes,
            " classes of ", path.string(), " (expected k600-scratch)");
    require(!says("imagenet"), path.string(), ": its name says ImageNet, and its 600 classes say k600-scratch (rename ",
            "it if it was trained from scratch)");
    return "k600-scratch";
  }
  require(wanted.empty() || wanted == "k400-scratch" || wanted == "rgb-imagenet", "variant ", wanted,
          " does not fit the ", classes, " classes of ", path.string(), " (expected k400-scratch or rgb-imagenet)");
  if (says("imagenet")) {
    require(wanted != "k400-scratch", path.string(),
            ": its name says ImageNet, which is not k400-scratch: FVD from it ",
            "is another number (rename it if it was trained from scratch)");
    return "rgb-imagenet";
  }
  if (!wanted.empty()) return wanted;
  require(says("scratch") || says("i3d_pretrained_400") || says("i3d_torchscript"), path.string(),
          ": its name does not say what its 400 classes were trained on, which decides whether scores are FVD (give ",
          "the variant: k400-scratch, or rgb-imagenet)");
  return "k400-scratch";
}

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
