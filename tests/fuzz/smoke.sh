#!/bin/bash
# The fuzz targets build and take their seeds: one of them for a few seconds. smoke.sh BUILD_FOLDER, of its own.
set -eu
command -v clang++ >/dev/null || { echo "not run: there is no clang++ here"; exit 0; }
mkdir -p "$1"
echo 'extern "C" int LLVMFuzzerTestOneInput(const unsigned char*, unsigned long) { return 0; }' >"$1/try.cpp"
clang++ -fsanitize=fuzzer,address,undefined "$1/try.cpp" -o "$1/try" 2>/dev/null ||
  { echo "not run: this clang++ has no libFuzzer"; exit 0; }
BUILD=$1/build bash "$(dirname "${BASH_SOURCE[0]}")/run.sh" 5 weights
