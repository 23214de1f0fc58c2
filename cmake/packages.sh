# The Debian and Ubuntu packages that this project needs, and how its scripts install them. To be sourced by bash.

library_packages=(
  g++ cmake ninja-build                       # compiler and build
  libeigen3-dev                               # array expressions, initialisation, dvd/eigen.hpp
  libtbb-dev                                  # threads
  libstb-dev                                  # PNG files
)
program_packages=(
  nlohmann-json3-dev                          # headers of checkpoints, configurations, logs
  libcli11-dev libfmt-dev                     # command lines, text
  libzip-dev libsnappy-dev                    # weights in the files of NumPy, PyTorch and TensorFlow
  libavformat-dev libavcodec-dev              # video files: containers, codecs,
  libavutil-dev libswscale-dev                # pixel formats, resizing,
  libavfilter-dev                             # palettes of GIF files
  libcairo2-dev                               # curves of scores
  libopenmpi-dev openmpi-bin                  # several processes that train one model
)
test_packages=(
  doctest-dev                                 # the tests
  ffmpeg                                      # makes the video files that tests read
  libbenchmark-dev                            # benchmarks of kernels
  python3-numpy                               # reads sets, videos and latents as a page says
)

# What makes the site of the pages and the reference, in looks of its own; not needed for anything else.
documentation_packages=(doxygen doxygen-awesome-css)

checker=clang-tidy                            # reads sources and headers in the tests' long form

browser=chromium                              # draws report.html in a test, which is left out where there is none

# Ends the script with a reason in one line.
fail() {
  echo "${0##*/}: $*" >&2
  exit 1
}

# Installs those of the packages that are missing. Needs neither rights nor network if none is.
install_packages() {
  if ! command -v apt-get dpkg-query >/dev/null; then
    echo "No apt-get here, so nothing is installed; CMake will name what is missing."
    return
  fi
  local package missing=()
  for package in "$@"; do
    dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed ||
      missing+=("$package")
  done
  [ ${#missing[@]} -gt 0 ] || return 0

  local root=()
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || fail "please install as root: apt-get install ${missing[*]}"
    root=(sudo)
    [ -t 0 ] || root=(sudo --non-interactive)  # nobody is there to type a password
  fi
  echo "Installing ${missing[*]}"
  "${root[@]}" apt-get update --quiet=2 || fail "apt-get update failed, and these are not installed: ${missing[*]}"
  "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install --yes --quiet=2 --no-install-recommends \
    "${missing[@]}" >/dev/null || fail "apt-get could not install: ${missing[*]}"
}

# Installs the browser if that is easily done: where it is an ordinary package, as in Debian.
install_browser() {
  command -v chromium chromium-browser google-chrome >/dev/null && return
  grep -qs '^ID=debian' /etc/os-release || return 0
  (install_packages "$browser") || echo "Without $browser the test of report.html in a browser is left out."
}

# TensorBoard, which one test has read our event files, with its Python in build/tensorboard: no distribution's package
# has it. 180 MB, and no test fails for want of it.
install_tensorboard() {
  local python=$PWD/build/tensorboard/bin/python
  python3 -c 'import tensorboard' 2>/dev/null && return
  [ -x "$python" ] || {
    echo "Installing TensorBoard in build/tensorboard"
    python3 -m venv build/tensorboard >/dev/null 2>&1 && "$python" -m pip install --quiet tensorboard >/dev/null 2>&1
  } || { rm -rf build/tensorboard; echo "Without TensorBoard the test of what it reads is left out."; return; }
  export DVD_TENSORBOARD_PYTHON=$python
}

# How many compilers may run at a time: one a core, and one for every 2 GB of memory.
build_jobs() {
  local cores gigabytes
  cores=$(nproc)
  gigabytes=$(awk '/^MemAvailable/ {print int($2 / 2000000)}' /proc/meminfo)
  [ "$gigabytes" -ge 1 ] || gigabytes=1
  echo $((cores < gigabytes ? cores : gigabytes))
}

# configure_and_build PRESET [PROGRAM...]: in build/PRESET, with Ninja where it is and the CMake arguments in the array
# configure_options, quietly as long as all goes well. Whoever wants everything (no PROGRAM) is told what CMake leaves out.
configure_options=()
configure_and_build() {
  local preset=$1 generator=() left_out programs
  shift
  if [ ! -e "build/$preset/CMakeCache.txt" ] && command -v ninja >/dev/null; then
    generator=(-G Ninja)
  fi
  left_out=$(cmake --preset "$preset" "${generator[@]}" "${configure_options[@]}") ||
    fail "CMake could not configure build/$preset"
  left_out=$(sed -n 's/^-- \(.* left out.*\)/\1/p' <<<"$left_out")
  programs=$(sed -n '/^The programs/p' <<<"$left_out")
  [ $# -eq 0 ] || [ -z "$programs" ] || fail "$programs"
  [ $# -gt 0 ] || [ -z "$left_out" ] || echo "$left_out"
  cmake --build "build/$preset" --parallel "$(build_jobs)" ${1:+--target "$@"} || fail "the build failed"
}
