// A file of compiled_program that does without dvd::compiled.
#ifdef DVD_COMPILED
#error "dvd::compiled reaches who did not ask for it"
#endif
#include "train.hpp"

std::vector<float> train_without_library() { return train(); }
