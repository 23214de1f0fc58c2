// A random matrix with orthonormal rows, where the rows are many and at least twice as long as they are many: from a
// Gaussian matrix G by Cholesky QR,
//
//     G G^T = L L^T,    Q = L^-1 G,
//
// which is what Gram-Schmidt makes of G, in nothing but matrix products and half as many operations as two rounds of
// it. Q is off from orthonormal by about the rounding error times the square of G's condition number (Yamamoto,
// Nakatsukasa, Yanagisawa, Fukaya, "Roundoff error analysis of the CholeskyQR2 algorithm", ETNA 2015). For Gaussian
// rows of twice their number that square is below 40 (Marchenko, Pastur 1967), so once is enough.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include "dvd/device/cpu/intrinsics.hpp"

#include <Eigen/Core>
#include <algorithm>
#include <cstddef>
#include <numbers>

#include "dvd/core/random.hpp"
#include "dvd/device/cpu/memory.hpp"
#include "dvd/device/cpu/parallel.hpp"
#include "dvd/device/cpu/product.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::cpu {

/// Q = L^-1 G for a Gaussian G `[count, length]`, 2 * count <= length.
template <class T>
class CholeskyOrthogonal {
 public:
  CholeskyOrthogonal(Index count, Index length, const Random& random)
      : count_(count),
        length_(length),
        panels_((count + width - 1) / width),
        panel_((length + group_rows - 1) / group_rows * group_rows * width),
        chunks_((panels_ * panel_ + chunk - 1) / chunk),
        directions_(chunks_ * chunk),
        inverse_(place(panels_)) {
    draw(random);
    const Scratch<T> gram(count * count);
    multiply_with_itself(gram.data());
    invert_factor(gram.data());
  }

  /// Q, row-major, or its transpose.
  void write(bool transposed, T* matrix) const {
    constexpr Index most = 96;  // eight tiles of twelve; the directions of so many positions stay in the cache
    parallel_chunks(length_, most, [&](Index begin, Index end) {
      RowGroup groups[std::size_t{most / group_rows}];
      Index group_count = 0;
      for (Index position = begin; position < end; position += group_rows)
        groups[group_count++] = {position * width, transposed ? position * count_ : (position - begin) * width,
                                 std::min(group_rows + Index{0}, end - position)};
      const auto [tile] = Workspace::arrays<T, 1>({most * width});
      for (Index panel = 0; panel < panels_; ++panel) {
        const Index first = panel * width, columns = std::min(width, count_ - first);
        const ProductStrides<T> strides{panel + 1, width, width, panel_, 1, width * width, width, false};
        T* const c = transposed ? matrix + first : tile;
        product(strides, directions_.data(), inverse_.data() + place(panel), c, transposed ? count_ : width, groups,
                group_count, columns, nullptr);
        if (transposed) continue;
        for (Index i = 0; i < columns; ++i)
          for (Index position = begin; position < end; ++position)
            matrix[(first + i) * length_ + position] = tile[(position - begin) * width + i];
      }
    });
  }

 private:
  // G lies as [panels, length, width], a panel holding `width` of its rows side by side, and L^-1 as its transpose cut
  // in the same way, [panels, rows up to the panel's last, width]: every product below reads both as they are. What
  // fills up the last panel never reaches the result.
  static constexpr Index width = 32;
  static constexpr Index chunk = 2048;
  // Six by six panels of the Gram matrix are a task, and so many positions of their rows at a time stay in the cache.
  static constexpr Index block = 6, block_groups = block * width / group_rows, block_positions = 256;

  /// Where a panel of the inverse begins.
  static Index place(Index panel) { return width * width * panel * (panel + 1) / 2; }

  /// Box-Muller in single precision, a whole vector at a time: Random::normal would take longer than all the products.
  void draw(const Random& random) {
    const std::uint64_t bits = random.bits(0);
    const std::array<std::uint32_t, 2> key{static_cast<std::uint32_t>(bits), static_cast<std::uint32_t>(bits >> 32)};
    parallel_for(chunks_, [&](Index index) {
      const Index begin = index * chunk;
      // Of Eigen the functions alone, one at a time: its expressions take long to compile.
      Eigen::Array<float, chunk / 2, 1> radius, angle;
      constexpr float scale = 0x1p-32f, turn = 2 * std::numbers::pi_v<float>;
      for (Index i = 0; i < chunk / 4; ++i) {
        const auto counter = static_cast<std::uint64_t>(begin / 4 + i);
        const auto words =
            philox({static_cast<std::uint32_t>(counter), static_cast<std::uint32_t>(counter >> 32), 0, 0}, key);
        radius[2 * i] = scale * static_cast<float>(words[0]) + scale / 2;  // uniform in (0, 1]
        radius[2 * i + 1] = scale * static_cast<float>(words[1]) + scale / 2;
        angle[2 * i] = turn * scale * static_cast<float>(words[2]);
        angle[2 * i + 1] = turn * scale * static_cast<float>(words[3]);
      }
      radius = radius.log();
      for (float& each : radius) each = std::max(-2 * each, 0.0f);
      radius = radius.sqrt();
      const auto cosine = angle.cos().eval();
      angle = angle.sin();
      T* const directions = directions_.data() + begin;
      for (Index i = 0; i < chunk / 2; ++i) {
        directions[i] = static_cast<T>(radius[i] * cosine[i]);
        directions[i + chunk / 2] = static_cast<T>(radius[i] * angle[i]);
      }
    });
  }

