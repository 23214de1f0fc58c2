// How expressions of Eigen's Tensor are evaluated on oneTBB's threads: a device for Eigen, beside its own ones.
//
// Eigen's thread pool cuts reductions and contractions by the number of its threads, and waits in ways that can hang
// oneTBB's. Here an expression's coefficients are split by cost and size alone, and nothing waits but oneTBB itself:
// the same bits on any number of threads, from within tasks, too.
//
// The device is a part of nearly every name that an expression gives rise to, and tells the instruction set. Eigen's
// innermost functions, as the kernel of its matrix products, and what the user evaluates without this device do not:
// files that are compiled for different processors should not contract tensors of one type.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include "dvd/device/cpu/intrinsics.hpp"

#include <algorithm>
#include <cstring>
#include <unsupported/Eigen/CXX11/Tensor>

#include "dvd/device/cpu/memory.hpp"
#include "dvd/device/cpu/parallel.hpp"

static_assert(EIGEN_VERSION_AT_LEAST(3, 4, 0), "dvd evaluates Eigen's tensor expressions with Eigen 3.4 or later");

namespace dvd::inline DVD_INSTRUCTION_SET::cpu {

/// A device of Eigen's Tensor: what an expression needs for a while comes from the library's arena, and what Eigen is
/// told of caches and threads is the same everywhere, because results depend on it.
struct EigenDevice {
  void* allocate(std::size_t bytes) const {
    char* const memory = static_cast<char*>(arena().take(bytes + memory_alignment));
    std::memcpy(memory, &bytes, sizeof bytes);  // the arena wants to know, Eigen does not say
    return memory + memory_alignment;
  }
  void deallocate(void* buffer) const {
    if (!buffer) return;
    char* const memory = static_cast<char*>(buffer) - memory_alignment;
    std::size_t bytes;
    std::memcpy(&bytes, memory, sizeof bytes);
    arena().give(memory, bytes + memory_alignment);
  }
  void* allocate_temp(std::size_t bytes) const { return allocate(bytes); }
  void deallocate_temp(void* buffer) const { deallocate(buffer); }
  void memcpy(void* to, const void* from, std::size_t bytes) const {
    if (bytes > 0) std::memcpy(to, from, bytes);
  }
  void memset(void* buffer, int value, std::size_t bytes) const {
    if (bytes > 0) std::memset(buffer, value, bytes);
  }
  template <class Pointer>
  Pointer get(Pointer data) const {
    return data;
  }
  std::size_t numThreads() const { return 1; }
  std::size_t firstLevelCacheSize() const { return std::size_t{32} << 10; }
  std::size_t lastLevelCacheSize() const { return std::size_t{256} << 10; }
  int majorDeviceVersion() const { return 1; }
};

namespace detail {

/// Coefficients that one task takes when each costs as Eigen estimates: some 10 microseconds of work, in whole packets.
inline Index eigen_grain(const Eigen::TensorOpCost& cost, Index packet) {
  constexpr double cycles = 40000;
  const double each = std::max(Eigen::TensorCostModel<EigenDevice>::totalCost(1, cost), 1e-3);
  const Index packets = static_cast<Index>(std::min(cycles / each, 1e9)) / packet;
  return std::max<Index>(packets, 1) * packet;
}

/// Gives back, whatever is thrown, the memory that an evaluator took.
template <class Evaluator>
class Cleanup {
 public:
  explicit Cleanup(Evaluator& evaluator) : evaluator_(evaluator) {}
  Cleanup(const Cleanup&) = delete;
  Cleanup& operator=(const Cleanup&) = delete;
  ~Cleanup() { evaluator_.cleanup(); }

