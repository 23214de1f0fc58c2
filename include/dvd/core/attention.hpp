// What an attention kernel is asked to do.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include "dvd/core/shape.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// Sizes of an attention within each of `groups * inner` sets of tokens. Token t of set (g, i) has its query at
/// `[g, t, i]` of `[groups, queries, inner, width]`, its key at `[g, t, i]` of `[groups, keys, inner, width]`, its
/// value in `[groups, keys, inner, value_width]`; the result is `[groups, queries, inner, value_width]`. So one layout
/// serves attention over the pixels of an image (inner 1), along columns and along time (inner: what lies between two
/// tokens).
struct AttentionSize {
  Index groups, queries, keys, inner, width, value_width;
};

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
