// What an action throws, in words.
#pragma once

#include <doctest/doctest.h>

#include <string>

#include "dvd/core/error.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::testing {

// Of one line; empty where it does not throw.
template <class Action>
std::string error_of(const Action& action) {
  try {
    action();
  } catch (const dvd::Error& error) {
    CHECK(std::string(error.what()).find('\n') == std::string::npos);
    return error.what();
  }
  return "";
}

inline bool holds(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace dvd::inline DVD_INSTRUCTION_SET::testing
