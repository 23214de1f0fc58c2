#!/bin/bash
# Builds the outside project in this folder against dvd, and runs its programs.
#   check.sh WAY SOURCE BUILD CMAKE COMPILER
# WAY is how it gets dvd. "package" installs it from the build folder BUILD and finds it there, where nothing is that
# only components need; "package-checkpoint", "package-video", "package-convert", "package-mpi", "package-compiled",
# "package-cuda", "package-nccl" and "package-shapes_weights" ask for these components; "subdirectory" adds the folder
# SOURCE, as "subdirectory-compiled" does, and "fetch_content" has FetchContent add it, for the smallest program;
# "plain-stb" has stb's header in no folder of its own; "cuda-without-cmake" compiles dvd::Cuda by hand; "messages" tries
# what must not work and reads why. "archive" finds what cpack has made and was
# unpacked, and "fetched" fetches the archive of the sources; "versions" asks whether all packages are of one version;
# "debian" and "conan" make these packages, where debhelper, lintian and Conan 2 are.
set -eu
way=$1 source=$2 build=$3 cmake=$4 compiler=$5

here=$(mktemp -d "${TMPDIR:-/tmp}/dvd-install-test-XXXXXX")
trap 'rm -rf "$here"' EXIT
version=$(sed -n 's/.*constexpr char version.*"\(.*\)".*/\1/p' "$source/include/dvd/version.hpp")
IFS=. read -r major minor _ <<<"$version"

without() { printf -- "-DCMAKE_DISABLE_FIND_PACKAGE_%s=ON\n" "$@"; }
# Not optimized, to take half the time, except where bits of files compiled apart are compared and where much is
# computed.
optimization=-O0
[[ $way != package-@(compiled|mpi) ]] || optimization=-O1
configure() {
  "$cmake" -S "$source/tests/install" -B "$here/build" -DCMAKE_CXX_COMPILER="$compiler" \
    -DCMAKE_CXX_FLAGS="$optimization -Wall" "$@"
}
configure_package() { configure -DCMAKE_PREFIX_PATH="$here/moved" -DDVD_VERSION="$major.$minor" "$@"; }
# As a subdirectory, without a word on the error output.
configure_subdirectory() {
  configure -DDVD_SOURCE="$source" "$@" 2>"$here/warnings"
  [ ! -s "$here/warnings" ] || { echo "CMake warns:"; cat "$here/warnings"; exit 1; }
}
# Installs, then moves what was installed: nothing in it may depend on where it is.
install() {
  "$cmake" --install "$build" --prefix "$here/prefix" >/dev/null
  mv "$here/prefix" "$here/moved"
  if grep -rlF -e "$source" -e "$build" "$here/moved"; then
    echo "These installed files name the folder they were made in."
    exit 1
  fi
  diff <(cd "$source/include" && find . -name '*.[hc]pp' -o -name '*.cuh' | sort) \
    <(cd "$here/moved/include" && find . -type f | sort) || { echo "Not everything is installed."; exit 1; }
}
# Configuring with these arguments must fail and say this.
refused() {
  local text=$1 message
  shift
  rm -rf "$here/build"  # and what an earlier configuration has told it
  message=$(configure_package "$@" 2>&1) && { echo "Configured, but should not have been: $*"; exit 1; }
  grep -qF -- "$text" <<<"$message" || { echo "The message does not say '$text':"; echo "$message"; exit 1; }
}
# The component must be refused without the package, by this message, and where dvd was installed without it.
refused_component() {
  local component=$1 package=$2 text=$3 needed=$4 targets=$here/moved/share/cmake/dvd/dvd-$1-targets.cmake
  [ ! -e "$targets" ] || refused "$component: $package: $text" -DCOMPONENTS="$component" "$(without "$package")"
  rm -f "$targets"
  refused "$component: this dvd was installed without $needed (install dvd again where $needed is)" \
    -DCOMPONENTS="$component"
}
# A program for a newer processor than dvd::compiled's must be refused by the linker, in words that say so.
fails_to_link() {
  local message
  message=$("$cmake" --build "$here/build" --target other_processor_program 2>&1) &&
    { echo "Linked, but should not have been."; exit 1; }
  grep -q "undefined.*compile_dvd_compiled_for_the_same_processor" <<<"$message" ||
    { echo "The linker does not say why:"; echo "$message"; exit 1; }
}

# Makes the archives that a CPack configuration describes.
make_archives() {
  local configuration=$build/$1.cmake
  shift
  "$(dirname "$cmake")/cpack" --config "$configuration" -B "$here/archives" "$@" >"$here/cpack.log" ||
    { cat "$here/cpack.log"; exit 1; }
}
# Unpacks an archive, in which may be these folders and no others.
unpack() {
  local archive=$1 folders
  shift
  tar --extract --gzip --directory "$here" --file "$archive"
  folders=$(tar --list --gzip --file "$archive" | sed -n 's|^dvd-[^/]*/\([^/]*\)/.*|\1|p' | sort -u | xargs)
  [ "$folders" = "$*" ] || { echo "In $(basename "$archive") are $folders, not $*."; exit 1; }
}

