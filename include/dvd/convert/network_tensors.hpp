// The tensors of the networks that look at clips, under this library's names and under those that others give them.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "dvd/core/error.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// The networks whose weights are converted: I3D (Carreira and Zisserman, arXiv 1705.07750), C3D (Tran et al., arXiv
/// 1412.0767).
enum class ClipNetwork { i3d, c3d };

/// "i3d", "c3d".
constexpr std::string_view name_of(ClipNetwork network) { return network == ClipNetwork::i3d ? "i3d" : "c3d"; }

/// Another program's name of a tensor. Between its parts are dots, whatever the file has there.
struct ForeignName {
  std::string text;
  bool depth_height_width_in_out = false;  ///< the order of a kernel's axes; otherwise out, in, depth, height, width
};

/// A tensor of a network.
struct NetworkTensor {
  std::string name;  ///< this library's
  std::vector<std::int64_t> shape;
  std::vector<ForeignName> foreign;  ///< all names that it is known by, its own among them
  bool ones_if_missing = false;      ///< a scale that is learned in some programs and left out in others
};

namespace detail {

// One of I3D's units, a convolution and a norm.
struct I3dUnitNames {
  std::string own, tensorflow, pytorch;  // pytorch-i3d's, kinetics-i3d's, kinetics_i3d_pytorch's
  std::int64_t in = 0, out = 0, kernel = 1;
  std::string misspelt = "";  // kinetics-i3d's, where it has two names
};

inline std::vector<I3dUnitNames> i3d_units() {
  std::vector<I3dUnitNames> units = {{"Conv3d_1a_7x7", "Conv3d_1a_7x7", "conv3d_1a_7x7", 3, 64, 7},
                                     {"Conv3d_2b_1x1", "Conv3d_2b_1x1", "conv3d_2b_1x1", 64, 64, 1},
                                     {"Conv3d_2c_3x3", "Conv3d_2c_3x3", "conv3d_2c_3x3", 64, 192, 3}};
  struct Mixed {
    const char* name;
    std::int64_t b0, b1a, b1b, b2a, b2b, b3b;
  };
  constexpr Mixed modules[] = {
      {"3b", 64, 96, 128, 16, 32, 32},     {"3c", 128, 128, 192, 32, 96, 64},   {"4b", 192, 96, 208, 16, 48, 64},
      {"4c", 160, 112, 224, 24, 64, 64},   {"4d", 128, 128, 256, 24, 64, 64},   {"4e", 112, 144, 288, 32, 64, 64},
      {"4f", 256, 160, 320, 32, 128, 128}, {"5b", 256, 160, 320, 32, 128, 128}, {"5c", 384, 192, 384, 48, 128, 128}};
  std::int64_t in = 192;
  for (const Mixed& m : modules) {
    const auto add = [&](const char* own, const char* tensorflow, const char* pytorch, std::int64_t from,
                         std::int64_t to, std::int64_t kernel) {
      units.push_back({concat("Mixed_", m.name, '.', own), concat("Mixed_", m.name, ".Branch_", tensorflow),
                       concat("mixed_", m.name, ".branch_", pytorch), from, to, kernel});
    };
    add("b0", "0.Conv3d_0a_1x1", "0", in, m.b0, 1);
    add("b1a", "1.Conv3d_0a_1x1", "1.0", in, m.b1a, 1);
    add("b1b", "1.Conv3d_0b_3x3", "1.1", m.b1a, m.b1b, 3);
    add("b2a", "2.Conv3d_0a_1x1", "2.0", in, m.b2a, 1);
    add("b2b", "2.Conv3d_0b_3x3", "2.1", m.b2a, m.b2b, 3);
    if (std::string_view(m.name) == "5b") units.back().misspelt = "Mixed_5b.Branch_2.Conv3d_0a_3x3";
    add("b3b", "3.Conv3d_0b_1x1", "3.1", in, m.b3b, 1);
    in = m.b0 + m.b1b + m.b2b + m.b3b;
  }
  return units;
}

}  // namespace detail

