// Sizes as people write and read them.
#pragma once

#include <fmt/core.h>

#include <charconv>
#include <dvd/models/config.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace examples {

/// "64x96": height and width of a model's videos.
inline std::string size_text(const dvd::DvdGanConfig& config) {
  return fmt::format("{}x{}", config.image_height(), config.image_width());
}

/// The same as `--resolution` takes it: "64" for a square.
inline std::string resolution_text(const dvd::DvdGanConfig& config) {
  return config.image_height() == config.image_width() ? fmt::format("{}", config.image_height()) : size_text(config);
}

/// The same for a sentence: "64x96 pixels", "64x96 pixels in grey".
inline std::string pixels_text(const dvd::DvdGanConfig& config) {
  const std::string pixels = size_text(config) + " pixels";
  if (config.image_channels == 3) return pixels;
  return pixels + (config.image_channels == 1 ? " in grey" : fmt::format(" of {} channels", config.image_channels));
}

/// The whole numbers in a text between which `separator` stands; none where it is anything else.
inline std::vector<dvd::Index> read_numbers(std::string_view text, char separator) {
  std::vector<dvd::Index> numbers;
  const char* next = text.data();
  const char* const end = text.data() + text.size();
  for (;;) {
    dvd::Index number = 0;
    const auto [rest, error] = std::from_chars(next, end, number);
    if (error != std::errc()) return {};
    numbers.push_back(number);
    if (rest == end) return numbers;
    if (*rest != separator) return {};
    next = rest + 1;
  }
}

/// Takes a size given as "64" or as "64x96", height first. Throws ArgumentError for any other text, and for sizes below
/// one; what a model can have, its configuration says.
inline void set_size(dvd::DvdGanConfig& config, const std::string& text) {
  const std::vector<dvd::Index> sides = read_numbers(text, 'x');
  dvd::require(!sides.empty() && sides.size() <= 2 && sides.front() > 0 && sides.back() > 0, "--resolution ", text,
               " is neither a number of pixels, such as 64, nor HEIGHTxWIDTH, such as 64x96");
  const bool square = sides.front() == sides.back();
  if (square) config.resolution = sides.front();
  config.height = square ? 0 : sides.front();
  config.width = square ? 0 : sides.back();
}

/// Numbers given as "8,4,2". Throws ArgumentError, naming the flag, for any other text.
inline std::vector<dvd::Index> read_list(const std::string& flag, const std::string& text) {
  std::vector<dvd::Index> numbers = read_numbers(text, ',');
  dvd::require(!numbers.empty(), flag, " ", text, " is no list of whole numbers, such as 8,4,2");
  return numbers;
}

}  // namespace examples
