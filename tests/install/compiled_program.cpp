// Links dvd::compiled, and a file that knows nothing of it: both train, and get the same bits.
#ifndef DVD_COMPILED
#error "DVD_COMPILED is not defined"
#endif
#include "train.hpp"

std::vector<float> train_without_library();

int main() { return train() == train_without_library() ? 0 : 1; }
