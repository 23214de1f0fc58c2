// How much memory this process holds.
#pragma once

#include <sys/resource.h>
#include <unistd.h>

#include <fstream>

namespace examples {

/// The most that was ever resident, in MiB.
inline double peak_memory_mib() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
#if defined(__APPLE__)
  return static_cast<double>(usage.ru_maxrss) / (1024 * 1024);
#else
  return static_cast<double>(usage.ru_maxrss) / 1024;
#endif
}

/// What is resident now, in MiB; where the system does not tell, the peak.
inline double memory_mib() {
  std::ifstream statm("/proc/self/statm");
  double total = 0, resident = 0;
  if (!(statm >> total >> resident)) return peak_memory_mib();
  return resident * static_cast<double>(sysconf(_SC_PAGESIZE)) / (1024 * 1024);
}

}  // namespace examples
