// Matrix products as loops on the host, with sums in double: in the place of cuBLASLt's.
#pragma once

#include <vector>

#include "dvd/device/cpu/parallel.hpp"
#include "dvd/device/cuda/definition.hpp"
#include "dvd/device/cuda/libraries/emulated.cuh"

namespace dvd::inline DVD_INSTRUCTION_SET::cuda {

DVD_CUDA_DEFINITION void library_multiply(const ProductProblem& p, const ProductSide& a, const ProductSide& b,
                                          void* result, Index result_row, Index result_batch, const void* bias) {
  if (p.rows == 0 || p.columns == 0 || p.depth == 0 || p.batches == 0) return;
  detail::submit(detail::described(p), [=] {
    detail::with_type(p.type, [&]<class T>(T*) {
      detail::with_type(p.result_type, [&]<class R>(R*) {
        const auto at = [](const ProductSide& side, Index batch, Index row, Index column) {
          if (side.transposed) std::swap(row, column);
          return static_cast<double>(static_cast<const T*>(side.data)[batch * side.batch + row * side.row + column]);
        };
        cpu::parallel_for(p.batches * p.rows, [&](Index i) {
          const Index batch = i / p.rows, row = i % p.rows;
          R* const to = static_cast<R*>(result) + batch * result_batch + row * result_row;
          std::vector<double> sums(static_cast<std::size_t>(p.columns));
          for (Index d = 0; d < p.depth; ++d) {
            const double factor = at(a, batch, row, d);
            for (Index column = 0; column < p.columns; ++column)
              sums[static_cast<std::size_t>(column)] += factor * at(b, batch, d, column);
          }
          for (Index column = 0; column < p.columns; ++column) {
            double sum = sums[static_cast<std::size_t>(column)];
            if (bias) sum += static_cast<double>(static_cast<const R*>(bias)[column]);
            if (p.accumulate) sum += static_cast<double>(to[column]);
            to[column] = R(sum);
          }
        });
      });
    });
  });
}

}  // namespace dvd::cuda
