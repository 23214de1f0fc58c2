#!/bin/bash
# Runs tests/run.sh as a newcomer on Debian 13 does, from the bare system: makes one in a folder, puts the project's
# tracked files there as they are now, and runs everything inside. Nothing stays mounted or running afterwards.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source cmake/packages.sh

usage="usage: bash tests/debian13.sh [--folder DIR] [--mirror URL] [OPTION FOR tests/run.sh]...
  --folder DIR   where Debian 13 is, or is made, and stays with what was built in it; without it a temporary folder
                 that is removed afterwards (2 GB)
  --mirror URL   Debian's archive; without it the one that apt uses here
As root, on Debian 12 or newer."
folder=""
mirror=""
options=()
while [ $# -gt 0 ]; do
  case $1 in
    --folder | --mirror)
      [ -n "${2:-}" ] || fail "$1 wants a value (bash tests/debian13.sh --help)"
      [ "$1" = --folder ] && folder=$2 || mirror=$2
      shift 2
      ;;
    --help | -h) echo "$usage" && exit 0 ;;
    *) options+=("$1") && shift ;;
  esac
done
[ "$(id -u)" -eq 0 ] || fail "must be run as root: it makes a system and mounts what that needs"
command -v apt-get >/dev/null || fail "there is no apt-get here: it needs Debian 12 or newer"
install_packages debootstrap debian-archive-keyring git
git rev-parse --quiet --verify HEAD >/dev/null || fail "$PWD is no git checkout, so its files cannot be told from others"

temporary=""
if [ -z "$folder" ]; then
  temporary=$(mktemp --directory --tmpdir debian13.XXXXXX)
  folder=$temporary
fi
mkdir --parents "$folder"
folder=$(realpath "$folder")

# Runs a command with mounts and processes of its own. The kernel takes both away with the first of these processes,
# however it ends, and this script ends it when it is ended itself.
isolated() {
  unshare --mount --pid --fork --kill-child "$@" &
  running=$!
  wait $running
}
running=""
clean_up() {
  if [ -n "$running" ] && [ -e "/proc/$running" ]; then
    kill -KILL $(cat "/proc/$running/task/$running/children") 2>/dev/null || true
    wait $running || true
  fi
  [ -z "$temporary" ] || rm --recursive --force --one-file-system "$temporary"
}
trap 'status=$?; clean_up; exit $status' EXIT
trap 'exit 130' INT TERM HUP

# The first of apt's archives that has Debian 13, asked as apt asks.
find_mirror() {
  local archive
  for archive in $(apt-get update --print-uris | sed -nE "s,^'((https?|file):.*)/dists/.*InRelease'.*,\1,p" | uniq); do
    /usr/lib/apt/apt-helper download-file "$archive/dists/trixie/Release" "$folder/Release" >/dev/null 2>&1 || continue
    mirror=$archive
    break
  done
  rm --force "$folder/Release"
  [ -n "$mirror" ] || fail "no archive that apt uses here has Debian 13; name one with --mirror"
}

make_system() {
  [ -n "$mirror" ] || find_mirror
  local kind proxy="" log=$folder/debootstrap.log message
  for kind in http https; do  # debootstrap does not read apt's settings, where https takes what http has
    eval "$(apt-config shell proxy "Acquire::$kind::Proxy")"
    [ -z "$proxy" ] || export "${kind}_proxy=${proxy%DIRECT}"
  done
  echo "Making Debian 13 in $folder"
  isolated debootstrap --variant=minbase --include=ca-certificates trixie "$folder" "$mirror" >"$log" 2>&1 || {
    message=$(grep '^[EW]:' "$log" | tail -n 1) || true
    find "$folder" -mindepth 1 -xdev -delete  # it was empty before, and can be used for the next try
    fail "debootstrap could not make Debian 13 (${message:-it was ended})"
  }
  rm "$log"
}

# Gives the system what this one reaches the archive with: names, certificates, and how apt fetches, with the files that
# its settings name.
configure_system() {
  cp --dereference /etc/resolv.conf /etc/hosts "$folder/etc/"
  if [ -e /usr/local/share/ca-certificates ]; then
    cp --recursive --dereference /usr/local/share/ca-certificates "$folder/usr/local/share/"
    chroot "$folder" update-ca-certificates >/dev/null 2>&1
  fi
  cp --recursive /etc/apt/auth.conf* "$folder/etc/apt/" 2>/dev/null || true
  apt-config dump Acquire | grep -E '^Acquire::(http|https|Retries|Check|ForceIPv|Proxy)' \
    >"$folder/etc/apt/apt.conf.d/90host" || true
  local file
  sed -n 's,^[^"]*"\(/.*\)";$,\1,p' "$folder/etc/apt/apt.conf.d/90host" | while read -r file; do
    [ ! -f "$file" ] || install -D --preserve-timestamps "$file" "$folder$file"
  done
}

# The tracked files as they are, changes that are not committed included. Those that have not changed since the last run
# keep their dates, so that only what must be is built again.
copy_project() {
  local files
  files=$(git stash create)
  mkdir --parents "$folder/opt/dvd"
  GIT_INDEX_FILE=$folder/opt/dvd.index git --work-tree="$folder/opt/dvd" read-tree --reset -u "${files:-HEAD}"
}

if [ -z "$(ls --almost-all "$folder")" ]; then
  make_system
fi
grep -qs '^VERSION_CODENAME=trixie' "$folder/etc/os-release" && [ ! -e "$folder/debootstrap" ] ||
  fail "$folder is neither empty nor a whole Debian 13; remove it, or name another folder"
configure_system
copy_project

isolated bash -c '
  set -e
  folder=$1
  shift
  mount -t proc proc "$folder/proc"
  for kind in dev sys; do mount --rbind "/$kind" "$folder/$kind"; done
  unset TMPDIR
  export HOME=/root LC_ALL=C.UTF-8 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
  chroot "$folder" bash /opt/dvd/tests/run.sh "$@"' bash "$folder" "${options[@]}"
