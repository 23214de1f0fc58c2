// Configurations from JSON that nobody vouches for.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include "dvd/models/config_json.hpp"

#include <doctest/doctest.h>

#include <limits>
#include <string>

namespace {

using namespace dvd;

std::string message_for(const Json& frames) {
  Json json = to_json(DvdGanConfig{.frames = 8, .resolution = 32});
  json["frames"] = frames;
  try {
    config_from_json(json);
  } catch (const ArgumentError& error) {
    return error.what();
  }
  return "";
}

TEST_CASE("a configuration comes back from its JSON") {
  const DvdGanConfig config{.frames = 8, .resolution = 32, .channels = 4};
  CHECK(to_json(config_from_json(to_json(config))) == to_json(config));
}

TEST_CASE("numbers beyond all measure are named, at both ends") {
  const std::string too_large = "the configuration's \"frames\" is too large";
  CHECK(message_for(std::numeric_limits<std::int64_t>::min()) == too_large);
  CHECK(message_for(std::numeric_limits<std::int64_t>::max()) == too_large);
  CHECK(message_for(std::numeric_limits<std::uint64_t>::max()) == too_large);
  CHECK(message_for(-2'000'000'000) == too_large);
  CHECK(message_for(1.5) == "the configuration has no integer \"frames\"");
  CHECK(message_for(-1) != too_large);
}

}  // namespace
