#!/bin/bash
# The C++ of a page compiles as it stands there: its blocks in their order, definitions at file scope, statements in one
# function; a block with a main of its own is a program by itself.
#   snippets.sh PAGE INCLUDE_FOLDER COMPILER [FLAGS...]
set -u
page=$1 include=$2 compiler=$3
shift 3
here=$(mktemp -d) && trap 'rm -rf "$here"' EXIT || exit 1
awk -v folder="$here" '
  /^```cpp$/ { block = folder "/block" sprintf("%02d", ++count); inside = 1; next }
  /^```$/ { inside = 0; next }
  inside { print > block }' "$page"
blocks=("$here"/block*)
[ -e "${blocks[0]}" ] || { echo "WRONG: no C++ in $page"; exit 1; }

programs=0
echo '#include <dvd/dvdgan.hpp>' >"$here/page.cpp"
touch "$here/definitions" "$here/statements"
for block in "${blocks[@]}"; do
  if grep -q '^int main()' "$block"; then
    cp "$block" "$here/program$((++programs)).cpp"
    grep '^#include' "$block" >>"$here/page.cpp" # later blocks rely on what the page has included
    continue
  fi
  grep '^#include' "$block" >>"$here/page.cpp"
  if grep -v '^#include' "$block" | grep -m 1 . | grep -qE '^(auto \w+\(|class|struct|template)'; then
    grep -v '^#include' "$block" >>"$here/definitions"
  else
    grep -v '^#include' "$block" >>"$here/statements"
  fi
done
{ cat "$here/definitions"; echo 'void statements() {'; cat "$here/statements"; echo '}'; } >>"$here/page.cpp"
for program in "$here"/*.cpp; do
  "$compiler" -std=c++20 -fsyntax-only "-I$include" "$@" "$program" ||
    { echo "WRONG: $(basename "$program") of $page does not compile"; exit 1; }
done
