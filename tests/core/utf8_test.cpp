// Names of any bytes as text.
#include "dvd/core/utf8.hpp"

#include <doctest/doctest.h>

#include <string>

TEST_CASE("UTF-8 stays, and other bytes are written out") {
  using dvd::utf8_text;
  for (const char* name : {"", "Archery", "日本語", "é", "🎬", "back\\slash", "\x7f"}) CHECK(utf8_text(name) == name);
  CHECK(utf8_text("lat\xefn") == "lat\\xEFn");
  CHECK(utf8_text("\xff\xfe") == "\\xFF\\xFE");
  CHECK(utf8_text("caf\xe9") == "caf\\xE9");                       // cut off
  CHECK(utf8_text("\xe6\x97") == "\\xE6\\x97");                    // a part of a character
  CHECK(utf8_text("\xc0\x80") == "\\xC0\\x80");                    // longer than need be
  CHECK(utf8_text("\xed\xa0\x80") == "\\xED\\xA0\\x80");           // a surrogate
  CHECK(utf8_text("\xf4\x90\x80\x80") == "\\xF4\\x90\\x80\\x80");  // beyond Unicode
  CHECK(utf8_text("\x80é\xff") == "\\x80é\\xFF");
}
