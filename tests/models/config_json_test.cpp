// Configurations from JSON that nobody vouches for.
#include "dvd/models/config_json.hpp"

#include <doctest/doctest.h>

#include <limits>
#include <string>
#include <utility>

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

// Goes through JSON and back, and returns the text on the way.
std::string round_trip(const DvdGanConfig& config) {
  const std::string text = to_json(config).dump();
  const DvdGanConfig back = config_from_json(Json::parse(text));
  CHECK(back == config);
  CHECK(to_json(back).dump() == text);
  return text;
}

std::string message_of(const Json& json) {
  try {
    config_from_json(json);
  } catch (const ArgumentError& error) {
    return error.what();
  }
  return "";
}

TEST_CASE("the JSON of squares in RGB with classes is what it was before there were other sizes") {
  CHECK(round_trip({.frames = 8, .resolution = 32, .channels = 4}) ==
        R"({"frames":8,"resolution":32,"channels":4,"classes":1,"latent_dim":120,"embed_dim":120,"spatial_frames":8,)"
        R"("condition_frames":0,"upsample":"bilinear"})");
  CHECK(round_trip({.frames = 11,
                    .resolution = 256,
                    .channels = 96,
                    .classes = 600,
                    .latent_dim = 16,
                    .embed_dim = 32,
                    .spatial_frames = 3,
                    .condition_frames = 5,
                    .upsample = Upsampling::nearest}) ==
        R"({"frames":11,"resolution":256,"channels":96,"classes":600,"latent_dim":16,"embed_dim":32,)"
        R"("spatial_frames":3,"condition_frames":5,"upsample":"nearest"})");
  // However it was said.
  const std::string plain = round_trip({.resolution = 16});
  CHECK(round_trip({.resolution = 16, .height = 16, .width = 16, .generator_multipliers = {8, 4, 2}}) == plain);
}

TEST_CASE("the JSON of other sizes tells what differs") {
  CHECK(round_trip({.frames = 18,
                    .height = 64,
                    .width = 96,
                    .image_channels = 1,
                    .classes = 0,
                    .generator_multipliers = {4, 4, 4, 2, 1},
                    .discriminator_multipliers = {1, 2, 4, 8, 8}}) ==
        R"({"frames":18,"channels":8,"classes":0,"latent_dim":120,"embed_dim":120,"spatial_frames":8,)"
        R"("condition_frames":0,"upsample":"bilinear","image_channels":1,"height":64,"width":96,)"
        R"("generator_multipliers":[4,4,4,2,1],"discriminator_multipliers":[1,2,4,8,8]})");
  round_trip({.resolution = 32, .height = 16});
  round_trip({.resolution = 32, .width = 40, .image_channels = 4});
  round_trip({.height = 100, .width = 60});
  round_trip({.height = 8, .width = 4096});
}

TEST_CASE("height and width take the place of a resolution") {
  Json json = to_json(DvdGanConfig{.resolution = 32});
  json.erase("resolution");
  CHECK(message_of(json) == "the configuration has no integer \"resolution\"");
  json["height"] = 16;
  CHECK(message_of(json) == "the configuration has no integer \"resolution\"");
  json["width"] = 24;
  const DvdGanConfig config = config_from_json(json);
  CHECK(std::pair(config.image_height(), config.image_width()) == std::pair<Index, Index>(16, 24));
  json["resolution"] = nullptr;
  json["image_channels"] = nullptr;
  json["generator_multipliers"] = nullptr;
  CHECK(config_from_json(json) == config);
  json["resolution"] = 64;  // has no say
  CHECK(config_from_json(json) == config);
  json["width"] = nullptr;
  CHECK(config_from_json(json).image_width() == 64);
}

TEST_CASE("sizes in JSON that make no sense are named") {
  const auto message = [](const char* field, const Json& value) {
    Json json = to_json(DvdGanConfig{.resolution = 32});
    json[field] = value;
    return message_of(json);
  };
  CHECK(message("height", 0) == "height must be at least 1, not 0");
  CHECK(message("width", -16) == "width must be at least 1, not -16");
  CHECK(message("width", "16") == "the configuration's \"width\" is not an integer");
  CHECK(message("image_channels", 0) == "image_channels must be between 1 and 1024, not 0");
  CHECK(message("generator_multipliers", Json::array()) ==
        "the configuration's \"generator_multipliers\" is no list of integers");
  CHECK(message("discriminator_multipliers", {1, 2}) ==
        "discriminator_multipliers must be 4 numbers for 3 stages (32x32 pixels), not 2");
  CHECK(message("generator_multipliers", {1, 2, 0, 4}) == "generator_multipliers must be between 1 and 4096, not 0");
  CHECK(message("generator_multipliers", {1, 2, 1.5, 4}) ==
        "the configuration's \"generator_multipliers\" is not an integer");
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
