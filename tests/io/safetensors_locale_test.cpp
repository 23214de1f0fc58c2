// Files in a program that has set a locale which groups digits, as desktop programs do.
#include <doctest/doctest.h>

#include <locale>
#include <vector>

#include "dvd/io/safetensors.hpp"
#include "support/temporary_folder.hpp"

namespace {

struct Grouping : std::numpunct<char> {
  char do_thousands_sep() const override { return ','; }
  std::string do_grouping() const override { return "\3"; }
};

TEST_CASE("a file says the same in any locale") {
  const TemporaryFolder folder;
  const std::vector<float> values(2000, 1.5f);
  const std::filesystem::path path = folder.path() / "x.safetensors";
  const std::locale before = std::locale::global(std::locale(std::locale::classic(), new Grouping));
  dvd::SafetensorsWriter writer;
  writer.add<float>("x", {2000}, values);
  writer.add_checksum();
  writer.write(path);
  const dvd::SafetensorsFile inside(path);
  std::locale::global(before);
  CHECK(inside.read<float>("x") == values);
  const dvd::SafetensorsFile outside(path);
  CHECK(outside.shape("x") == std::vector<std::int64_t>{2000});
  CHECK(outside.checksum_fits());
}

}  // namespace
