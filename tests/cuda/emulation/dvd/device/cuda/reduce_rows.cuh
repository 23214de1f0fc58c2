// The launch of dvd/device/cuda/reduce_rows.cuh as loops.
#pragma once

#include "dvd/device/cuda/parallel.cuh"

namespace dvd::inline DVD_INSTRUCTION_SET::cuda {

template <class T, class Body, class... Arrays>
void reduce_rows(Index groups, Index rows, Index channels, Index step, const Body& body, const Arrays*... arrays) {
  using Value = typename Body::Value;
  if (groups <= 0 || channels <= 0) return;
  constexpr int lanes = lane_bytes / static_cast<int>(sizeof(T));
  const RowSums sums = row_sums(groups, rows, channels, lanes);
  std::shared_ptr<void> partial;
  if (sums.pieces > 1)
    partial = Memory::allocate(static_cast<std::size_t>(groups * sums.pieces * channels) * sizeof(Value));
  const auto run = [&]<int N>(std::integral_constant<int, N>) {
    const Index columns = channels / N, length = (rows + sums.pieces - 1) / sums.pieces;
    const auto start = [=](Value(&values)[N]) {
      for (Value& value : values) value = body.identity();
    };
    const auto work = [=] {
      cpu::parallel_for(groups * columns, [&](Index i) {
        const Index group = i / columns, channel = i % columns * N;
        Value all[N], part[N];
        start(all);
        for (Index first = 0; first < rows; first += length) {
          start(part);
          for (Index row = first; row < std::min(rows, first + length); ++row)
            body.template add<N>(group, row, channel, part);
          for (int k = 0; k < N; ++k) body.combine(all[k], part[k]);
        }
        for (int k = 0; k < N; ++k) body.finish(group, channel + k, all[k]);
      });
    };
    detail::launch(work, [&] {
      EmulatedWork described{EmulatedWork::kernel, emulated_name<Body>()};
      if (!EmulatedCounting::instance().dry) return described;
      Value values[N];
      start(values);
      const auto add = [&](Index i) {
        body.template add<N>(i / columns / rows, i / columns % rows, i % columns * N, values);
      };
      measure_pieces(groups * rows * columns, add, described);
      const auto finish = [&](Index i) { body.finish(i / channels, i % channels, values[0]); };
      measure_pieces(groups * channels, finish, described);
      if (sums.pieces > 1) detail::count_parts<Value>(groups * sums.pieces * channels, described);
      return described;
    });
  };
  if (sums.lanes == lanes && step % lanes == 0 && (detail::aligned(arrays) && ...))
    run(std::integral_constant<int, lanes>());
  else
    run(std::integral_constant<int, 1>());
}

}  // namespace dvd::cuda
