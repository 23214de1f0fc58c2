// A layer whose weights cannot be visited.
// expect: Visitable
// expect: visit
#include "dvd/layers/linear.hpp"

struct Hidden : private dvd::Linear<float> {
  using dvd::Linear<float>::Linear;
  using scalar_type = float;
  using device_type = dvd::Cpu;
#ifdef LEGAL
  using dvd::Linear<float>::visit;
#endif
};

template <dvd::Visitable L>
void count(L& layer);

void use(Hidden& layer) { count(layer); }
