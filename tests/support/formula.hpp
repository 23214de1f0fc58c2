// Weights and inputs of the reference values in tests/data/metrics, which are too large to be stored: a formula that
// any language repeats bit by bit. Entry i of the tensor NAME of seed S is
//
//     scale * u + offset, u = the upper 24 bits of splitmix64(FNV-1a("S/NAME") + i), scaled to [-1, 1),
//
// in row-major order of PyTorch's layout. `formula_scale` and `formula_kind` say which scale and offset.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "dvd/core/error.hpp"
#include "dvd/core/shape.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::testing {

// What u is multiplied by, and what is added then.
struct FormulaScale {
  double scale, offset;
};

// 64 random bits for each entry: splitmix64 of the key, FNV-1a's hash of "SEED/NAME", and the entry's number.
class FormulaBits {
 public:
  FormulaBits(std::uint64_t seed, const std::string& name) {
    for (const char c : std::to_string(seed) + "/" + name)
      key_ = (key_ ^ static_cast<unsigned char>(c)) * 1099511628211u;
  }

  std::uint64_t operator[](std::size_t i) const {
    std::uint64_t z = key_ + i + 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
  }

 private:
  std::uint64_t key_ = 14695981039346656037u;
};

// Entries 0 .. count - 1 of the tensor `name`.
inline std::vector<float> formula(std::uint64_t seed, const std::string& name, std::size_t count, double scale,
                                  double offset) {
  const FormulaBits bits(seed, name);
  std::vector<float> values(count);
  for (std::size_t i = 0; i < count; ++i)
    values[i] = static_cast<float>(scale * (static_cast<double>(bits[i] >> 40) * 0x1p-23 - 1) + offset);
  return values;
}

// The same for inputs of the kind `pixels`: whole numbers from 0 to 255.
inline std::vector<float> formula_pixels(std::uint64_t seed, const std::string& name, std::size_t count) {
  const FormulaBits bits(seed, name);
  std::vector<float> values(count);
  for (std::size_t i = 0; i < count; ++i) values[i] = static_cast<float>(bits[i] >> 56);
  return values;
}

// Of a weight of I3D or C3D, by its name and its shape in PyTorch's layout.
inline FormulaScale formula_scale(const std::string& name, std::span<const Index> shape) {
  const auto ends_with = [&](std::string_view end) { return name.ends_with(end); };
  if (ends_with(".conv3d.weight") || ends_with(".W")) {
    double fan_in = 1;
    for (const Index extent : shape.subspan(1)) fan_in *= static_cast<double>(extent);
    const bool last = name == "logits.conv3d.weight" || name == "fc8.W";
    const double scale = std::sqrt((last ? 3.0 : 6.0) / fan_in);
    return {name == "conv1a.W" ? scale / 64 : scale, 0};  // whose inputs reach +-128
  }
  if (ends_with(".bn.weight")) return {0, 1};
  if (ends_with(".bn.running_var")) return {0.5, 1};
  if (ends_with(".bias") || ends_with(".running_mean") || ends_with(".b")) return {0.1, 0};
  throw ArgumentError(concat("the formula knows no weight ", name));
}

// Of an input of that kind, `pixels` excepted.
inline FormulaScale formula_kind(const std::string& kind) {
  if (kind == "signed") return {1, 0};
  if (kind == "signed128") return {128, 0};
  if (kind == "mean_cube") return {20, 110};
  if (kind == "features1") return {1, 0};
  if (kind == "features2") return {0.5, 0.125};
  throw ArgumentError(concat("the formula knows no input of the kind ", kind));
}

// All entries of the tensor `name`: a weight of that shape, if the kind is "weight", or else an input of that kind.
inline std::vector<float> formula_tensor(std::uint64_t seed, const std::string& name, const std::string& kind,
                                         std::span<const Index> shape) {
  std::size_t count = 1;
  for (const Index extent : shape) count *= static_cast<std::size_t>(extent);
  if (kind == "pixels") return formula_pixels(seed, name, count);
  const auto [scale, offset] = kind == "weight" ? formula_scale(name, shape) : formula_kind(kind);
  return formula(seed, name, count, scale, offset);
}

}  // namespace dvd::testing
