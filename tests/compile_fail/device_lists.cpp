// A device policy whose `adam` updates one array at a time, under a layer.
// expect: DeviceLists
// expect: adam
#include "dvd/device/cpu.hpp"
#include "dvd/layers/linear.hpp"

struct OneByOne : dvd::Cpu {
#ifdef LEGAL
  using dvd::Cpu::adam;
#endif
  template <class T>
  static void adam(dvd::Index, T, T, T, T, T, T, const T*, T*, T*, T*) {}
};

using Layer = dvd::Linear<float, OneByOne>;
