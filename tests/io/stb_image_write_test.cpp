// A program's own stb_image_write beside the library's: declared before, implemented after, with settings of its own.
#include <doctest/doctest.h>
#if __has_include(<stb/stb_image_write.h>)
#include <stb/stb_image_write.h>
#else
#include <stb_image_write.h>
#endif

#define STBIW_ZLIB_COMPRESS settings_of_a_program
#include "dvd/io/images.hpp"
#ifndef STBIW_ZLIB_COMPRESS
#error "the library takes a program's settings away"
#endif
#undef STBIW_ZLIB_COMPRESS
#if defined(STB_IMAGE_WRITE_IMPLEMENTATION) || defined(STB_IMAGE_WRITE_STATIC) || defined(STBI_WRITE_NO_STDIO) || \
    defined(STBIW_ASSERT) || defined(STBIW_MALLOC) || defined(STBIW_UCHAR) || defined(stbiw__max)
#error "the library leaves stb's macros behind"
#endif

#define STB_IMAGE_WRITE_IMPLEMENTATION
#if __has_include(<stb/stb_image_write.h>)
#include <stb/stb_image_write.h>
#else
#include <stb_image_write.h>
#endif

namespace {

const dvd::Image picture{2, 1, {255, 0, 0, 0, 0, 255}};

std::string encode_by_program() {
  std::string file;
  const auto append = [](void* context, void* data, int size) {
    static_cast<std::string*>(context)->append(static_cast<const char*>(data), static_cast<std::size_t>(size));
  };
  REQUIRE(stbi_write_png_to_func(append, &file, 1, 2, 3, picture.pixels.data(), 3) != 0);
  return file;
}

}  // namespace

TEST_CASE("both write the same file") { CHECK(encode_by_program() == dvd::encode_png(picture)); }

TEST_CASE("a program that turns its pictures upside down leaves the library's as they are") {
  const std::string before = dvd::encode_png(picture);
  stbi_flip_vertically_on_write(1);
  CHECK(encode_by_program() != before);
  CHECK(dvd::encode_png(picture) == before);
  stbi_flip_vertically_on_write(0);
}
