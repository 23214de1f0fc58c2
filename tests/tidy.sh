#!/bin/bash
# clang-tidy, by the rules of .clang-tidy, over the programs, the benchmarks and every header of the library: not a
# finding is right.
#   tidy.sh FOLDER [FILE...]    configures the project in FOLDER and reads all of these, or the files that are named
# The target `tidy` runs it: cmake --build build/release --target tidy
set -uo pipefail
[ $# -gt 0 ] || { echo "usage: tidy.sh FOLDER [FILE...]" >&2; exit 2; }
folder=$(realpath -m "$1")
shift
named=$([ $# -eq 0 ] || realpath -e "$@") || exit 2
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 2
command -v clang-tidy >/dev/null || { echo "tidy.sh: there is no clang-tidy here" >&2; exit 2; }

# For how files are compiled; without what g++ has precompiled, which clang cannot read.
log=$(cmake -S . -B "$folder" -DCMAKE_BUILD_TYPE=Release -DCMAKE_DISABLE_PRECOMPILE_HEADERS=ON -DDVD_WITH_CUDA=OFF \
  -DDVD_WITH_NCCL=OFF 2>&1) || { echo "$log"; exit 2; }
files=${named:-$(sed -n 's/^ *"file": "\(.*\)",*$/\1/p' "$folder/compile_commands.json" |
  grep -E "^($PWD/(examples|benchmarks)/|$folder/.*/every_header\.cpp$)" | sort -u)}

check() {
  output=$(clang-tidy --quiet --config-file=.clang-tidy -p "$1" "$2" 2>&1) ||
    { grep -v "^[0-9]* [a-z]* generated\.$" <<<"$output"; echo "in $2"; exit 1; }
}
export -f check
xargs -P "$(nproc)" -I FILE bash -c 'check "$@"' check "$folder" FILE <<<"$files" || exit 1
echo "$(wc -l <<<"$files") files, and not a finding"
