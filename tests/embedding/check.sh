#!/bin/bash
# The library in the midst of other people's programs: their flags, their macros.
#   check.sh fast_math|fast_math_avx2|openmp|narrow_vectors|macros|warnings|thread_sanitizer INCLUDE_FOLDER COMPILER [FLAGS...]
set -u
what=$1 include=$2 compiler=$3
shift 3
programs=$(cd "$(dirname "$0")" && pwd)
here=$(mktemp -d) && trap 'rm -rf "$here"' EXIT && cd "$here" || exit 1
fail() { echo "WRONG: $*"; exit 1; }
compile() { "$compiler" -std=c++20 "-I$include" "$@"; }

case $what in
  fast_math | fast_math_avx2)  # plain, and with the vectors of a newer processor
    target=
    if [ $what = fast_math_avx2 ]; then
      grep -qs avx2 /proc/cpuinfo || { echo "not run: this processor has no AVX2"; exit 0; }
      target=-march=x86-64-v3
    fi
    compile -O2 -ffast-math $target "$@" "$programs/fast_math.cpp" -o program -ltbb || fail "does not compile"
    ./program || fail "a NaN went unseen ($compiler -ffast-math $target)"
    ;;
  openmp)
    compile -O1 -fopenmp "$@" "$programs/openmp.cpp" -o program -ltbb 2>errors ||
      { grep -qE "omp|openmp" errors && { echo "not run: $compiler has no OpenMP here"; exit 0; }; cat errors; exit 1; }
    one=$(OMP_NUM_THREADS=1 ./program) && three=$(OMP_NUM_THREADS=3 ./program) || fail "does not run"
    [ "$one" = "$three" ] || fail "other bits on another number of OpenMP threads"
    ;;
  narrow_vectors)
    compile -O1 "$@" "$programs/narrow_vectors.cpp" -o program -ltbb || fail "does not compile"
    ./program || fail "other numbers for any processor"
    ;;
  macros)
    cat >program.cpp <<'CPP'
#include <complex.h>
#include <netinet/in.h>
#include <resolv.h>
#include <sys/param.h>
#include <sys/sysmacros.h>
#include <termios.h>
#define emit
#define slots
#define signals public
#define foreach(a, b) for (a : b)
#define forever for (;;)
#define None 0L
#define Success 0
#define Status int
#define Bool int
#define True 1
#define False 0
#define Always 2
#define Complex 0
#define CursorShape 0
#define Unsorted 0
#define min(a, b) ((a) < (b) ? (a) : (b))
#define max(a, b) ((a) > (b) ? (a) : (b))
#define DEBUG 1
#define ERROR 0
#define OK 0
#define VERSION "1"
#define PI 3.14
#define EPS 1e-6
#define D 3
#define N 10
#define T 4
#define check(x) x
#define require(x) x
#define verify(x) x
#define LOG(x) x
CPP
    echo "#include \"$programs/everything.cpp\"" >>program.cpp
    echo 'static_assert(T == 4 && N == 10 && None == 0 && min(1, 2) == 1 && check(true));  // as they were' >>program.cpp
    compile -fsyntax-only "$@" program.cpp || fail "does not compile behind these macros"
    ;;
  warnings)
    flags=(-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wold-style-cast -Wdouble-promotion
           -Wnon-virtual-dtor -Woverloaded-virtual -Wcast-align -Wnull-dereference -Wformat=2 -Wimplicit-fallthrough)
    "$compiler" --version | grep -q clang || flags+=(-Wuseless-cast -Wduplicated-cond -Wlogical-op)
    compile -O1 -c -Werror "${flags[@]}" "$@" "$programs/everything.cpp" -o program.o || fail "warnings"
    ;;
  thread_sanitizer)  # of clang: it is told what oneTBB orders, and sees all else
    compile -O1 -g1 -fsanitize=thread "$@" "$programs/thread_sanitizer.cpp" -o program -ltbb || fail "does not compile"
    export TSAN_OPTIONS=suppressions=$programs/../support/tsan.supp
    in_place=()  # as in tests/run.sh
    ! setarch --addr-no-randomize true 2>/dev/null || in_place=(setarch --addr-no-randomize)
    "${in_place[@]}" ./program 2>report || { head -n 40 report; fail "a report of a loop without a race"; }
    ! "${in_place[@]}" ./program with_a_race 2>report || fail "a race went unseen"
    grep -q 'data race .*thread_sanitizer.cpp' report || { head -n 40 report; fail "the race is not in the report"; }
    ;;
  *) fail "no such check: $what" ;;
esac
