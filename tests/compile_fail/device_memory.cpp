// A device policy that cannot copy to the host, under a tensor.
// expect: DeviceMemory
// expect: download
#include "dvd/core/tensor.hpp"

struct OneWay {
  static std::shared_ptr<void> allocate(std::size_t bytes) { return std::make_shared<char[]>(bytes); }
  static void upload(const void*, void*, std::size_t) {}
#ifdef LEGAL
  static void download(const void*, void*, std::size_t) {}
#endif
};

using Numbers = dvd::Tensor<float, OneWay>;
