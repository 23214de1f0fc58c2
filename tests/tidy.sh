#!/bin/bash
# clang-tidy, by the rules of .clang-tidy, over the programs, the benchmarks and every header of the library: not a finding is right.
#   tidy.sh BUILD [FILE...]    files of the project that BUILD knows how to compile; without any, all of these
# The target `tidy` runs it: cmake --build build/release --target tidy
set -uo pipefail
build=$(realpath "${1:?tidy.sh BUILD [FILE...]}") || exit 2
shift
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 2
command -v clang-tidy >/dev/null || { echo "tidy.sh: there is no clang-tidy here" >&2; exit 2; }
[ -f "$build/compile_commands.json" ] || { echo "tidy.sh: $build has no compile_commands.json" >&2; exit 2; }

if [ $# -gt 0 ]; then
  files=$(realpath "$@")
else
  files=$(sed -n 's/^ *"file": "\(.*\)",*$/\1/p' "$build/compile_commands.json" |
    grep -E "^($PWD/(examples|benchmarks)/|$build/.*/every_header\.cpp$)" | sort -u)
fi

check() {
  # What the compiler of the build knows and clang does not is no finding.
  output=$(clang-tidy --quiet --config-file=.clang-tidy -p "$1" "$2" 2>&1) ||
    { grep -v "warnings\? generated\.$\|^Suppressed \|^Use -header-filter" <<<"$output"; echo "in $2"; exit 1; }
}
export -f check
xargs -P "$(nproc)" -I FILE bash -c 'check "$@"' check "$build" FILE <<<"$files" || exit 1
echo "$(wc -l <<<"$files") files, and not a finding"
