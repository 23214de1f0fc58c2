// A device policy without the kernels that resample.
// expect: Device
// expect: upsample_nearest
#include "dvd/device/cpu.hpp"
#include "dvd/layers/linear.hpp"

struct MyDevice : dvd::cpu::Memory,
                  dvd::cpu::Pointwise,
                  dvd::cpu::Mapping,
                  dvd::cpu::Lstm,
                  dvd::cpu::Lists,
                  dvd::cpu::Convolution,
                  dvd::cpu::Normalization,
                  dvd::cpu::SharedBatchNorm,
                  dvd::cpu::GroupNorm,
#ifdef LEGAL
                  dvd::cpu::Resampling,
#endif
                  dvd::cpu::Warping,
                  dvd::cpu::Windows,
                  dvd::cpu::Attention,
                  dvd::cpu::Gathering,
                  dvd::cpu::Weights {
  static constexpr const char* name = "mine";

  using Recording = dvd::cpu::Recording;
};

using Layer = dvd::Linear<float, MyDevice>;
