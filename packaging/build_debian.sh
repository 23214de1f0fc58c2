#!/bin/bash
# Builds the Debian packages libdvd-dev and dvd-tools, and has lintian look at them.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source cmake/packages.sh

usage="usage: bash packaging/build_debian.sh [--library] [--out DIR] [OPTION FOR dpkg-buildpackage]...
  --library   libdvd-dev alone, in a minute; dvd-tools compiles the programs, which takes long
  --out DIR   where the packages go; without it build/debian
Debian 12 or newer, with debhelper, lintian, and what packaging/debian/control asks for."
out=build/debian
what=-b
options=()
while [ $# -gt 0 ]; do
  case $1 in
    --library) what=-A ;;
    --out)
      [ -n "${2:-}" ] || fail "--out wants a value (bash packaging/build_debian.sh --help)"
      out=$2
      shift
      ;;
    --help | -h) echo "$usage" && exit 0 ;;
    *) options+=("$1") ;;
  esac
  shift
done
for program in dpkg-buildpackage dh lintian; do
  command -v $program >/dev/null || fail "there is no $program here: apt-get install debhelper dpkg-dev lintian"
done

version=$(sed -n 's/.*constexpr char version.*"\(.*\)".*/\1/p' include/dvd/version.hpp)
changelog=$(dpkg-parsechangelog --file packaging/debian/changelog --show-field Version)
[ "$version" = "$changelog" ] || fail "packaging/debian/changelog is of $changelog, the library is $version: write an entry"

# The project's own files as they are now; of what is no checkout, all but what was built in it.
mkdir -p "$out"
out=$(realpath "$out")
tree=$out/dvd-$version
rm -rf "$tree"
mkdir "$tree"
if git rev-parse --quiet --verify HEAD >/dev/null 2>&1; then
  git ls-files -z --cached --others --exclude-standard
else
  find . -path './build*' -prune -o -path ./runs -prune -o -type f -print0
fi | while IFS= read -r -d '' file; do
  [ ! -e "$file" ] || printf '%s\0' "$file"  # but what was removed
done | tar --create --null --files-from=- | tar --extract --directory "$tree"
mv "$tree/packaging/debian" "$tree/debian"

(cd "$tree" && dpkg-buildpackage -us -uc $what "${options[@]}") || fail "dpkg-buildpackage failed"
changes=("$out/dvd_${version}_"*.changes)
newest=$(ls -t "${changes[@]}" | head -n 1)
lintian --allow-root --fail-on error,warning --show-overrides "$newest" || fail "lintian has found something"
rm -rf "$tree"
sed -n 's/^ [0-9a-f]\{64\} [0-9]* \(.*\.deb\)$/\1/p' "$newest" | sed "s|^|$out/|"
