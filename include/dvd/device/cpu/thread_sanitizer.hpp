// What oneTBB orders, told to the thread sanitizer, which does not see it: the system's oneTBB is not compiled with it.
// In all other builds there is nothing here.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include "dvd/core/shape.hpp"

#if defined(__SANITIZE_THREAD__)
#define DVD_THREAD_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define DVD_THREAD_SANITIZER 1
#endif
#endif

#ifdef DVD_THREAD_SANITIZER
extern "C" {
void __tsan_acquire(void* address);
void __tsan_release(void* address);
}

namespace dvd::inline DVD_INSTRUCTION_SET::cpu::detail {

/// Stands in for the task of a parallel loop: its pieces come after what was done before the loop, and before what is
/// done after it, in no order among themselves, so that two pieces that touch the same memory are found.
class OrderedPieces {
 public:
  using Piece = void (*)(const void*, Index begin, Index end);

  OrderedPieces(Piece piece, const void* task) : piece_(piece), task_(task) { __tsan_release(&begun_); }
  ~OrderedPieces() { __tsan_acquire(&ended_); }
  OrderedPieces(const OrderedPieces&) = delete;
  OrderedPieces& operator=(const OrderedPieces&) = delete;

  static void call(const void* erased, Index begin, Index end) {
    const auto& self = *static_cast<const OrderedPieces*>(erased);
    __tsan_acquire(&self.begun_);
    struct AtEnd {
      char& ended;
      ~AtEnd() { __tsan_release(&ended); }
    } const at_end{self.ended_};
    self.piece_(self.task_, begin, end);
  }

 private:
  Piece piece_;
  const void* task_;
  mutable char begun_ = 0, ended_ = 0;  // whose addresses are what orders
};

}  // namespace dvd::cpu::detail
#endif

#include "dvd/core/macros_end.hpp"
