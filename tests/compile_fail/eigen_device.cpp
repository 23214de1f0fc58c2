// A tensor in another device's memory, as Eigen's.
// expect: OnHost
// expect: Cpu
#include "dvd/eigen.hpp"

struct Elsewhere {
  static std::shared_ptr<void> allocate(std::size_t bytes) { return std::make_shared<char[]>(bytes); }
  static void upload(const void*, void*, std::size_t) {}
  static void download(const void*, void*, std::size_t) {}
};

#ifdef LEGAL
using Device = dvd::Cpu;
#else
using Device = Elsewhere;
#endif
auto expression(const dvd::Tensor<float, Device>& x) { return dvd::eigen<2>(x); }