 private:
  Evaluator& evaluator_;
};

/// Computes coefficients one after the other, or a packet of them at once.
template <bool Vectorizable, class Evaluator>
void eval_coefficients(Evaluator& evaluator) {
  constexpr Index packet = Vectorizable ? Evaluator::PacketSize : 1;
  const Index size = Eigen::internal::array_prod(evaluator.dimensions());
  parallel_chunks(size, eigen_grain(evaluator.costPerCoeff(Vectorizable), 4 * packet), [&](Index begin, Index end) {
    Evaluator own = evaluator;  // some evaluators keep notes
    if constexpr (Vectorizable) {
      for (; begin + 4 * packet <= end; begin += 4 * packet)
        for (Index i = 0; i < 4; ++i) own.evalPacket(begin + i * packet);
      for (; begin + packet <= end; begin += packet) own.evalPacket(begin);
    }
    for (; begin < end; ++begin) own.evalScalar(begin);
  });
}

/// Computes blocks that fit the cache, which Eigen prefers where coefficients would be looked up far from each other.
template <class Evaluator, int Rank>
void eval_blocks(Evaluator& evaluator, const EigenDevice& device) {
  using Mapper = Eigen::internal::TensorBlockMapper<Rank, Evaluator::Layout, Index>;
  using Descriptor = Eigen::internal::TensorBlockDescriptor<Rank, Index>;
  const Mapper mapper(typename Descriptor::Dimensions(evaluator.dimensions()), evaluator.getResourceRequirements());
  parallel_chunks(mapper.blockCount(), 4, [&](Index begin, Index end) {
    Eigen::internal::TensorBlockScratchAllocator<EigenDevice> scratch(device);
    for (; begin < end; ++begin) {
      Descriptor block = mapper.blockDescriptor(begin);
      evaluator.evalBlock(block, scratch);
      scratch.reset();
    }
  });
}

/// How a reduction of everything to one number is made of reduced shards. A reducer of the user's is not: what it
/// remembers, and what it makes of its sum in the end, may not be made of parts.
template <class Op>
struct Sharded {
  static constexpr bool possible = false;
  using Reducer = Op;
};
template <class Op>
struct ShardedAsItIs {
  static constexpr bool possible = true;
  using Reducer = Op;
  template <class T>
  static T finish(T value, Index) {
    return value;
  }
};
template <class T>
struct Sharded<Eigen::internal::SumReducer<T>> : ShardedAsItIs<Eigen::internal::SumReducer<T>> {};
template <class T>
struct Sharded<Eigen::internal::ProdReducer<T>> : ShardedAsItIs<Eigen::internal::ProdReducer<T>> {};
template <class T, int WithNaN>
struct Sharded<Eigen::internal::MaxReducer<T, WithNaN>> : ShardedAsItIs<Eigen::internal::MaxReducer<T, WithNaN>> {};
template <class T, int WithNaN>
struct Sharded<Eigen::internal::MinReducer<T, WithNaN>> : ShardedAsItIs<Eigen::internal::MinReducer<T, WithNaN>> {};
/// Eigen's mean counts what it adds, and would do so on one thread.
template <class T>
struct Sharded<Eigen::internal::MeanReducer<T>> {
  static constexpr bool possible = true;
  using Reducer = Eigen::internal::SumReducer<T>;
  static T finish(T value, Index count) { return value / static_cast<T>(count); }
};

}  // namespace detail
}  // namespace dvd::cpu

namespace Eigen::internal {

template <class Expression, bool Vectorizable, TiledEvaluation Tiling>
class TensorExecutor<Expression, dvd::cpu::EigenDevice, Vectorizable, Tiling> {
 public:
  static void run(const Expression& expression, const dvd::cpu::EigenDevice& device) {
    using Evaluator = TensorEvaluator<Expression, dvd::cpu::EigenDevice>;
    const dvd::cpu::FlushDenormals flush;
    Evaluator evaluator(expression, device);
    const dvd::cpu::detail::Cleanup<Evaluator> cleanup(evaluator);
    if (!evaluator.evalSubExprsIfNeeded(nullptr)) return;
    if constexpr (Tiling == TiledEvaluation::On)
      dvd::cpu::detail::eval_blocks<Evaluator, traits<Expression>::NumDimensions>(evaluator, device);
    else
      dvd::cpu::detail::eval_coefficients<Vectorizable>(evaluator);
  }
};

template <class Self, class Op, bool Vectorizable>
struct FullReducer<Self, Op, dvd::cpu::EigenDevice, Vectorizable> {
  using Sharded = dvd::cpu::detail::Sharded<Op>;
  static constexpr bool HasOptimizedImplementation = Sharded::possible;

  static void run(const Self& self, const Op&, const dvd::cpu::EigenDevice&, typename Self::CoeffReturnType* output) {
    if constexpr (Sharded::possible) {  // this function must be there in any case
      using Index = typename Self::Index;
      using Reducer = typename Sharded::Reducer;
      using Inner = InnerMostDimReducer<Self, Reducer, Vectorizable,
                                        !reducer_traits<Reducer, dvd::cpu::EigenDevice>::IsExactlyAssociative>;
      const Index count = array_prod(self.m_impl.dimensions());
      const TensorOpCost cost = self.m_impl.costPerCoeff(Vectorizable) +
                                TensorOpCost(0, 0, functor_traits<Reducer>::Cost, Vectorizable, Self::PacketSize);
      const Index grain = std::max<Index>(dvd::cpu::detail::eigen_grain(cost, Self::PacketSize), count / 1024);
      const Index shards = (count + grain - 1) / grain;
      const dvd::cpu::Scratch<typename Self::CoeffReturnType> values(shards);
      dvd::cpu::parallel_chunks(count, grain, [&](Index begin, Index end) {
        Reducer reducer;
        values.data()[begin / grain] = Inner::reduce(self, begin, end - begin, reducer);
      });
      Reducer reducer;
      typename Self::CoeffReturnType value = reducer.initialize();
      for (Index shard = 0; shard < shards; ++shard) reducer.reduce(values.data()[shard], &value);
      *output = Sharded::finish(reducer.finalize(value), count);
    }
  }
};

}  // namespace Eigen::internal

#include "dvd/core/macros_end.hpp"
