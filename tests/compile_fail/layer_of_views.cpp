// A layer that reads tensors where it should read views.
// expect: Layer
// expect: forward
#include "dvd/device/cpu.hpp"
#include "dvd/layers/activation.hpp"
#include "dvd/layers/sequential.hpp"

#ifdef LEGAL
using Input = dvd::ConstTensorView<float>;
#else
using Input = dvd::Tensor<float>;
#endif

struct Identity {
  using scalar_type = float;
  using device_type = dvd::Cpu;
  struct Cache {};

  dvd::Tensor<float> forward(const Input& x, dvd::Pass, Cache* = nullptr) const { return x.clone(); }
  dvd::Tensor<float> backward(const dvd::ConstTensorView<float>& dy, const Cache&, dvd::Gradients) const {
    return dy.clone();
  }
  template <class F>
  void visit(const std::string&, F&) {}
};

using Network = dvd::Sequential<Identity, dvd::ReLU<float>>;
