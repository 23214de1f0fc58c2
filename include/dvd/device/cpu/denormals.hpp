// Numbers too small for a normal float cost a hundred cycles each on most processors and carry no information here, so
// kernels treat them as zero.
#pragma once

#include "dvd/core/macros_begin.hpp"

#if defined(__SSE2__)
#include <xmmintrin.h>
#endif

#include <cstdint>

#include "dvd/core/instruction_set.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::cpu {

/// While it lives, denormal operands and results on this thread are zero. The mode is the thread's own, so every task
/// sets it, and puts back what it found: the caller's arithmetic is not touched.
class FlushDenormals {
 public:
#if defined(__SSE2__)
  FlushDenormals() : before_(_mm_getcsr()) { _mm_setcsr(before_ | 0x8040); }  // flush to zero, denormals are zero
  ~FlushDenormals() { _mm_setcsr(before_); }
#elif defined(__aarch64__)
  FlushDenormals() {
    asm volatile("mrs %0, fpcr" : "=r"(before_));
    asm volatile("msr fpcr, %0" ::"r"(before_ | std::uint64_t{1} << 24));
  }
  ~FlushDenormals() { asm volatile("msr fpcr, %0" ::"r"(before_)); }
#else
  FlushDenormals() = default;
#endif
  FlushDenormals(const FlushDenormals&) = delete;
  FlushDenormals& operator=(const FlushDenormals&) = delete;

 private:
#if defined(__SSE2__)
  unsigned int before_;
#elif defined(__aarch64__)
  std::uint64_t before_;
#endif
};

}  // namespace dvd::cpu

#include "dvd/core/macros_end.hpp"
