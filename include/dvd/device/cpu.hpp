// The CPU device policy: kernels on Eigen, vector extensions and oneTBB.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include "dvd/core/device.hpp"
#include "dvd/device/cpu/attention.hpp"
#include "dvd/device/cpu/convolution.hpp"
#include "dvd/device/cpu/gathering.hpp"
#include "dvd/device/cpu/group_norm.hpp"
#include "dvd/device/cpu/lists.hpp"
#include "dvd/device/cpu/lstm.hpp"
#include "dvd/device/cpu/mapping.hpp"
#include "dvd/device/cpu/memory.hpp"
#include "dvd/device/cpu/normalization.hpp"
#include "dvd/device/cpu/pointwise.hpp"
#include "dvd/device/cpu/recording.hpp"
#include "dvd/device/cpu/resampling.hpp"
#include "dvd/device/cpu/shared_batch_norm.hpp"
#include "dvd/device/cpu/warping.hpp"
#include "dvd/device/cpu/weights.hpp"
#include "dvd/device/cpu/windows.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// Computes on the cores of this machine, as many as `ThreadLimit` allows. The same bits on any number of threads.
struct Cpu : cpu::Memory,
             cpu::Pointwise,
             cpu::Mapping,
             cpu::Lstm,
             cpu::Lists,
             cpu::Convolution,
             cpu::Normalization,
             cpu::SharedBatchNorm,
             cpu::GroupNorm,
             cpu::Resampling,
             cpu::Warping,
             cpu::Windows,
             cpu::Attention,
             cpu::Gathering,
             cpu::Weights {
  static constexpr const char* name = "cpu";

  using Recording = cpu::Recording;

  /// A convolution's weight made ready.
  template <class T>
  using Filter = cpu::Filter<T>;
};

static_assert(Device<Cpu>);

}  // namespace dvd

#ifdef DVD_COMPILED  // by dvd::compiled: the kernels for float are compiled in a library
#include "dvd/device/cpu/instantiations.hpp"
#endif

#include "dvd/core/macros_end.hpp"
