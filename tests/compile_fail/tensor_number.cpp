// Values read as something that is no number.
// expect: TensorNumber
// expect: bool
#include "dvd/io/safetensors.hpp"

#ifdef LEGAL
using Number = float;
#else
using Number = bool;
#endif
auto values(const dvd::SafetensorsFile& file) { return file.read<Number>("x"); }
