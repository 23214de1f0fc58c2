// Arrays as Eigen's, for what it does better than a plain loop: exponentials, square roots, reductions.
//
// Names of Eigen's functions say nothing of the instruction set they are compiled for, unlike all of dvd's
// (core/instruction_set.hpp). With a type of dvd's among the arguments of an array its assignments, evaluators and
// reductions have names of their own, too. What is left are the functions of single elements and packets, as
// pmadd<float>, which a compiler that optimises (-O1) inlines.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include "dvd/device/cpu/intrinsics.hpp"

#include <Eigen/Core>

#include "dvd/core/instruction_set.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::cpu {

namespace detail {

/// One element after the other, as Eigen takes them by itself: there for its name alone.
struct Contiguous : Eigen::Stride<0, 0> {};

}  // namespace detail

template <class T>
using Values = Eigen::Map<Eigen::Array<T, Eigen::Dynamic, 1>, Eigen::Unaligned, detail::Contiguous>;
template <class T>
using ConstValues = Eigen::Map<const Eigen::Array<T, Eigen::Dynamic, 1>, Eigen::Unaligned, detail::Contiguous>;

}  // namespace dvd::cpu

#include "dvd/core/macros_end.hpp"
