// The optimizers' kernels, over all parameters together.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <cmath>
#include <limits>
#include <utility>

#include "dvd/device/cuda/definition.hpp"
#include "dvd/device/cuda/divide.hpp"
#include "dvd/device/cuda/kernels/list_table.cuh"
#include "dvd/device/cuda/parallel.cuh"
#include "dvd/device/cuda/pointwise.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::cuda {

namespace detail {

struct ListAdam {
  ListTable<AdamArrays<float>> table;
  float beta1, beta2, epsilon;
  const float *rates, *apply;

  struct Step {
    float beta1, beta2, epsilon, learning_rate, correction1, correction2;

    DVD_DEVICE void operator()(const AdamArrays<float>& array, Index i) const {
      const float g = read(array.gradient + i);
      const float m = beta1 * read(array.average + i) + (1 - beta1) * g;
      const float v = beta2 * read(array.average_square + i) + (1 - beta2) * g * g;
      const float step = learning_rate * (m / correction1) / (std::sqrt(v / correction2) + epsilon);
      write(array.average + i, m);
      write(array.average_square + i, v);
      write(array.weight + i, read(array.weight + i) - step);
    }
  };

  DVD_DEVICE void operator()(Index thread) const {
    if (*apply == 0) return;
    table.visit(thread, Step{beta1, beta2, epsilon, rates[0], rates[1], rates[2]});
  }
};

struct ListMomentum {
  ListTable<MomentumArrays<float>> table;
  float momentum, weight_decay;
  bool nesterov;
  const float *rate, *apply;

  struct Step {
    float momentum, weight_decay, learning_rate;
    bool nesterov;

    DVD_DEVICE void operator()(const MomentumArrays<float>& array, Index i) const {
      const float weight = read(array.weight + i), g = read(array.gradient + i) + weight_decay * weight;
      const float v = momentum * read(array.velocity + i) + g;
      write(array.velocity + i, v);
      write(array.weight + i, weight - learning_rate * (nesterov ? g + momentum * v : v));
    }
  };

  DVD_DEVICE void operator()(Index thread) const {
    if (*apply == 0) return;
    table.visit(thread, Step{momentum, weight_decay, *rate, nesterov});
  }
};

struct ListFill {
  ListTable<MutableArray<float>> table;
  float value;

  struct Step {
    float value;

    DVD_DEVICE void operator()(const MutableArray<float>& array, Index i) const { write(array.x + i, value); }
  };

  DVD_DEVICE void operator()(Index thread) const { table.visit(thread, Step{value}); }
};

struct ListScale {
  ListTable<MutableArray<float>> table;
  const float *factor, *apply;

  struct Step {
    float factor;

    DVD_DEVICE void operator()(const MutableArray<float>& array, Index i) const {
      write(array.x + i, read(array.x + i) * factor);
    }
  };

  DVD_DEVICE void operator()(Index thread) const {
    if (*apply == 0) return;
    table.visit(thread, Step{*factor});
  }
};

struct ListFollow {
  ListTable<ArrayPair<float>> table;
  const float *decay, *apply;

  struct Step {
    float decay;

    DVD_DEVICE void operator()(const ArrayPair<float>& array, Index i) const {
      // Without a look at y, which may be what is no number.
      write(array.y + i, decay == 0 ? read(array.x + i) : decay * read(array.y + i) + (1 - decay) * read(array.x + i));
    }
  };

  DVD_DEVICE void operator()(Index thread) const {
    if (*apply == 0) return;
    table.visit(thread, Step{*decay});
  }
};

struct ListCopy {
  ListTable<ArrayPair<float>> table;
  const float* unless;

  struct Step {
    DVD_DEVICE void operator()(const ArrayPair<float>& array, Index i) const { write(array.y + i, read(array.x + i)); }
  };

  DVD_DEVICE void operator()(Index thread) const {
    if (unless && *unless != 0) return;
    table.visit(thread, Step{});
  }
};

/// RowsToCopy, counted through all elements.
template <class T>
struct CopiedRows {
  Index size = 0;
  FastDivide rows, width;
  const T* x;
  Index x_block, x_row;
  T* y;
  Index y_block, y_row;

  DVD_DEVICE void copy(Index i) const {
    const auto [line, column] = width.divide(i);
    const auto [block, row] = rows.divide(line);
    write(y + block * y_block + row * y_row + column, read(x + block * x_block + row * x_row + column));
  }
};

template <class T>
struct ListCopyRows {
  ListTable<CopiedRows<T>> table;

  struct Step {
    DVD_DEVICE void operator()(const CopiedRows<T>& rows, Index i) const { rows.copy(i); }
  };

  DVD_DEVICE void operator()(Index thread) const { table.visit(thread, Step{}); }
};

struct ListSquares {
  using Value = double;

  ListTable<ArrayView<float>> table;
  bool first, last;
  double* total;  ///< of the tables before
  float* result;

  struct Step {
    double& value;

    DVD_DEVICE void operator()(const ArrayView<float>& array, Index i) const {
      const double x = static_cast<double>(read(array.x + i));
      value += x * x;
    }
  };

