#!/bin/bash
# What it costs to compile the smallest program at -O2, for any processor and for this one, with the kernels compiled
# apart (dvd::compiled) and without, by g++ and clang++ where they are: seconds and peak memory, medians of three runs.
# Fails where g++ is beyond the goals: 8 s of processor time, 12 s for this processor, 6 s with dvd::compiled, 700 MB.
# A quarter is allowed on top of the seconds, which count what other programs on the machine disturb least.
# With --where it prints instead what g++ spends the time on: its stages, and headers that are read alone.
set -eu
cd "$(dirname "${BASH_SOURCE[0]}")/.."
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
"$(command -v g++ || command -v clang++)" -std=c++20 "$scratch/measure.cpp" -o "$scratch/measure"

median() { cut -d ' ' -f "$1" "$scratch/runs" | sort -n | sed -n 2p; }

if [ "${1:-}" = --where ]; then
  command -v g++ >/dev/null || { echo "compile_time.sh --where needs g++" >&2; exit 2; }
  processor_seconds() { "$scratch/measure" "$@" | cut -d ' ' -f 2; }
  flags=(-std=c++20 -Iinclude -isystem /usr/include/eigen3)
  echo "the smallest program, processor seconds"
  for stage in "reading and templates:-fsyntax-only" "and code, not optimised:-O0" "and optimised:-O1" \
    "and optimised as usual:-O2"; do
    printf '  %-28s %6s\n' "${stage%%:*}" \
      "$(processor_seconds g++ "${flags[@]}" "${stage#*:}" -c benchmarks/smallest_program.cpp -o "$scratch/program.o")"
  done
  echo "headers read alone, processor seconds"
  for header in dvd/dvdgan.hpp dvd/training/trainer.hpp dvd/models/dvd_gan.hpp dvd/device/cpu.hpp dvd/core/device.hpp \
    oneapi/tbb/parallel_for.h Eigen/Core functional map; do
    echo "#include <$header>" >"$scratch/one.cpp"
    printf '  %-28s %6s\n' "$header" "$(processor_seconds g++ "${flags[@]}" -fsyntax-only "$scratch/one.cpp")"
  done
  exit 0
fi

missed=0
# Compiles the program with the given compiler and flags; the first argument is the most seconds g++ may take, or none.
measure() {
  local goal=$1 wall processor memory
  shift
  for run in 1 2 3; do
    CCACHE_DISABLE=1 "$scratch/measure" "$@" -std=c++20 -Iinclude -isystem /usr/include/eigen3 \
      -c benchmarks/smallest_program.cpp -o "$scratch/program.o"
  done >"$scratch/runs"
  wall=$(median 1) processor=$(median 2) memory=$(median 3)
  printf '%-45s %6s s (processor %s s), %s MB\n' "$*" "$wall" "$processor" "$memory"
  awk -v goal="$goal" -v seconds="$processor" -v memory="$memory" \
    'BEGIN { exit !(goal == "none" || seconds <= 1.25 * goal && memory <= 700) }' ||
    { echo "compile_time.sh: the goals are $goal s of processor time, with a quarter on top, and 700 MB" >&2; missed=1; }
}

for compiler in g++ clang++; do
  command -v "$compiler" >/dev/null || continue
  "$compiler" --version | head -n 1
  only() { [ "$compiler" = g++ ] && echo "$1" || echo none; }
  measure "$(only 8)" "$compiler" -O2
  measure "$(only 12)" "$compiler" -O2 -march=native
  measure "$(only 6)" "$compiler" -O2 -DDVD_COMPILED
  measure "$(only 6)" "$compiler" -O2 -march=native -DDVD_COMPILED
done
exit "$missed"
