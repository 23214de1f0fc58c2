// A recurrent unit without a backward pass.
// expect: RecurrentUnit
// expect: backward
#include "dvd/device/cpu.hpp"
#include "dvd/models/generator.hpp"

// Carries nothing from frame to frame.
class Forgetful {
 public:
  using scalar_type = float;
  using device_type = dvd::Cpu;
  using View = dvd::ConstTensorView<float>;
  struct Cache {};
  struct InputGradients {
    dvd::Tensor<float> x, state;
  };

  Forgetful(dvd::Index, const dvd::Random&) {}

  dvd::Tensor<float> forward(const View& x, dvd::Index, const View&, dvd::Pass, Cache* = nullptr) { return x.clone(); }
#ifdef LEGAL
  InputGradients backward(const View& dy, const Cache&, dvd::Gradients) { return {dy.clone(), {}}; }
#endif

  template <class F>
  void visit(const std::string&, F&) {}
};

using Generator = dvd::Generator<float, dvd::Cpu, Forgetful>;