program=program
case $way in
  archive)
    # The programs as well, where they were built.
    make_archives CPackConfig $([ -x "$build/bin/train_ucf101" ] || echo -D CPACK_COMPONENTS_ALL=dvd_library)
    unpack "$here/archives/dvd-$version-library.tar.gz" include share
    for archive in "$here"/archives/dvd-*-programs-*.tar.gz; do
      [ ! -e "$archive" ] || unpack "$archive" bin share
    done
    mv "$here/dvd-$version" "$here/moved"
    [ -s "$here/moved/share/doc/dvd/LICENSE" ] || { echo "The licence is missing."; exit 1; }
    if [ -e "$here/moved/bin" ]; then # it finds the small model that comes with it
      "$here/moved/bin/sample_videos" --class 1 --count 1 --format png --out "$here/samples"
      ls "$here"/samples/*.png >/dev/null
    fi
    configure_package $(without nlohmann_json FFmpeg LibZip Snappy MPI CUDAToolkit cuDNN NCCL)
    ;;
  fetched)
    make_archives CPackSourceConfig
    unpack "$here/archives/dvd-$version-source.tar.gz" benchmarks cmake docs examples include packaging weights
    configure -DDVD_ARCHIVE="$here/archives/dvd-$version-source.tar.gz" -DDVD_WITH_CUDA=OFF
    ;;
  versions)
    said=$(sed -n 's/^ *"version": "\(.*\)",/\1/p' "$source/packaging/vcpkg/ports/dvd/vcpkg.json")
    [ "$said" = "$version" ] || { echo "packaging/vcpkg/ports/dvd/vcpkg.json is of $said, dvd of $version"; exit 1; }
    said=$(sed -n '1s/dvd (\(.*\)).*/\1/p' "$source/packaging/debian/changelog")
    [ "$said" = "$version" ] || { echo "packaging/debian/changelog is of $said, dvd of $version"; exit 1; }
    exit 0
    ;;
  debian)
    for needed in dh dpkg-buildpackage lintian; do
      command -v $needed >/dev/null || { echo "not run: there is no $needed"; exit 0; }
    done
    dpkg-checkbuilddeps -A "$source/packaging/debian/control" 2>"$here/unmet" ||
      { echo "not run: $(cat "$here/unmet")"; exit 0; }
    bash "$source/packaging/build_debian.sh" --library --out "$here" >"$here/log" 2>&1 || { cat "$here/log"; exit 1; }
    tail -n 1 "$here/log"
    exit 0
    ;;
  conan)
    command -v conan >/dev/null || { echo "not run: there is no conan"; exit 0; }
    export CONAN_HOME=$here/conan
    conan profile detect >/dev/null 2>&1
    conan create "$source/packaging/conan" --no-remote --settings compiler.cppstd=20 --settings build_type=Debug \
      --options "dvd/*:system=True" \
      --conf "tools.cmake.cmake_layout:test_folder=$here/test" >"$here/log" 2>&1 || { cat "$here/log"; exit 1; }
    exit 0
    ;;
  package) install && configure_package $(without nlohmann_json FFmpeg LibZip Snappy MPI CUDAToolkit cuDNN NCCL) ;;
  package-checkpoint) install && configure_package -DCOMPONENTS=checkpoint && program=checkpoint_program ;;
  package-video) install && configure_package -DCOMPONENTS=video && program=video_program ;;
  package-convert) install && configure_package -DCOMPONENTS=convert && program=convert_program ;;
  package-mpi) install && configure_package "-DCOMPONENTS=mpi;checkpoint" && program=mpi_program ;;
  package-compiled) install && configure_package -DCOMPONENTS=compiled -DMISMATCH=-mavx2 && program=compiled_program ;;
  package-shapes_weights)
    install && configure_package "-DCOMPONENTS=checkpoint;shapes_weights" && program=shapes_weights_program
    ;;
  package-cuda) install && configure_package -DCOMPONENTS=cuda -DCMAKE_CUDA_ARCHITECTURES=90 && program=cuda_program ;;
  package-nccl) install && configure_package "-DCOMPONENTS=nccl;mpi" -DCMAKE_CUDA_ARCHITECTURES=90 && program=nccl_program ;;
  cuda-without-cmake)
    # As dvd/device/cuda.cuh says, with the folders and libraries that the compilers do not know by themselves in $CUDA.
    cd "$here"
    cat >dvd_cuda.cu <<'CODE'
