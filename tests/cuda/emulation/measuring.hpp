// What the threads of an emulated launch touch, found out from some of them.
#pragma once

#include <cxxabi.h>

#include <algorithm>
#include <cstdlib>
#include <regex>
#include <typeinfo>

#include "counting.hpp"

/// "PrepareInput<bfloat16>": a type's name without the names of what it lies in.
template <class Body>
const std::string& emulated_name() {
  static const std::string name = [] {
    int status = 0;
    char* const whole = abi::__cxa_demangle(typeid(Body).name(), nullptr, nullptr, &status);
    const std::string text = whole ? whole : typeid(Body).name();
    std::free(whole);
    return std::regex_replace(text, std::regex("(\\w+|\\(anonymous namespace\\))::"), "");
  }();
  return name;
}

/// Adds to `work` what the pieces 0 .. count - 1 read and write: looks at some runs of neighbours, whose threads would
/// share what they read, and takes the others to be alike.
template <class Piece>
void measure_pieces(long count, const Piece& piece, EmulatedWork& work) {
  thread_local EmulatedFootprint footprint;
  emulated_footprint = &footprint;
  double read = 0, written = 0;
  long seen = 0;
  for (const long eighths : {0, 3, 6}) {
    footprint.clear();
    long i = count / 8 * eighths;
    for (const long first = i; i < count && footprint.accesses < EmulatedFootprint::most_accesses; ++i, ++seen) {
      piece(i);
      if (footprint.accesses == 0 && i - first >= 1000) break;  // threads that do nothing
    }
    read += static_cast<double>(footprint.read);
    written += static_cast<double>(footprint.written);
    if (eighths == 0 && i >= count) break;  // all of them
  }
  emulated_footprint = nullptr;
  const double scale = static_cast<double>(EmulatedFootprint::sector_bytes) * static_cast<double>(count) /
                       static_cast<double>(std::max(seen, 1L));
  work.read += read * scale;
  work.written += written * scale;
}
