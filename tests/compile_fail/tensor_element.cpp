// A file asked for numbers of a type that it cannot hold.
// expect: TensorElement
// expect: char8_t
#include "dvd/io/safetensors.hpp"

#ifdef LEGAL
using Element = bool;
#else
using Element = char8_t;
#endif
static_assert(dvd::data_type_of<Element>() == dvd::DataType::BOOL);
