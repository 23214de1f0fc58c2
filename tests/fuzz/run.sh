#!/bin/bash
# Builds the fuzz targets and runs each of them for so many seconds. Its last line is "N passed, N failed".
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

usage="usage: bash tests/fuzz/run.sh SECONDS [TARGET...]
  TARGET   safetensors, checkpoint, set, list, weights, pickle, tensorflow, video, config; all unless some are named
Inputs that were found go to build/fuzz/corpora and are used again; what a target fails on is kept in build/fuzz/findings
and tried again with  build/fuzz/bin/TARGET_fuzzer FILE. A finding is a crash, what a sanitizer says, an exception that is
no dvd::Error, 10 seconds for one input, or 2 GB of memory. Needs clang++ and the packages of tests/run.sh.
With BUILD=DIR the build folder is another than build/fuzz."
[[ ${1:-} =~ ^[0-9]+$ ]] || { echo "$usage" >&2 && exit 2; }
seconds=$1
shift
source cmake/packages.sh
build=${BUILD:-build/fuzz}
command -v clang++ >/dev/null || fail "there is no clang++ here, which has libFuzzer (apt-get install clang)"

passed=0
failed=0
trap 'status=$?; echo "$passed passed, $failed failed"; exit $status' EXIT
trap 'exit 130' INT TERM

names=("$@")
if [ ${#names[@]} -eq 0 ]; then
  for source in tests/fuzz/*_fuzzer.cpp; do names+=("$(basename "$source" _fuzzer.cpp)"); done
fi
for name in "${names[@]}"; do
  [ -e "tests/fuzz/${name}_fuzzer.cpp" ] || fail "there is no target $name (bash tests/fuzz/run.sh)"
done

generator=()
[ -e "$build/CMakeCache.txt" ] || ! command -v ninja >/dev/null || generator=(-G Ninja)
cmake --preset fuzz -B "$build" "${generator[@]}" >"$build.log" 2>&1 || { tail -n 5 "$build.log"; fail "CMake could not configure $build"; }
cmake --build "$build" --parallel "$(build_jobs)" --target make_seeds "${names[@]/%/_fuzzer}" ||
  { failed=1; fail "the fuzz targets do not build"; }
build=$(realpath "$build")
bash tests/fuzz/make_corpora.sh "$build/bin/make_seeds" "$build/seeds" || { failed=1; fail "the seeds cannot be made"; }

# Files that are written for every input stay in memory where that can be.
memory=/dev/shm
[ -w $memory ] || memory=${TMPDIR:-/tmp}
TMPDIR=$(mktemp --directory --tmpdir=$memory dvd-fuzz.XXXXXX) || fail "no temporary folder in $memory"
export TMPDIR
trap 'status=$?; rm -rf "$TMPDIR"; echo "$passed passed, $failed failed"; exit $status' EXIT
export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_leaks=1} UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1}
for name in "${names[@]}"; do
  mkdir -p "$build/corpora/$name" "$build/findings" "$build/seeds/$name"
  dictionary=()
  [ ! -e "tests/fuzz/$name.dict" ] || dictionary=(-dict="tests/fuzz/$name.dict")
  log=$build/findings/$name.log
  if "$build/bin/${name}_fuzzer" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -malloc_limit_mb=2048 \
    -max_len=131072 -print_final_stats=1 -verbosity=1 -artifact_prefix="$build/findings/$name-" "${dictionary[@]}" \
    "$build/corpora/$name" "$build/seeds/$name" >"$log" 2>&1; then
    passed=$((passed + 1))
    result=clean
  else
    failed=$((failed + 1))
    result="FAILED, see $log"
  fi
  echo "$name: $result; $(sed -n 's/^stat::number_of_executed_units: */inputs /p' "$log")," \
    "$(grep -oE 'cov: [0-9]+' "$log" | tail -n 1 | sed 's/cov:/branches/')," \
    "$(sed -n 's/^stat::peak_rss_mb: */MB of memory /p' "$log")"
done
[ $failed -eq 0 ]
