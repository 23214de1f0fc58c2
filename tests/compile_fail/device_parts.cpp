// Device policies that lack one kernel each, asked for the part of the contract that it belongs to.
// expect: DeviceCopies
// expect: copy_rows
// expect: DevicePointwise
// expect: blend
// expect: DeviceMapping
// expect: dropout
// expect: DeviceLstm
// expect: lstm_output
// expect: DeviceConversion
// expect: convert
// expect: DeviceLists
// expect: sum_squares
// expect: DeviceConvolution
// expect: convolve_backward_weight
// expect: DeviceNormalization
// expect: moments
// expect: DeviceSharedBatchNorm
// expect: moment_sums
// expect: DeviceResampling
// expect: warp
// expect: DeviceWindows
// expect: unfold
// expect: DeviceAttention
// expect: attend_backward
// expect: DeviceRows
// expect: row_dots
// expect: DeviceWeights
// expect: pack_weight
#include "dvd/device/cpu.hpp"

struct WithoutCopyRows : dvd::Cpu {
#ifndef LEGAL
  static void copy_rows() = delete;
#endif
};
static_assert(dvd::DeviceCopies<WithoutCopyRows, float>);

struct WithoutBlend : dvd::Cpu {
#ifndef LEGAL
  static void blend() = delete;
#endif
};
static_assert(dvd::DevicePointwise<WithoutBlend, float>);

struct WithoutDropout : dvd::Cpu {
#ifndef LEGAL
  static void dropout() = delete;
#endif
};
static_assert(dvd::DeviceMapping<WithoutDropout, float, float>);

struct WithoutLstm : dvd::Cpu {
#ifndef LEGAL
  static void lstm_output() = delete;
#endif
};
static_assert(dvd::DeviceLstm<WithoutLstm, float, float>);

struct WithoutConvert : dvd::Cpu {
#ifndef LEGAL
  static void convert() = delete;
#endif
};
static_assert(dvd::DeviceConversion<WithoutConvert, float, float>);

struct WithoutSumSquares : dvd::Cpu {
#ifndef LEGAL
  static void sum_squares() = delete;
#endif
};
static_assert(dvd::DeviceLists<WithoutSumSquares, float>);

struct WithoutConvolveBackwardWeight : dvd::Cpu {
#ifndef LEGAL
  static void convolve_backward_weight() = delete;
#endif
};
static_assert(dvd::DeviceConvolution<WithoutConvolveBackwardWeight, float, float>);

struct WithoutMoments : dvd::Cpu {
#ifndef LEGAL
  static void moments() = delete;
#endif
};
static_assert(dvd::DeviceNormalization<WithoutMoments, float, float>);

struct WithoutMomentSums : dvd::Cpu {
#ifndef LEGAL
  static void moment_sums() = delete;
#endif
};
static_assert(dvd::DeviceSharedBatchNorm<WithoutMomentSums, float, float>);

struct WithoutWarp : dvd::Cpu {
#ifndef LEGAL
  static void warp() = delete;
#endif
};
static_assert(dvd::DeviceResampling<WithoutWarp, float>);

struct WithoutUnfold : dvd::Cpu {
#ifndef LEGAL
  static void unfold() = delete;
#endif
};
static_assert(dvd::DeviceWindows<WithoutUnfold, float>);

struct WithoutAttendBackward : dvd::Cpu {
#ifndef LEGAL
  static void attend_backward() = delete;
#endif
};
static_assert(dvd::DeviceAttention<WithoutAttendBackward, float>);

struct WithoutRowDots : dvd::Cpu {
#ifndef LEGAL
  static void row_dots() = delete;
#endif
};
static_assert(dvd::DeviceRows<WithoutRowDots, float, float>);

struct WithoutPackWeight : dvd::Cpu {
#ifndef LEGAL
  static void pack_weight() = delete;
#endif
};
static_assert(dvd::DeviceWeights<WithoutPackWeight, float, float>);
