// The kernel of a loss. A program with a loss of its own includes this in a .cu file, and there instantiates
// `dvd::cuda::Gathering::mean_loss` for its terms, compiled with --expt-relaxed-constexpr.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include "dvd/device/cuda/gathering.hpp"
#include "dvd/device/cuda/parallel.cuh"

namespace dvd::inline DVD_INSTRUCTION_SET::cuda {

namespace detail {

template <class Term>
struct MeanLoss {
  using Value = double;

  Index size;
  const float* scores;
  Term term;
  float *loss, *dscores;

  DVD_DEVICE double identity() const { return 0; }
  DVD_DEVICE void add(Index, Index i, double& value) const {
    const auto result = term(read(scores + i));
    value += static_cast<double>(result.first);
    if (dscores) write(dscores + i, result.second / static_cast<float>(size));
  }
  DVD_DEVICE void combine(double& value, double other) const { value += other; }
  DVD_DEVICE void finish(Index, double value) const {
    write(loss, read(loss) + static_cast<float>(value / static_cast<double>(size)));
  }
};

}  // namespace detail

template <class Term>
void Gathering::mean_loss(Index size, const float* scores, Term term, float* loss, float* dscores) {
  reduce(1, size, detail::MeanLoss<Term>{size, scores, term, loss, dscores});
}

}  // namespace dvd::cuda

#include "dvd/core/macros_end.hpp"
