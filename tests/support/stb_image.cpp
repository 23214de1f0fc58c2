#define STB_IMAGE_IMPLEMENTATION
#include "support/stb_image.hpp"
