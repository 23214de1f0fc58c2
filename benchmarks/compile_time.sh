#!/bin/bash
# What it costs to compile the smallest program at -O2: seconds and peak memory, the medians of three runs.
# Fails above 20 s of processor time, which other programs on the machine disturb less than wall time, or 1.5 GB. The compiler is $CXX, g++ unless set; -march=native is not given.
set -eu
cd "$(dirname "${BASH_SOURCE[0]}")/.."
compiler=${CXX:-g++}

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# Runs its arguments; prints wall seconds, processor seconds, and the peak memory in MB of the largest process.
cat >"$scratch/measure.cpp" <<'CODE'
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>

int main(int, char** arguments) {
  const auto start = std::chrono::steady_clock::now();
  if (const pid_t child = fork(); child == 0) {
    execvp(arguments[1], arguments + 1);
    _exit(127);
  }
  int status = 1;
  wait(&status);
  const std::chrono::duration<double> wall = std::chrono::steady_clock::now() - start;
  rusage usage;
  getrusage(RUSAGE_CHILDREN, &usage);
  const auto seconds = [](const timeval& time) { return time.tv_sec + time.tv_usec * 1e-6; };
  std::printf("%.2f %.2f %.0f\n", wall.count(), seconds(usage.ru_utime) + seconds(usage.ru_stime),
              usage.ru_maxrss * 1.024e-3);
  return status != 0;
}
CODE
"$compiler" -std=c++20 "$scratch/measure.cpp" -o "$scratch/measure"

command=("$compiler" -std=c++20 -O2 -Iinclude -isystem /usr/include/eigen3 -c benchmarks/smallest_program.cpp
  -o "$scratch/program.o")
for run in 1 2 3; do
  CCACHE_DISABLE=1 "$scratch/measure" "${command[@]}"
done >"$scratch/runs"

median() { cut -d ' ' -f "$1" "$scratch/runs" | sort -n | sed -n 2p; }
wall=$(median 1) processor=$(median 2) memory=$(median 3)
echo "$("$compiler" --version | head -n 1): $wall s (processor $processor s), $memory MB"
awk -v seconds="$processor" -v memory="$memory" 'BEGIN { exit !(seconds <= 20 && memory <= 1500) }' ||
  { echo "compile_time.sh: the limits are 20 s of processor time and 1500 MB" >&2; exit 1; }
