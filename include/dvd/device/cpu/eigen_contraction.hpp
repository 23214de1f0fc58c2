// Contractions of Eigen's Tensor on oneTBB's threads: tiles of the result, each by one task with Eigen's own kernel.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <algorithm>

#include "dvd/device/cpu/eigen_device.hpp"

namespace Eigen {

/// The evaluator of a contraction as a product of matrices. Sizes of tiles depend on nothing, and a coefficient is
/// summed in one order: the same bits on any number of threads. A vector times a matrix is left to Eigen's own loop.
template <class Indices, class Left, class Right, class OutputKernel>
struct TensorEvaluator<const TensorContractionOp<Indices, Left, Right, OutputKernel>, dvd::cpu::EigenDevice>
    : TensorContractionEvaluatorBase<
          TensorEvaluator<const TensorContractionOp<Indices, Left, Right, OutputKernel>, dvd::cpu::EigenDevice>> {
  using Device = dvd::cpu::EigenDevice;
  using Self = TensorEvaluator<const TensorContractionOp<Indices, Left, Right, OutputKernel>, Device>;
  using Base = TensorContractionEvaluatorBase<Self>;
  using XprType = TensorContractionOp<Indices, Left, Right, OutputKernel>;
  using Index = typename XprType::Index;
  using Scalar = std::remove_const_t<typename XprType::Scalar>;
  using CoeffReturnType = typename XprType::CoeffReturnType;
  using PacketReturnType = typename PacketType<CoeffReturnType, Device>::type;
  using Dimensions = typename Base::Dimensions;
  static constexpr int Layout = TensorEvaluator<Left, Device>::Layout;
  static constexpr int NumDims = Base::NumDims;

  TensorEvaluator(const XprType& expression, const Device& device) : Base(expression, device) {}

  template <int Alignment>
  void evalProduct(Scalar* buffer) const {
    TENSOR_CONTRACTION_DISPATCH(this->template eval_tiles, Unaligned, (buffer));
  }

  // In Eigen's words, columns first: a result of m x n, n varying slowest, from m x k and k x n.
  template <bool LeftContiguous, bool RightContiguous, bool RightReordered, int Alignment>
  void eval_tiles(Scalar* buffer) const {
    const Index m = this->m_i_size, n = this->m_j_size, k = this->m_k_size;
    if (n == 1) {
      this->template evalGemv<LeftContiguous, RightContiguous, RightReordered, Alignment>(buffer);
      return;
    }
    using LeftScalar = std::remove_const_t<typename Base::EvalLeftArgType::Scalar>;
    using RightScalar = std::remove_const_t<typename Base::EvalRightArgType::Scalar>;
    using LeftEvaluator = typename Base::LeftEvaluatorType;
    using RightEvaluator = typename Base::RightEvaluatorType;
    using LeftMapper =
        internal::TensorContractionInputMapper<LeftScalar, Index, internal::Lhs, LeftEvaluator,
                                               typename Base::left_nocontract_t, typename Base::contract_t,
                                               packet_size<LeftScalar>, LeftContiguous, false, Unaligned>;
    using RightMapper =
        internal::TensorContractionInputMapper<RightScalar, Index, internal::Rhs, RightEvaluator,
                                               typename Base::right_nocontract_t, typename Base::contract_t,
                                               packet_size<RightScalar>, RightContiguous, RightReordered, Unaligned>;
    using OutputMapper = internal::blas_data_mapper<Scalar, Index, ColMajor>;
    using Kernel = internal::TensorContractionKernel<Scalar, LeftScalar, RightScalar, Index, OutputMapper, LeftMapper,
                                                     RightMapper>;

    const LeftMapper left(this->m_leftImpl, this->m_left_nocontract_strides, this->m_i_strides,
                          this->m_left_contracting_strides, this->m_k_strides);
    const RightMapper right(this->m_rightImpl, this->m_right_nocontract_strides, this->m_j_strides,
                            this->m_right_contracting_strides, this->m_k_strides);
    const OutputMapper output(buffer, m);
    const Index tile_rows = std::min(m, side), tile_columns = std::min(n, side), tile_depth = std::min(k, depth);
    const Index down = (m + side - 1) / side, across = (n + side - 1) / side;
    dvd::cpu::parallel_for(down * across, [&](Index tile) {
      const Index row = tile % down * side, column = tile / down * side;
      const Index rows = std::min(m - row, side), columns = std::min(n - column, side);
      const dvd::cpu::Scratch<LeftScalar> left_memory(tile_rows * tile_depth);
      const dvd::cpu::Scratch<RightScalar> right_memory(tile_depth * tile_columns);
      LeftScalar* left_block = left_memory.data();
      RightScalar* right_block = right_memory.data();
      Kernel kernel(m, k, n, tile_rows, tile_depth, tile_columns);
      const OutputMapper result = output.getSubMapper(row, column);
      for (Index j = 0; j < columns; ++j) std::fill_n(buffer + (column + j) * m + row, rows, Scalar(0));
      for (Index from = 0; from < k; from += depth) {
        const Index length = std::min(k - from, depth);
        kernel.packLhs(&left_block, left.getSubMapper(row, from), length, rows);
        kernel.packRhs(&right_block, right.getSubMapper(from, column), length, columns);
        kernel.invoke(result, left_block, right_block, rows, length, columns, Scalar(1), Scalar(1));
      }
      this->m_output_kernel(result, this->m_tensor_contraction_params, row, column, rows, columns);
    });
  }

  template <class T>
  static constexpr int packet_size = PacketType<T, Device>::size;

  static constexpr Index side = 192;   ///< of a tile: whole vectors of every kind
  static constexpr Index depth = 256;  ///< summed at a time: what a tile needs then fits the second cache
};

}  // namespace Eigen

#include "dvd/core/macros_end.hpp"
