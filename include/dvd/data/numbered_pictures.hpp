// Which pictures of a folder are the frames of a video, and in which order.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <algorithm>
#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "dvd/data/file_names.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::detail {

inline bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Texts in the order in which people count: "frame2" before "frame10", numbers of any length, leading zeros or none.
inline bool natural_less(std::string_view a, std::string_view b) {
  const auto take_number = [](std::string_view text, std::size_t& at) {
    while (at < text.size() && text[at] == '0') ++at;
    const std::size_t begin = at;
    while (at < text.size() && is_digit(text[at])) ++at;
    return text.substr(begin, at - begin);
  };
  std::size_t i = 0, j = 0;
  while (i < a.size() && j < b.size()) {
    if (is_digit(a[i]) && is_digit(b[j])) {
      const std::string_view x = take_number(a, i), y = take_number(b, j);
      if (x.size() != y.size()) return x.size() < y.size();
      if (x != y) return x < y;
    } else {
      if (a[i] != b[j]) return static_cast<unsigned char>(a[i]) < static_cast<unsigned char>(b[j]);
      ++i;
      ++j;
    }
  }
  if (a.size() - i != b.size() - j) return a.size() - i < b.size() - j;
  return a < b;  // "1" and "01"
}

// "img_#" of "img_0012".
inline std::string without_numbers(std::string_view text) {
  std::string skeleton;
  for (const char c : text)
    if (!is_digit(c))
      skeleton += c;
    else if (!skeleton.ends_with('#'))
      skeleton += '#';
  return skeleton;
}

struct NumberedPictures {
  std::vector<std::string> names;  // in order
  std::string pattern;             // that they are named by, "img_#"
  std::size_t left_out = 0;        // numbered pictures that are named otherwise, or there in a second format
};

// The pictures of a folder that are named alike but for their numbers. Of several such families the largest is taken
// (of equal ones the first by name), and of a picture that is there in several formats the most frequent format.
inline NumberedPictures numbered_pictures(const std::vector<std::string>& names) {
  std::map<std::string, std::vector<std::string>> families;
  std::size_t numbered = 0;
  for (const std::string& name : names) {
    const std::string pattern = without_numbers(stem_of(name));
    if (pattern.find('#') == std::string::npos) continue;
    families[pattern].push_back(name);
    ++numbered;
  }
  NumberedPictures chosen;
  for (auto& [pattern, members] : families)
    if (members.size() > chosen.names.size()) {
      chosen.names = std::move(members);
      chosen.pattern = pattern;
    }
  std::map<std::string, std::size_t> formats;
  for (const std::string& name : chosen.names) ++formats[extension_of(name)];
  std::ranges::sort(chosen.names, [&](const std::string& a, const std::string& b) {
    if (stem_of(a) != stem_of(b)) return natural_less(stem_of(a), stem_of(b));
    const std::size_t as = formats.at(extension_of(a)), bs = formats.at(extension_of(b));
    return as != bs ? as > bs : a < b;
  });
  const auto same = [](const std::string& a, const std::string& b) { return stem_of(a) == stem_of(b); };
  chosen.names.erase(std::unique(chosen.names.begin(), chosen.names.end(), same), chosen.names.end());
  chosen.left_out = numbered - chosen.names.size();
  return chosen;
}

}  // namespace dvd::detail

#include "dvd/core/macros_end.hpp"
