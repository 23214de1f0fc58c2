#!/bin/bash
# Installs what is missing, builds everything, runs all tests. Its last line is "N passed, N failed".
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

usage="usage: bash tests/run.sh [--asan | --tsan] [--long] [--warnings-as-errors] [--no-install]
  --asan                 under the address and undefined-behaviour sanitizers
  --tsan                 by clang++, under the thread sanitizer, but for what oneTBB itself does (tests/support/tsan.supp)
  --long                 also the tests that take longer, which ctest labels long, and TensorBoard for one of them
  --warnings-as-errors   a compiler's warning fails the build
  --no-install           do not install missing packages"
preset=release
install=yes
long=no
selection=(--label-exclude '^long$')
warnings_as_errors=OFF
for option in "$@"; do
  case $option in
    --asan) preset=asan ;;
    --tsan) preset=tsan ;;
    --long) selection=() && long=yes ;;
    --warnings-as-errors) warnings_as_errors=ON ;;
    --no-install) install=no ;;
    --help | -h) echo "$usage" && exit 0 ;;
    *) echo "run.sh: unknown option $option" >&2 && echo "$usage" >&2 && exit 2 ;;
  esac
done
source cmake/packages.sh

# Whatever ends this script, its last line is the count. What keeps the tests from being run is one failure.
passed=0
failed=1
trap 'status=$?; echo "total time: $SECONDS s"; echo "$passed passed, $failed failed"; exit $status' EXIT
trap 'exit 130' INT TERM

if [ $install = yes ]; then
  install_packages "${library_packages[@]}" "${program_packages[@]}" "${test_packages[@]}"
  [ $preset != tsan ] || install_packages clang
  install_browser
  [ $long = no ] || install_tensorboard
  [ $long = no ] || (install_packages "$checker") || echo "Without it sources are not read for mistakes."
  [ $long = no ] || (install_packages "${documentation_packages[@]}") || echo "Without them the site is not tested."
fi
configure_options=(-DDVD_WARNINGS_AS_ERRORS=$warnings_as_errors)
# Without a GPU the emulation tells what there is to tell of dvd::Cuda: that nvcc compiles it, too, which takes minutes,
# is for the long form.
if [ $preset != tsan ] && { [ $long = yes ] || [ -e /dev/nvidiactl ]; }; then
  configure_options+=(-DDVD_CUDA_PROGRAMS=ON)
else
  configure_options+=(-DDVD_CUDA_PROGRAMS=OFF -DDVD_WITH_CUDA=OFF)
fi
configure_and_build $preset
if [ $long = yes ] && [ $preset = release ]; then  # a test runs one of them, and all are to compile
  cmake --build "build/$preset" --parallel "$(build_jobs)" --target benchmarks || fail "the benchmarks do not compile"
fi

sync  # gigabytes, or the tests would wait for them and time out
# TBB's threads outlive main, so what they hold is no leak.
export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_leaks=1:detect_stack_use_after_return=1}
export TSAN_OPTIONS=${TSAN_OPTIONS:-suppressions=$PWD/tests/support/tsan.supp:second_deadlock_stack=1:history_size=5}
export UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1}
# Clang's older thread sanitizers find no place where addresses are drawn from all that newer kernels have.
in_place=()
[ $preset != tsan ] || ! setarch --addr-no-randomize true 2>/dev/null || in_place=(setarch --addr-no-randomize)
results=$PWD/build/$preset/test-results.xml
rm -f "$results"
"${in_place[@]}" ctest --test-dir "build/$preset" --parallel "$(build_jobs)" --output-on-failure --no-tests=error \
  "${selection[@]}" --output-junit "$results"
status=$?

# <testsuite name="..." tests="12" failures="1" disabled="0" skipped="0" ...>
count() { sed -n "s/.*\b$1=\"\([0-9]*\)\".*/\1/p;/<testcase/q" "$results" | head -n 1; }
[ -s "$results" ] || fail "ctest has not written its results"
failed=$(count failures)
skipped=$(($(count skipped) + $(count disabled)))
passed=$(($(count tests) - failed - skipped))
[ $skipped -eq 0 ] || echo "$skipped not run"
[ $status -eq 0 ] || [ "$failed" -gt 0 ] || failed=1
exit $status
