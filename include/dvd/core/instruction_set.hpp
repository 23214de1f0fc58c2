// The instruction set as a part of every name.
//
// Files of one program may be compiled for different processors: a library's for any, an application's for the one at
// hand. The linker takes one of equal functions for all, so that, were the names equal, code for the new processor
// would run on the old one. All of dvd therefore lies in an inline namespace named after what the compiler may use, as
// Highway's and nlohmann-json's names tell how they were built. Nobody has to write that name.
//
// What others' templates make of plain types, as std::vector<float>, or of a user's own types and expressions keeps the
// one name that its author gave it, and is shared by all files, whatever they are compiled for: that dvd cannot help.
//
// A program whose files are all compiled for one processor may define DVD_INSTRUCTION_SET itself, to any identifier: so
// does dvd::cuda, a library that is compiled apart.
#pragma once

#include "dvd/core/macros_begin.hpp"

#ifndef DVD_INSTRUCTION_SET

#ifdef __SSE4_2__
#define DVD_HAS_SSE4 _sse4
#else
#define DVD_HAS_SSE4
#endif
#ifdef __AVX__
#define DVD_HAS_AVX _avx
#else
#define DVD_HAS_AVX
#endif
#ifdef __AVX2__
#define DVD_HAS_AVX2 _avx2
#else
#define DVD_HAS_AVX2
#endif
#ifdef __FMA__
#define DVD_HAS_FMA _fma
#else
#define DVD_HAS_FMA
#endif
#ifdef __BMI2__
#define DVD_HAS_BMI2 _bmi2
#else
#define DVD_HAS_BMI2
#endif
#ifdef __AVX512F__
#define DVD_HAS_AVX512 _avx512
#else
#define DVD_HAS_AVX512
#endif
#ifdef __AVX512VL__
#define DVD_HAS_AVX512VL _vl
#else
#define DVD_HAS_AVX512VL
#endif
#ifdef __AVX512VBMI2__
#define DVD_HAS_AVX512VBMI2 _vbmi2
#else
#define DVD_HAS_AVX512VBMI2
#endif
#ifdef __AVX512FP16__
#define DVD_HAS_AVX512FP16 _fp16
#else
#define DVD_HAS_AVX512FP16
#endif
#ifdef __ARM_FEATURE_SVE
#define DVD_HAS_SVE _sve
#else
#define DVD_HAS_SVE
#endif
#if defined(__FAST_MATH__) || __FINITE_MATH_ONLY__ + 0  // other arithmetic under the same name would be as bad
#define DVD_HAS_FAST_MATH _fast_math
#else
#define DVD_HAS_FAST_MATH
#endif

#define DVD_JOIN_EXPANDED(a, b, c, d, e, f, g, h, i, j, k) baseline##a##b##c##d##e##f##g##h##i##j##k
#define DVD_JOIN(a, b, c, d, e, f, g, h, i, j, k) DVD_JOIN_EXPANDED(a, b, c, d, e, f, g, h, i, j, k)
#define DVD_INSTRUCTION_SET                                                                                      \
  DVD_JOIN(DVD_HAS_SSE4, DVD_HAS_AVX, DVD_HAS_AVX2, DVD_HAS_FMA, DVD_HAS_BMI2, DVD_HAS_AVX512, DVD_HAS_AVX512VL, \
           DVD_HAS_AVX512VBMI2, DVD_HAS_AVX512FP16, DVD_HAS_SVE, DVD_HAS_FAST_MATH)

#endif

namespace dvd {
inline namespace DVD_INSTRUCTION_SET {}
}  // namespace dvd

#include "dvd/core/macros_end.hpp"
