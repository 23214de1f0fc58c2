#!/bin/bash
# Checks that a snippet is refused by the compiler for the right reason, and that its legal twin is not.
#   check.sh SNIPPET HEADER COMPILER [FLAGS...]
# HEADER is what precompile.sh has made.
# Each line "// expect: TEXT" of the snippet is a text that the compiler's message must contain. With -DLEGAL the
# snippet must compile.
set -u
snippet=$1 header=$2
shift 2
compile() { "$@" -std=c++20 -fsyntax-only -include "$header" -x c++ "$snippet" 2>&1; }

message=$(compile "$@" -DLEGAL) || { echo "The legal twin does not compile:"; echo "$message"; exit 1; }
message=$(compile "$@") && { echo "The snippet compiles, but must not."; exit 1; }

expected=$(sed -n 's|^// expect: ||p' "$snippet")
[ -n "$expected" ] || { echo "The snippet has no line '// expect: TEXT'."; exit 1; }
while IFS= read -r text; do
  grep -qF -- "$text" <<<"$message" || { echo "The message does not say '$text':"; echo "$message"; exit 1; }
done <<<"$expected"
