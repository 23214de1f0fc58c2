#!/bin/bash
# Compiles every header of the library alone: each must include what it uses and, with the flag -Werror, give no
# warning.
#   headers_alone.sh INCLUDE_FOLDER COMPILER [FLAGS...]
set -u
cd "$1" || exit 1
shift

check() {
  header=$1
  shift
  message=$("$@" -std=c++20 -fsyntax-only -Wall -Wextra -Wpedantic -include "$header" -x c++ /dev/null 2>&1) ||
    { printf '%s does not compile alone:\n%s\n' "$header" "$(head -n 20 <<<"$message")"; exit 1; }
}
export -f check

find dvd -name '*.hpp' | sort |
  xargs -P "$(nproc)" -I HEADER bash -c 'check "$@"' check HEADER "$@" -I.
