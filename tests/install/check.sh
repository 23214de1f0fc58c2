#!/bin/bash
# Builds the outside project in this folder against dvd, and runs its programs.
#   check.sh WAY SOURCE BUILD CMAKE COMPILER
# WAY is how it gets dvd: "package" and "package-video" install it from the build folder BUILD and find it there,
# "subdirectory" adds the folder SOURCE, and "messages" tries what must not work and reads why.
set -eu
way=$1 source=$2 build=$3 cmake=$4 compiler=$5

here=$(mktemp -d "${TMPDIR:-/tmp}/dvd-install-test-XXXXXX")
trap 'rm -rf "$here"' EXIT

configure() {
  "$cmake" -S "$source/tests/install" -B "$here/build" -DCMAKE_CXX_COMPILER="$compiler" -DCMAKE_CXX_FLAGS="-O1 -Wall" \
    -DCMAKE_PREFIX_PATH="$here/moved" "$@"
}
# Installs, then moves what was installed: nothing in it may depend on where it is.
install() {
  "$cmake" --install "$build" --prefix "$here/prefix" >/dev/null
  mv "$here/prefix" "$here/moved"
  if grep -rlF -e "$source" -e "$build" "$here/moved"; then
    echo "These installed files name the folder they were made in."
    exit 1
  fi
}
# Configuring with these arguments must fail and say this.
refused() {
  local text=$1 message
  shift
  rm -rf "$here/build"  # and what an earlier configuration has told it
  message=$(configure "$@" 2>&1) && { echo "Configured, but should not have been: $*"; exit 1; }
  grep -qF -- "$text" <<<"$message" || { echo "The message does not say '$text':"; echo "$message"; exit 1; }
}

program=program
case $way in
  package) install && configure ;;
  package-video) install && configure -DCOMPONENTS=video && program=video_program ;;
  subdirectory) configure -DDVD_SOURCE="$source" ;;
  messages)
    install
    refused "sound: this version of dvd has no such component, only: video, cuda" -DCOMPONENTS=sound
    refused "apt-get install libeigen3-dev" -DCMAKE_DISABLE_FIND_PACKAGE_Eigen3=ON
    rm -f "$here/moved/share/cmake/dvd/dvd-video-targets.cmake"
    refused "video: this dvd was installed without FFmpeg" -DCOMPONENTS=video
    rm -f "$here/moved/share/cmake/dvd/dvd-cuda-targets.cmake"
    refused "cuda: this dvd was installed without CUDA (install dvd again where CUDA is)" -DCOMPONENTS=cuda
    exit 0
    ;;
esac
"$cmake" --build "$here/build" --target $program
cd "$here"
build/$program
[ -s samples.png ] || [ -s shape.gif ]
