#!/bin/bash
# One pass over dvd::Cuda on a GPU, in under nine minutes: typed tests, CUDA's sanitizers, training steps at three sizes
# and three precisions, where their time goes, PyTorch beside them, and a run that learns moving shapes.
#
#   bash benchmarks/gpu_pass.sh            all of it, where the GPU is
#   bash benchmarks/gpu_pass.sh prepare    without a GPU: builds, and fills .gpu/ with what a machine with one needs
#   bash benchmarks/gpu_pass.sh run        there, in a copy of this folder that has .gpu: builds and downloads nothing
#
# prepare needs what dvd::cuda and the tests need; run needs CUDA 13's libraries and cuDNN 9 (a PyTorch in a Python on
# the path brings both), and uses what else there is: PyTorch as the peer, compute-sanitizer, ncu, CUPTI. Variables:
# ARCHITECTURE (90), MARCH (x86-64-v3) and BUILD (build/gpu) for prepare; OUT (.gpu/out), where everything is written,
# BUDGET (535 seconds) and PYTHON (python3) for run. What it prints ends up in OUT/log.txt, numbers in OUT/steps.jsonl.
set -u
cd "$(dirname "${BASH_SOURCE[0]}")/.."
mode=${1:-all}
build=${BUILD:-build/gpu}
begun=$SECONDS
say() { printf '\n=== [%4ds] %s\n' $((SECONDS - begun)) "$*"; }
left() { echo $((${BUDGET:-535} - (SECONDS - begun))); }