  /// gram [count, count] = G G^T, its lower triangle of panels.
  void multiply_with_itself(T* gram) const {
    const Index blocks = (panels_ + block - 1) / block;
    parallel_for(blocks * (blocks + 1) / 2, [&](Index task) {
      Index row = 0;
      while ((row + 1) * (row + 2) / 2 <= task) ++row;
      const Index column = task - row * (row + 1) / 2;
      for (Index begin = 0; begin < length_; begin += block_positions)
        for (Index j = column * block; j < std::min(panels_, (column + 1) * block); ++j) {
          RowGroup groups[block_groups];
          Index group_count = 0;
          for (Index i = std::max(j, row * block); i < std::min(panels_, (row + 1) * block); ++i)
            for (Index r = 0; r < std::min(width, count_ - i * width); r += group_rows)
              groups[group_count++] = {i * panel_ + r, (i * width + r) * count_,
                                       std::min(group_rows + Index{0}, count_ - i * width - r)};
          const ProductStrides<T> strides{1,        std::min(block_positions, length_ - begin), 1, 0, width, 0, width,
                                          begin > 0};
          product(strides, directions_.data() + begin * width, directions_.data() + j * panel_ + begin * width,
                  gram + j * width, count_, groups, group_count, std::min(width, count_ - j * width), nullptr);
        }
    });
  }

  /// L^-1 from the lower triangle of `gram`, which is overwritten: row by row, and with plain loops, because this is a
  /// small part of the work and Eigen's solvers take seconds to compile.
  void invert_factor(T* gram) const {
    for (Index j = 0; j < count_; ++j) {  // L, a column at a time, in the place of the triangle
      const T* const pivot = gram + j * count_;
      const T diagonal = std::sqrt(pivot[j] - dot(j, pivot, pivot));
      gram[j * count_ + j] = diagonal;
      parallel_chunks(count_ - j - 1, std::max<Index>(1, pointwise_grain / (j + 1)), [&](Index begin, Index end) {
        for (Index i = j + 1 + begin; i < j + 1 + end; ++i) {
          T* const row = gram + i * count_;
          row[j] = (row[j] - dot(j, row, pivot)) / diagonal;
        }
      });
    }
    std::fill(inverse_.data(), inverse_.data() + place(panels_), T{0});
    constexpr Index block_columns = 4 * width;
    parallel_chunks(count_, block_columns, [&](Index begin, Index end) {
      const Scratch<T> solved(count_ * block_columns);  // rows from `begin` on: above, these columns are zero
      for (Index i = begin; i < count_; ++i) {
        T* const row = solved.data() + (i - begin) * block_columns;
        for (Index j = 0; j < block_columns; ++j) row[j] = i == begin + j ? T{1} : T{0};
        for (Index k = begin; k < i; ++k) {
          const T factor = gram[i * count_ + k];
          const T* const before = solved.data() + (k - begin) * block_columns;
          for_lanes<T>(block_columns, [&](Index j, auto lanes) {
            using V = Vector<T, lanes>;
            store(row + j, load<V>(row + j) - factor * load<V>(before + j));
          });
        }
        for (Index j = 0; j < block_columns; ++j) row[j] /= gram[i * count_ + i];
        for (Index j = begin; j < std::min(end, i + 1); ++j)
          inverse_.data()[place(i / width) + j * width + i % width] = row[j - begin];
      }
    });
  }

  /// The sum of the first `count` products, in a fixed order.
  static T dot(Index count, const T* x, const T* y) {
    using V = Vector<T, native_lanes<T>>;
    V sums{};
    Index i = 0;
    for (; i + native_lanes<T> <= count; i += native_lanes<T>) sums += load<V>(x + i) * load<V>(y + i);
    T sum = 0;
    for (int lane = 0; lane < native_lanes<T>; ++lane) sum += sums[lane];
    for (; i < count; ++i) sum += x[i] * y[i];
    return sum;
  }

  Index count_, length_, panels_, panel_, chunks_;
  Scratch<T> directions_, inverse_;
};

}  // namespace dvd::cpu

#include "dvd/core/macros_end.hpp"
