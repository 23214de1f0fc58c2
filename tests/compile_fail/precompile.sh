#!/bin/bash
# Precompiles what the snippets include, so that each compiles in a second.
#   precompile.sh HEADER COMPILER [FLAGS...]
# HEADER is written; who includes it first gets what was precompiled.
set -eu
header=$1 snippets=$(dirname "$0")
shift
mkdir -p "$(dirname "$header")"
# What reads JSON has so much to instantiate that it would be no gain.
sed -n '/safetensors/d; /^#include/p' "$snippets"/*.cpp | LC_ALL=C sort -u >"$header"
"$@" -std=c++20 -x c++-header "$header" -o "$header.gch"