# ------------------------------------------------------------------------------------------------------------ prepare
prepare() {
  source cmake/packages.sh
  local generator=() tests programs=(train_step train_ucf101 shapes_quality own_kernels)
  command -v ninja >/dev/null && generator=(-G Ninja)
  cmake -S . -B "$build" "${generator[@]}" -DCMAKE_BUILD_TYPE=Release -DDVD_NATIVE=OFF -DDVD_WITH_CUDA=ON \
    -DDVD_WITH_VIDEO=OFF -DCMAKE_CUDA_ARCHITECTURES="${ARCHITECTURE:-90}" \
    -DCMAKE_CXX_FLAGS="-march=${MARCH:-x86-64-v3}" >"$build.log" ||
    fail "CMake could not configure $build (see $build.log)"
  mapfile -t tests < <(cmake --build "$build" --target help | sed -nE 's/^(\.\.\. )?(cuda_[a-z0-9_]+_test)(:.*)?$/\2/p' |
    grep -v _emulated_ | sort -u)
  [ ${#tests[@]} -gt 5 ] || fail "$build has no tests of dvd::Cuda"
  cmake --build "$build" --parallel "$(build_jobs)" --target "${tests[@]}" "${programs[@]}" >>"$build.log" ||
    fail "the build failed (see $build.log)"

  # For memcheck: tests in which every array has a region of its own, so that it sees where one ends.
  local cache=$build/CMakeCache.txt
  value() { sed -n "s/^$1:[A-Z]*=//p" "$cache"; }
  local single=$build/single folders
  folders="-I$single -Iinclude -isystem /usr/include/eigen3 -isystem $(value cuDNN_INCLUDE_DIR)"
  mkdir -p "$single/dvd/device/cuda" && rm -rf .gpu && mkdir -p .gpu/bin
  sed 's/\.largest_region = std::size_t{1} << 30/.largest_region = 512/' include/dvd/device/cuda/pool.cuh \
    >"$single/dvd/device/cuda/pool.cuh"
  grep -q 'largest_region = 512' "$single/dvd/device/cuda/pool.cuh" || fail "pool.cuh names no largest region any more"
  printf '#include <dvd/device/cuda/%s.cuh>\n' memory recording >"$single/pool.cu"
  "$(value CMAKE_CUDA_COMPILER)" -std=c++20 -O3 -arch="sm_${ARCHITECTURE:-90}" --expt-relaxed-constexpr \
    -DDVD_INSTRUCTION_SET=compiled_apart $folders -c "$single/pool.cu" -o "$single/pool.o" || fail "pool.cu failed"
  # Its functions come first, and so are those that the linker takes.
  local test objects
  for test in device_conformance device_lists training; do
    objects=$(find "$build/tests/CMakeFiles/cuda_${test}_objects.dir" -name '*.o')
    "$(value CMAKE_CXX_COMPILER)" $objects "$single/pool.o" "$build"/tests/libdvd_*.a "$build/libdvd_cuda.a" -ltbb \
      "$(value CUDA_CUDART)" "$(value CUDA_cublasLt_LIBRARY)" "$(value cuDNN_LIBRARY)" \
      -o ".gpu/bin/single_${test}_test" || fail "$test failed"
  done

  # Where an array of CUDA's own profiler is installed, that too.
  local cupti
  cupti=$(find "$(dirname "$(value CUDA_CUDART)")" -name 'libcupti.so' 2>/dev/null | head -n 1)
  [ -z "$cupti" ] || "$(value CMAKE_CXX_COMPILER)" -std=c++20 -O2 -fPIC -shared \
    -isystem "$(dirname "$(value CMAKE_CUDA_COMPILER)")/../include" benchmarks/gpu_pass/cupti_times.cpp "$cupti" \
    -o .gpu/bin/libcupti_times.so || fail "cupti_times.cpp failed"

  for test in "${tests[@]}"; do cp "$build/tests/bin/$test" .gpu/bin/; done
  for program in "${programs[@]}"; do cp "$build/bin/$program" .gpu/bin/; done
  # Libraries that the other machine need not have. CUDA's own are its own.
  ldd .gpu/bin/train_ucf101 | awk '/libtbb|libfmt/ {print $3}' | xargs -I FILE cp -L FILE .gpu/bin/
  strip --strip-unneeded .gpu/bin/*
  needed() { objdump -T .gpu/bin/* 2>/dev/null | grep -o "$1_[0-9.]*" | sort -Vu | tail -n 1; }
  echo "needs $(needed GLIBC) and $(needed GLIBCXX), or newer"
  tar -C .gpu -cJf .gpu/bin.tar.xz bin && rm -rf .gpu/bin
  du -h .gpu/bin.tar.xz
}

# ---------------------------------------------------------------------------------------------------------------- run
# Where CUDA's libraries are: a Python's PyTorch comes first, whose cuBLAS, NVRTC and cuDNN are made for each other.
find_libraries() {
  local site folder found=()
  site=$("$python" -c 'import os, torch; print(os.path.dirname(os.path.dirname(torch.__file__)))' 2>/dev/null)
  for folder in ${site:+"$site"/nvidia/*/lib} /usr/local/cuda/lib64 /usr/local/cuda/lib /usr/local/cuda/extras/CUPTI/lib64; do
    [ -d "$folder" ] && found+=("$folder")
  done
  export LD_LIBRARY_PATH=$bin:$(IFS=:; echo "${found[*]}"):${LD_LIBRARY_PATH:-}
}

# run_one NAME COMMAND...: a line about it, and what it printed if it failed.
run_one() {
  local name=$1 start=$SECONDS status word=passed log
  shift
  log="$OUT/tests/$name.log"
  "$@" >"$log" 2>&1
  status=$?
  [ $status = 0 ] || word="FAILED($status)"
  ! grep -q '^not run' "$log" || word="not run"
  printf '%-36s %-11s %3ds  %s\n' "$name" "$word" $((SECONDS - start)) \
    "$(grep -E 'test cases:|ERROR SUMMARY|not run' "$log" | tail -n 1)"
  [ $status = 0 ] || grep -E 'ERROR|MESSAGE|TEST CASE|=========' "$log" | grep -v 'Saved host' | head -n 12
}

# The typed tests, and the sanitizers, eight at a time.
correctness() {
  local limit=$(($(left) > 400 ? 170 : 110)) test check only=""
  mkdir -p "$OUT/tests"
  {
    for test in $(ls "$bin" | grep '^cuda_.*_test$'); do echo "run_one $test timeout $limit $bin/$test"; done
    if command -v compute-sanitizer >/dev/null; then
      compute-sanitizer --help 2>&1 | grep -q -- '--kernel-name' && only="--kernel-name kns=3dvd" # our own kernels
      check="timeout $limit compute-sanitizer --error-exitcode 9 $only"
      echo "run_one memcheck.kernels $check --tool memcheck $bin/single_device_conformance_test"
      echo "run_one memcheck.lists $check --tool memcheck $bin/single_device_lists_test"
      echo "run_one memcheck.step $check --tool memcheck $bin/single_training_test '-tc=a step in float*,other parts*'"
      echo "run_one racecheck.kernels $check --tool racecheck $bin/cuda_device_conformance_test '-tc=transposition*,the mean of a loss*,rows*'"
      echo "run_one initcheck.step $check --tool initcheck $bin/single_training_test '-tc=other parts*'"
    else
      echo "compute-sanitizer is not here" >&2
    fi
  } | xargs -d '\n' -P 8 -I LINE bash -c LINE
}

# Resolution, frames, channels, batch, videos sampled at a time.
sizes=("64 48 16 8 2" "64 12 64 32 32" "64 48 128 8 2")
flags_of() { echo "--resolution $1 --frames $2 --channels $3 --batch $4 --sample-batch $5"; }

time_step() { # PRECISION STEPS WARMUP SIZE
  [ "$(left)" -gt 40 ] || { echo "no time for $*"; return; }
  timeout 75 "$bin/train_step" --device cuda --precision "$1" $(flags_of $4) --steps "$2" --warmup "$3" |
    tee -a "$OUT/steps.jsonl"
  [ "${PIPESTATUS[0]}" = 0 ] || echo "FAILED or too slow: $*"
}

profile() { # SIZE
  [ -e "$bin/libcupti_times.so" ] && [ "$(left)" -gt 60 ] || { echo "no profile of $1"; return; }
  local words=($1) file
  file="$OUT/profile_${words[1]}_${words[2]}.txt"
  CUDA_INJECTION64_PATH=$bin/libcupti_times.so timeout 60 "$bin/train_step" --device cuda --precision bfloat16 \
    $(flags_of $1) --steps 3 --warmup 3 2>"$file" >/dev/null
  head -n 40 "$file"
}

peer() { # SECONDS SIZE FLAG...
  local limit=$1 size=$2
  shift 2
  [ "$(left)" -gt 30 ] || { echo "no time for PyTorch at $size $*"; return; }
  [ "$limit" -lt "$(left)" ] || limit=$(left)
  timeout "$limit" "$python" benchmarks/peer_torch.py --device cuda --amp --channels-last $(flags_of $size) --steps 6 \
    --warmup 3 "$@" 2>"$OUT/peer.err" | tee -a "$OUT/steps.jsonl"
  [ "${PIPESTATUS[0]}" = 0 ] || { echo "FAILED or too slow: $size $*"; tail -n 3 "$OUT/peer.err"; }
}

# The demo as on a CPU, judged as there, and its checkpoint resumed there.
learning() {
  [ "$(left)" -gt 90 ] || { echo "no time to learn"; return; }
  local run=$OUT/demo
  timeout $(($(left) - 40)) "$bin/train_ucf101" --device cuda --precision bfloat16 --preset demo --out "$run" \
    >"$OUT/demo.txt" 2>&1 || { echo "FAILED"; tail -n 3 "$OUT/demo.txt"; return; }
  tail -n 3 "$OUT/demo.txt"
  timeout 60 "$bin/shapes_quality" "$(ls "$run"/checkpoints/*.safetensors | tail -n 1)"
  timeout 60 "$bin/train_ucf101" --resume --device cpu --steps 4405 --out "$run" >"$OUT/resumed.txt" 2>&1 &&
    echo "resumed on the CPU" || { echo "NOT RESUMED on the CPU"; tail -n 3 "$OUT/resumed.txt"; }
  rm -rf "$run/checkpoints"
}

run() {
  python=$(command -v "${PYTHON:-python3}")
  OUT=$(realpath -m "${OUT:-.gpu/out}")
  bin=$(mktemp -d)/bin
  export OUT bin DVD_PARITY_DIR=$PWD/tests/data/parity
  export -f run_one
  mkdir -p "$OUT"
  exec > >(tee "$OUT/log.txt") 2>&1
  tar -xJf .gpu/bin.tar.xz -C "$(dirname "$bin")" || { echo "no .gpu/bin.tar.xz; run gpu_pass.sh prepare"; exit 1; }
  find_libraries
  say "machine"
  nvidia-smi --query-gpu=name,driver_version,memory.total,clocks.sm,clocks.mem --format=csv,noheader
  nvidia-smi -q 2>/dev/null | grep -m1 "CUDA Version"
  echo "$(nproc) cores, $(ldd --version | head -n 1), libraries in $LD_LIBRARY_PATH"
  "$bin/train_step" --help >/dev/null || { ldd "$bin/train_step" | grep "not found"; exit 1; }

  say "the first steps: a tiny one in every precision"
  local precision
  for precision in float32 tf32 bfloat16; do time_step $precision 2 3 "16 3 4 2 2"; done
  say "typed tests, memcheck, racecheck and initcheck, side by side"
  correctness
  say "training steps"
  local size
  for size in "${sizes[@]}"; do time_step bfloat16 10 4 "$size"; done
  for precision in tf32 float32; do time_step $precision 6 4 "${sizes[0]}"; done
  say "where the time goes"
  profile "${sizes[0]}"
  profile "${sizes[1]}"
  say "PyTorch: bfloat16, channels last; updates as CUDA graphs, eager, compiled"
  export TORCHINDUCTOR_COMPILE_THREADS=16
  peer 60 "${sizes[0]}" --graph
  peer 45 "${sizes[0]}"
  peer 45 "${sizes[1]}" --graph
  [ "${COMPILE:-1}" = 0 ] || peer 160 "${sizes[1]}" --graph --compile
  peer 90 "${sizes[2]}" --graph
  say "learning moving shapes"
  learning
  say "what is left: other precisions, then counters of single kernels"
  time_step tf32 4 3 "${sizes[1]}"
  time_step float32 3 3 "${sizes[1]}"
  if command -v ncu >/dev/null && [ "$(left)" -gt 35 ]; then
    timeout $(($(left) - 5)) ncu --clock-control none --section SpeedOfLight --section LaunchStats \
      --kernel-name regex:'row_lanes_kernel|reduce_kernel|transpose_kernel' --launch-skip 400 --launch-count 60 \
      "$bin/train_step" --device cuda --precision bfloat16 $(flags_of 64 12 64 8 8) --steps 1 --warmup 0 >"$OUT/ncu.txt" 2>&1
    grep -E '^  [a-z_]+.*\(|DRAM Throughput|Compute \(SM\) Throughput|Duration' "$OUT/ncu.txt" | head -n 80
  fi
  say "done"
}

case $mode in
  prepare) prepare ;;
  run) run ;;
  all) prepare && begun=$SECONDS && run ;;
  *) echo "usage: bash benchmarks/gpu_pass.sh [prepare|run]" >&2 && exit 2 ;;
esac