#include <dvd/device/cuda.cuh>       // dvd_cuda.cu
CODE
    flags="-std=c++20 -DDVD_INSTRUCTION_SET=compiled_apart -I$source/include -isystem /usr/include/eigen3"
    nvcc=$(sed -n 's/^CMAKE_CUDA_COMPILER:.*=//p' "$build/CMakeCache.txt")
    value() { sed -n "s/^$1:.*=//p" "$build/CMakeCache.txt"; }
    for unit in "$here/dvd_cuda.cu" "$source/tests/install/cuda_kernels.cu"; do
      "$nvcc" $flags -O3 --expt-relaxed-constexpr -arch=sm_90 -isystem "$(value cuDNN_INCLUDE_DIR)" -c "$unit"
    done
    "$compiler" $flags -O1 -c "$source/tests/install/cuda_program.cpp"
    "$compiler" cuda_program.o cuda_kernels.o dvd_cuda.o -L"$(dirname "$(value CUDA_CUDART)")" -lcudart \
      "$(value CUDA_cublasLt_LIBRARY)" "$(value cuDNN_LIBRARY)" -ltbb -o cuda_program
    ./cuda_program
    exit 0
    ;;
  subdirectory-compiled)
    configure_subdirectory -DDVD_WITH_CUDA=OFF -DCOMPONENTS=compiled -DMISMATCH=-mavx2 && program=compiled_program
    ;;
  subdirectory)
    configure_subdirectory $(without nlohmann_json FFmpeg LibZip Snappy MPI) -DDVD_WITH_CUDA=OFF \
      -DABSENT="checkpoint;video;convert;mpi;cuda;nccl"
    rm -rf "$here/build"
    configure_subdirectory
    ;;
  fetch_content)
    optimization="-O2 -march=native" # a hundred steps of training
    configure_subdirectory -DFETCHED=ON -DDVD_WITH_CUDA=OFF && program=smallest_program
    ;;
  plain-stb)
    # The system's headers as they are, but for stb's.
    mkdir "$here/include" "$here/folder"
    ln -s /usr/include/* "$here/include"
    [ ! -e "$here/include/stb" ] || mv "$here/include/stb" "$here/folder"
    [ -e "$here/include/stb_image_write.h" ] || cp "$here/folder/stb/stb_image_write.h" "$here/include"
    folders=$(LC_ALL=C "$compiler" -x c++ -E -v /dev/null 2>&1 | sed -n '/^#include <.*/,/^End/s|^ /|/|p')
    echo '#include <dvd/io/images.hpp>' |
      "$compiler" -std=c++20 -fsyntax-only -I "$source/include" -nostdinc -nostdinc++ \
        $(sed "s|^/usr/include\$|$here/include|; s|^|-isystem |" <<<"$folders") -x c++ -
    configure_subdirectory -DDVD_WITH_CUDA=OFF -DCMAKE_IGNORE_PATH=/usr/include -DCMAKE_INCLUDE_PATH="$here/include"
    grep "^Stb_INCLUDE_DIR:PATH=$here/include" "$here/build/CMakeCache.txt"
    exit 0
    ;;
  messages)
    install
    refused "sound: this version of dvd has no such component, only: checkpoint, video, convert, mpi, cuda, nccl, compiled, \
shapes_weights" \
      -DCOMPONENTS=sound
    refused "Eigen3: array expressions of the kernels, initialisation, dvd/eigen.hpp (Debian, Ubuntu: apt-get install \
libeigen3-dev)" $(without Eigen3 TBB)
    refused "TBB: threads (Debian, Ubuntu: apt-get install libtbb-dev)" $(without Eigen3 TBB)
    refused "Stb: PNG files (Debian, Ubuntu: apt-get install libstb-dev)" $(without Stb)
    refused_component checkpoint nlohmann_json "headers of checkpoints and safetensors files (Debian, Ubuntu: apt-get \
install nlohmann-json3-dev)" nlohmann-json
    refused_component video FFmpeg "video files (Debian, Ubuntu: apt-get install libavformat-dev" FFmpeg
    refused_component convert LibZip "weights in zip archives (Debian, Ubuntu: apt-get install libzip-dev)" \
      "libzip and Snappy"
    refused_component mpi MPI "several processes that train one model (Debian, Ubuntu: apt-get install libopenmpi-dev \
openmpi-bin)" MPI
    # Compiled by whoever uses it, it is always there, and refused only where CUDA is not.
    refused "cuda: CUDAToolkit: the GPU (Debian, Ubuntu: apt-get install cuda-toolkit" -DCOMPONENTS=cuda \
      $(without CUDAToolkit)
    # Below 1.0 a minor version may break what used the one before.
    for other in "$major.$((minor + 1))" "$((major + 1))" $([ "$minor" -eq 0 ] || echo "$major.$((minor - 1))"); do
      refused "requested version \"$other\"" -DDVD_VERSION="$other"
    done
    rm -rf "$here/build"
    configure_package -DDVD_VERSION="$version"
    exit 0
    ;;
esac
"$cmake" --build "$here/build" --target $program
if [ $program = compiled_program ]; then
  [ "$(uname -m)" != x86_64 ] || fails_to_link
elif [ -n "$(find "$here/build" -name '*dvd_compiled.a')" ]; then
  echo "dvd::compiled was built, but nobody wants it."
  exit 1
fi
cd "$here"
build/$program
[[ $program != @(cuda|nccl|shapes_weights)_program ]] || exit 0  # which draw nothing
[ -s samples.png ] || [ -s shape.gif ] || [ -s run.safetensors ] || [ -s model.safetensors ]
