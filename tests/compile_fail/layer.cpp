// A layer that cannot be visited, in a Sequential.
// expect: Layer
// expect: visit
#include "dvd/device/cpu.hpp"
#include "dvd/layers/activation.hpp"
#include "dvd/layers/sequential.hpp"

struct Twice {
  using scalar_type = float;
  using device_type = dvd::Cpu;
  using View = dvd::ConstTensorView<float>;
  struct Cache {};

  dvd::Tensor<float> forward(const View& x, dvd::Pass, Cache* = nullptr) const {
    dvd::Tensor<float> y(x.shape());
    dvd::Cpu::scale(x.size(), 2.0f, x.data(), y.data());
    return y;
  }
  dvd::Tensor<float> backward(const View& dy, const Cache& cache, dvd::Gradients) const {
    return forward(dy, dvd::Pass::train(), const_cast<Cache*>(&cache));
  }
#ifdef LEGAL
  template <class F>
  void visit(const std::string&, F&) {}
#endif
};

using Network = dvd::Sequential<Twice, dvd::ReLU<float>>;
