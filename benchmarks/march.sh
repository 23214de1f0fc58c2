#!/usr/bin/env bash
# What the compiler is told to build for, and what it costs: times a training step of train_step built with several
# -march flags, in turns, and prints medians. Names of flags may be given: march.sh x86-64 native
set -euo pipefail
cd "$(dirname "$0")/.."
source cmake/packages.sh

if [ "$(uname -m)" = x86_64 ]; then targets=(x86-64 x86-64-v3 native); else targets=(armv8-a native); fi
[ $# -eq 0 ] || targets=("$@")
size=(--resolution 32 --frames 8 --channels 8 --batch 8 --steps 3 --warmup 1)
for target in "${targets[@]}"; do
  cmake -S . -B "build/march/$target" -DCMAKE_BUILD_TYPE=Release -DDVD_NATIVE=OFF -DCMAKE_CXX_FLAGS="-march=$target" \
    -DDVD_TESTS=OFF -DDVD_EXAMPLES=OFF -DDVD_WITH_CUDA=OFF >/dev/null ||
    fail "CMake could not configure for -march=$target"
  cmake --build "build/march/$target" --target train_step >/dev/null || fail "the build for -march=$target failed"
done

for round in 1 2 3; do
  for target in "${targets[@]}"; do
    "build/march/$target/bin/train_step" "${size[@]}" |
      sed -E "s/.*\"step_ms\":([0-9.]+).*/$target \1/"
  done
done | sort -k1,1 -k2,2n | awk '
  $1 != name { name = $1; count = 0 }
  { times[++count] = $2; if (count == 3) printf "-march=%-12s %8.0f ms a step of %s\n", name, times[2], "32/8/8/8" }'
