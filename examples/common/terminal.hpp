// What progress is told with: times, amounts, and a terminal's width.
#pragma once

#include <fmt/core.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cmath>
#include <cstddef>
#include <string>

namespace examples {

/// "1:02:03" or "2:03", from seconds.
inline std::string clock_text(double seconds) {
  const long total = std::lround(seconds);
  if (total >= 3600) return fmt::format("{}:{:02}:{:02}", total / 3600, total / 60 % 60, total % 60);
  return fmt::format("{}:{:02}", total / 60, total % 60);
}

/// "1.23 GB", from bytes.
inline std::string bytes_text(double bytes) {
  for (const char* unit : {"bytes", "kB", "MB", "GB"}) {
    if (bytes < 999.5) return fmt::format("{:.{}f} {}", bytes, bytes < 99.5 && unit[0] != 'b' ? 1 : 0, unit);
    bytes /= 1000;
  }
  return fmt::format("{:.1f} TB", bytes);
}

/// "3.2 hours", "4.1 minutes", "12 seconds".
inline std::string duration_text(double seconds) {
  if (seconds >= 3600) return fmt::format("{:.1f} hours", seconds / 3600);
  if (seconds >= 60) return fmt::format("{:.1f} minutes", seconds / 60);
  return fmt::format("{:.{}f} seconds", seconds, seconds < 10 ? 1 : 0);
}

/// Columns of the terminal on standard output; 80 where it does not say.
inline std::size_t terminal_width() {
  winsize size{};
  return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1 ? size.ws_col : 80;
}

}  // namespace examples
