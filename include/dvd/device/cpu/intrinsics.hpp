// The processor's vector instructions, as the compiler's own header has them, for headers of Eigen and oneTBB to come.
#pragma once

#include "dvd/core/macros_begin.hpp"

// g++ 12 warns of variables in its AVX-512 header that are left uninitialised on purpose, wherever they are inlined: in
// a program that asks for warnings, dozens of lines that are nobody's fault there.
#if defined(__AVX512F__) && defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#include <immintrin.h>
#pragma GCC diagnostic pop
#endif

#include "dvd/core/macros_end.hpp"