/// I3D's 287 tensors, of its 57 units and the logits, under pytorch-i3d's names. Known are those of kinetics-i3d
/// (TensorFlow, which has no bn.weight) and of kinetics_i3d_pytorch, too.
inline std::vector<NetworkTensor> i3d_tensors(std::int64_t classes) {
  std::vector<NetworkTensor> tensors;
  const auto add_weight = [&](const detail::I3dUnitNames& unit) {
    NetworkTensor weight{.name = unit.own + ".conv3d.weight",
                         .shape = {unit.out, unit.in, unit.kernel, unit.kernel, unit.kernel},
                         .foreign = {}};
    weight.foreign = {{weight.name}, {unit.pytorch + ".conv3d.weight"}, {unit.tensorflow + ".conv_3d.w", true}};
    if (!unit.misspelt.empty()) weight.foreign.push_back({unit.misspelt + ".conv_3d.w", true});
    tensors.push_back(std::move(weight));
  };
  for (const detail::I3dUnitNames& unit : detail::i3d_units()) {
    add_weight(unit);
    using Pair = std::pair<const char*, const char*>;
    for (const auto& [own, tensorflow] :
         {Pair("weight", "gamma"), Pair("bias", "beta"), Pair("running_mean", "moving_mean"),
          Pair("running_var", "moving_variance")}) {
      NetworkTensor norm{.name = concat(unit.own, ".bn.", own), .shape = {unit.out}, .foreign = {}};
      norm.ones_if_missing = own == std::string_view("weight");
      norm.foreign = {
          {norm.name}, {concat(unit.pytorch, ".batch3d.", own)}, {concat(unit.tensorflow, ".batch_norm.", tensorflow)}};
      if (!unit.misspelt.empty()) norm.foreign.push_back({concat(unit.misspelt, ".batch_norm.", tensorflow)});
      tensors.push_back(std::move(norm));
    }
  }
  add_weight({"logits", "Logits.Conv3d_0c_1x1", "conv3d_0c_1x1", 1024, classes, 1});
  tensors.push_back(
      {.name = "logits.conv3d.bias",
       .shape = {classes},
       .foreign = {{"logits.conv3d.bias"}, {"conv3d_0c_1x1.conv3d.bias"}, {"Logits.Conv3d_0c_1x1.conv_3d.b"}}});
  return tensors;
}

/// C3D's 22 tensors, under Chainer's names with dots, `conv1a.W`, `fc6.b`. Known are PyTorch's, too: `conv1.weight`.
inline std::vector<NetworkTensor> c3d_tensors(std::int64_t classes) {
  struct Convolution {
    const char* name;
    const char* other;  // where there is but one of a number, many leave its letter out
    std::int64_t in, out;
  };
  constexpr Convolution convolutions[] = {{"conv1a", "conv1", 3, 64},     {"conv2a", "conv2", 64, 128},
                                          {"conv3a", "conv3a", 128, 256}, {"conv3b", "conv3b", 256, 256},
                                          {"conv4a", "conv4a", 256, 512}, {"conv4b", "conv4b", 512, 512},
                                          {"conv5a", "conv5a", 512, 512}, {"conv5b", "conv5b", 512, 512}};
  std::vector<NetworkTensor> tensors;
  const auto add = [&](const std::string& name, const std::string& other, std::vector<std::int64_t> shape) {
    const std::int64_t out = shape.front();
    const auto names = [&](const char* own, const char* pytorch) {
      std::vector<ForeignName> all = {{name + own}, {name + pytorch}};
      if (name != other) all.insert(all.end(), {{other + own}, {other + pytorch}});
      return all;
    };
    tensors.push_back({.name = name + ".W", .shape = std::move(shape), .foreign = names(".W", ".weight")});
    tensors.push_back({.name = name + ".b", .shape = {out}, .foreign = names(".b", ".bias")});
  };
  for (const Convolution& c : convolutions) add(c.name, c.other, {c.out, c.in, 3, 3, 3});
  add("fc6", "fc6", {4096, 8192});
  add("fc7", "fc7", {4096, 4096});
  add("fc8", "fc8", {classes, 4096});
  return tensors;
}

/// The tensors of a network.
inline std::vector<NetworkTensor> network_tensors(ClipNetwork network, std::int64_t classes) {
  return network == ClipNetwork::i3d ? i3d_tensors(classes) : c3d_tensors(classes);
}

/// The tensor whose first axis is the classes.
inline std::string_view classes_tensor(ClipNetwork network) {
  return network == ClipNetwork::i3d ? "logits.conv3d.bias" : "fc8.b";
}

/// The mean of all clips that C3D's input is relative to: channels (blue, green, red), frames, rows, columns.
inline const std::vector<std::int64_t>& mean_cube_shape() {
  static const std::vector<std::int64_t> shape = {3, 16, 128, 171};
  return shape;
}

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
