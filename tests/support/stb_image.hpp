// Reading the pictures that programs and the library write.
#pragma once

#if __has_include(<stb/stb_image.h>)
#include <stb/stb_image.h>
#else
#include <stb_image.h>
#endif