  DVD_DEVICE double identity() const { return 0; }
  DVD_DEVICE void add(Index, Index thread, double& value) const { table.visit(thread, Step{value}); }
  DVD_DEVICE void combine(double& value, double other) const { value += other; }
  DVD_DEVICE void finish(Index, double value) const {
    if (!first) value += *total;
    if (last)
      write(result, static_cast<float>(value));
    else
      write(total, value);
  }
};

struct ListFinite {
  using Value = int;

  ListTable<ArrayView<float>> table;
  float* finite;

  struct Step {
    int& value;

    DVD_DEVICE void operator()(const ArrayView<float>& array, Index i) const {
      if (!(std::abs(read(array.x + i)) <= std::numeric_limits<float>::max())) value = 1;
    }
  };

  DVD_DEVICE int identity() const { return 0; }
  DVD_DEVICE void add(Index, Index thread, int& value) const { table.visit(thread, Step{value}); }
  DVD_DEVICE void combine(int& value, int other) const { value |= other; }
  DVD_DEVICE void finish(Index, int value) const {
    if (value) write(finite, 0);
  }
};

static_assert(sizeof(ListAdam) + sizeof(Index) <= launch_bytes && sizeof(ListFollow) + sizeof(Index) <= launch_bytes &&
              sizeof(ListSquares) + 3 * sizeof(Index) <= launch_bytes);

}  // namespace detail

DVD_CUDA_DEFINITION void Lists::adam(const std::vector<AdamArrays<float>>& arrays, float beta1, float beta2,
                                     float epsilon, const float* rates, const float* apply) {
  detail::by_tables(arrays, [=](const auto& table, Index threads, bool, bool) {
    for_each(threads, detail::ListAdam{table, beta1, beta2, epsilon, rates, apply});
  });
}

DVD_CUDA_DEFINITION void Lists::momentum(const std::vector<MomentumArrays<float>>& arrays, float momentum,
                                         bool nesterov, float weight_decay, const float* rate, const float* apply) {
  detail::by_tables(arrays, [=](const auto& table, Index threads, bool, bool) {
    for_each(threads, detail::ListMomentum{table, momentum, weight_decay, nesterov, rate, apply});
  });
}

DVD_CUDA_DEFINITION void Lists::fill_arrays(const std::vector<MutableArray<float>>& arrays, float value) {
  detail::by_tables(arrays, [=](const auto& table, Index threads, bool, bool) {
    for_each(threads, detail::ListFill{table, value});
  });
}

DVD_CUDA_DEFINITION void Lists::scale_arrays(const std::vector<MutableArray<float>>& arrays, const float* factor,
                                             const float* apply) {
  detail::by_tables(arrays, [=](const auto& table, Index threads, bool, bool) {
    for_each(threads, detail::ListScale{table, factor, apply});
  });
}

DVD_CUDA_DEFINITION void Lists::follow(const std::vector<ArrayPair<float>>& arrays, const float* decay,
                                       const float* apply) {
  detail::by_tables(arrays, [=](const auto& table, Index threads, bool, bool) {
    for_each(threads, detail::ListFollow{table, decay, apply});
  });
}

DVD_CUDA_DEFINITION void Lists::copy_arrays(const std::vector<ArrayPair<float>>& arrays, const float* unless) {
  detail::by_tables(arrays, [=](const auto& table, Index threads, bool, bool) {
    for_each(threads, detail::ListCopy{table, unless});
  });
}

template <CudaScalar T>
void Pointwise::copy_rows(const std::vector<RowsToCopy<T>>& list) {
  std::vector<detail::CopiedRows<T>> arrays;
  for (const RowsToCopy<T>& c : list)
    if (c.blocks * c.rows * c.width > 0)
      arrays.push_back(
          {c.blocks * c.rows * c.width, c.rows, c.width, c.x, c.x_block, c.x_row, c.y, c.y_block, c.y_row});
  detail::by_tables(
      arrays, [](const auto& table, Index threads, bool, bool) { for_each(threads, detail::ListCopyRows<T>{table}); });
}
template void Pointwise::copy_rows(const std::vector<RowsToCopy<float>>&);
template void Pointwise::copy_rows(const std::vector<RowsToCopy<bfloat16>>&);

DVD_CUDA_DEFINITION void Lists::sum_squares(const std::vector<ArrayView<float>>& arrays, float* result) {
  const auto memory = Memory::allocate(sizeof(double));
  double* const total = static_cast<double*>(memory.get());
  detail::by_tables(arrays, [=](const auto& table, Index threads, bool first, bool last) {
    reduce(1, threads, detail::ListSquares{table, first, last, total, result});
  });
}

DVD_CUDA_DEFINITION void Lists::check_finite(const std::vector<ArrayView<float>>& arrays, float* finite) {
  detail::by_tables(arrays, [=](const auto& table, Index threads, bool, bool) {
    reduce(1, threads, detail::ListFinite{table, finite});
  });
}

}  // namespace dvd::cuda

#include "dvd/core/macros_end.hpp"
