// The safetensors reader and writer: round trips, conversions, and every way a file can be wrong.
#include "dvd/io/safetensors.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <cmath>
#include <fstream>
#include <iterator>
#include <limits>
#include <string>
#include <thread>
#include <vector>

#include "dvd/core/random.hpp"

namespace {

namespace fs = std::filesystem;
using dvd::DataType;
using dvd::SafetensorsFile;
using dvd::SafetensorsWriter;

template <class T>
using Limits = std::numeric_limits<T>;

struct TemporaryFolder {
  fs::path path = fs::temp_directory_path() / dvd::concat("dvd-safetensors-test-", ::getpid());
  TemporaryFolder() { fs::create_directories(path); }
  ~TemporaryFolder() { fs::remove_all(path); }
};

std::string content(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void write(const fs::path& path, std::string_view bytes) {
  std::ofstream(path, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

// A file with the given header, however wrong.
std::string with_header(std::string_view header, std::string_view data = "") {
  std::string bytes(8, '\0');
  const std::uint64_t size = header.size();
  std::memcpy(bytes.data(), &size, 8);
  return bytes.append(header).append(data);
}

// One tensor "t" whose description is `entry`, with `size` bytes of data.
std::string with_entry(std::string_view entry, std::size_t size) {
  return with_header(dvd::concat("{\"t\":{", entry, "}}"), std::string(size, '\1'));
}

// Whether the message is one printable line that begins with the path and is no longer than a person reads.
bool is_message(std::string_view message, const fs::path& path) {
  if (!message.starts_with(path.string() + ": ")) return false;
  message.remove_prefix(path.string().size());
  return message.size() < 400 && std::ranges::all_of(message, [](char c) { return 0x20 <= c && c < 0x7F; });
}

// The message of the FileError that `action` throws.
template <class Action>
std::string file_error(const fs::path& path, Action action) {
  try {
    action();
  } catch (const dvd::FileError& error) {
    CHECK_MESSAGE(is_message(error.what(), path), error.what());
    return error.what();
  }
  return "no error";
}

// A file of these bytes that is in memory.
SafetensorsFile in_memory(std::string_view bytes, const fs::path& name) {
  return {std::as_bytes(std::span(bytes)), name.string()};
}

// The message of the FileError that a file of these bytes causes, on the disk and in memory.
std::string refusal(std::string_view bytes) {
  const TemporaryFolder folder;
  const fs::path path = folder.path / "file";
  write(path, bytes);
  const std::string message = file_error(path, [&] { SafetensorsFile file(path); });
  // A string of its own, so that a sanitizer sees who reads beyond its end.
  const std::vector<char> exact(bytes.begin(), bytes.end());
  CHECK(file_error(path, [&] { in_memory({exact.data(), exact.size()}, path); }) == message);
  return message;
}

#define CHECK_REFUSED(bytes, reason)                                 \
  do {                                                               \
    const std::string message_ = refusal(bytes);                     \
    CHECK_MESSAGE(message_.find(reason) != message_.npos, message_); \
  } while (false)

template <class T>
void check_round_trip(DataType type, const std::vector<T>& values) {
  CAPTURE(dvd::name_of(type));
  CHECK(dvd::data_type_of<T>() == type);
  CHECK(dvd::size_of(type) == sizeof(T));
  const TemporaryFolder folder;
  const fs::path path = folder.path / "file";
  SafetensorsWriter writer;
  writer.add<T>("t", {static_cast<std::int64_t>(values.size()), 1}, values);
  writer.write(path);
  const SafetensorsFile file(path);
  CHECK(file.type("t") == type);
  CHECK(file.shape("t") == std::vector<std::int64_t>{static_cast<std::int64_t>(values.size()), 1});
  CHECK(file.read<T>("t") == values);
}

template <class T>
void check_integer_round_trip(DataType type) {
  check_round_trip<T>(type, {0, 1, 2, 100, Limits<T>::min(), Limits<T>::max()});
}

TEST_CASE("every type comes back as it was written") {
  check_round_trip<double>(DataType::F64, {0, -1.5, 1e300, 5e-324, Limits<double>::infinity()});
  check_round_trip<float>(DataType::F32, {0, -1.5f, 1e30f, 1e-45f, -Limits<float>::infinity()});
  check_integer_round_trip<std::int64_t>(DataType::I64);
  check_integer_round_trip<std::int32_t>(DataType::I32);
  check_integer_round_trip<std::int16_t>(DataType::I16);
  check_integer_round_trip<std::int8_t>(DataType::I8);
  check_integer_round_trip<std::uint64_t>(DataType::U64);
  check_integer_round_trip<std::uint32_t>(DataType::U32);
  check_integer_round_trip<std::uint16_t>(DataType::U16);
  check_integer_round_trip<std::uint8_t>(DataType::U8);
  CHECK(dvd::data_type_of<long long>() == DataType::I64);
  CHECK(dvd::data_type_of<unsigned long>() == DataType::U64);
}

TEST_CASE("several tensors, metadata and odd names share a file") {
  const TemporaryFolder folder;
  const fs::path path = folder.path / "file";
  const std::vector<float> weights = {1, 2, 3, 4, 5, 6};
  const std::vector<std::int64_t> steps = {7};
  const std::array<bool, 3> flags = {true, false, true};
  const std::string odd = "quote\" back\\slash \n\t\x01\x7F \u00e9\u4e2d\U0001F3AC";
  SafetensorsWriter writer;
  writer.add<float>("weights", {2, 3}, weights);
  writer.add<std::int64_t>("steps", {}, steps);
  writer.add<bool>("flags", {3}, flags);
  writer.add<float>("empty", {4, 0}, {});
  writer.add<float>(odd, {6}, weights);
  writer.add("half", {6}, weights, DataType::F16);
  writer.add("", {6}, weights, DataType::F32);
  writer.set_metadata("format", "wrong");
  writer.set_metadata("format", "dvd");
  writer.set_metadata(odd, "{\"a\": [1]}\n");
  writer.write(path);

  const SafetensorsFile file(path);
  CHECK(file.names() == std::vector<std::string>{"", "empty", "flags", "half", odd, "steps", "weights"});
  CHECK(file.contains("steps"));
  CHECK_FALSE(file.contains("step"));
  CHECK_FALSE(file.contains("__metadata__"));
  CHECK(file.metadata() == std::map<std::string, std::string>{{"format", "dvd"}, {odd, "{\"a\": [1]}\n"}});
  CHECK(file.read<float>("weights") == weights);
  CHECK(file.shape("weights") == std::vector<std::int64_t>{2, 3});
  CHECK(file.shape("steps").empty());
  CHECK(file.read<int>("steps") == std::vector<int>{7});
  CHECK(file.type("flags") == DataType::BOOL);
  CHECK(file.read<int>("flags") == std::vector<int>{1, 0, 1});
  CHECK(file.shape("empty") == std::vector<std::int64_t>{4, 0});
  CHECK(file.read<float>("empty").empty());
  CHECK(file.type("half") == DataType::F16);
  CHECK(file.read<float>("half") == weights);
  CHECK(file.type("") == DataType::F32);
  CHECK(file.read<double>(odd) == std::vector<double>{1, 2, 3, 4, 5, 6});

  std::vector<float> destination(6);
  file.read<float>("weights", destination);
  CHECK(destination == weights);
}

TEST_CASE("a file that is in memory is the same, and may go when it has been read") {
  const TemporaryFolder folder;
  const std::vector<float> values = {1, 2, 3};
  SafetensorsWriter writer;
  writer.add<float>("t", {3}, values);
  writer.set_metadata("network", "any");
  writer.add_checksum();
  writer.write(folder.path / "file");
  const SafetensorsFile on_disk(folder.path / "file");
  std::string bytes = content(folder.path / "file");
  const SafetensorsFile file = in_memory(bytes, "name");
  bytes.assign(bytes.size(), 'x');
  CHECK(file.names() == on_disk.names());
  CHECK(file.metadata() == on_disk.metadata());
  CHECK(file.read<float>("t") == values);
  CHECK(file.checksum_fits());
  CHECK(file.content_hash() == file.metadata().at("checksum"));
  CHECK(file_error("name", [&] { file.read<float>("u"); }) == "name: has no tensor 'u'");
}

TEST_CASE("a file without tensors is a file") {
  const TemporaryFolder folder;
  SafetensorsWriter().write(folder.path / "file");
  CHECK(content(folder.path / "file") == with_header("{}      "));
  const SafetensorsFile file(folder.path / "file");
  CHECK(file.names().empty());
  CHECK(file.metadata().empty());
}

TEST_CASE("the bytes are those of the format, and the same whatever the order of adding") {
  const std::vector<std::uint8_t> bytes = {1, 2, 3};
  const std::vector<std::uint16_t> words = {0x0504};
  const std::vector<float> floats = {1.0f};
  const std::string expected = with_header(
      R"({"__metadata__":{"k":"v"},"b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},)"
      R"("c":{"dtype":"F32","shape":[],"data_offsets":[4,8]},"z":{"dtype":"U16","shape":[1],"data_offsets":[8,10]},)"
      R"("a":{"dtype":"U8","shape":[3,1],"data_offsets":[10,13]}}       )",
      std::string("\0\0\x80\x3F\0\0\x80\x3F\4\5\1\2\3", 13));
  const TemporaryFolder folder;
  for (const bool reversed : {false, true}) {
    SafetensorsWriter writer;
    if (reversed) writer.set_metadata("k", "v");
    if (reversed) writer.add<std::uint16_t>("z", {1}, words);
    if (reversed) writer.add<float>("c", {}, floats);
    writer.add<std::uint8_t>("a", {3, 1}, bytes);
    writer.add<float>("b", {1}, floats);
    if (!reversed) writer.add<float>("c", {}, floats);
    if (!reversed) writer.add<std::uint16_t>("z", {1}, words);
    if (!reversed) writer.set_metadata("k", "v");
    writer.write(folder.path / "file");
    CHECK(content(folder.path / "file") == expected);
  }
  CHECK(expected.size() % 8 == 13 % 8);
}

TEST_CASE("files of other writers: spaces, escapes, any order, tensors at odd addresses") {
  const TemporaryFolder folder;
  const fs::path path = folder.path / "file";
  write(path, with_header("{ \"u\\u0041\" : {\"data_offsets\":[1, 5] ,\"shape\": [ 1 ],\"dtype\":\"F32\"},\n"
                          "\"b\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},"
                          "\"z\":{\"dtype\":\"I64\",\"shape\":[0,9],\"data_offsets\":[1,1]},\"__metadata__\":{}} \n\t",
                          std::string("\7\0\0\x80\x3F", 5)));
  const SafetensorsFile file(path);
  CHECK(file.read<float>("uA") == std::vector<float>{1.0f});
  CHECK(file.read<int>("b") == std::vector<int>{7});
  CHECK(file.read<int>("z").empty());
}

TEST_CASE("floating types convert to each other") {
  const TemporaryFolder folder;
  const fs::path path = folder.path / "file";
  const std::vector<double> values = {0.1, 1e300, -2};
  SafetensorsWriter writer;
  writer.add<double>("t", {3}, values);
  writer.write(path);
  CHECK(SafetensorsFile(path).read<float>("t") == std::vector<float>{0.1f, Limits<float>::infinity(), -2});

  write(path, with_header(R"({"h":{"dtype":"F16","shape":[2],"data_offsets":[0,4]},)"
                          R"("b":{"dtype":"BF16","shape":[2],"data_offsets":[4,8]}})",
                          std::string("\x00\x3C\x55\xB5\x80\x3F\x49\xC0", 8)));
  const SafetensorsFile file(path);
  CHECK(file.read<float>("h") == std::vector<float>{1.0f, -0.333251953125f});
  CHECK(file.read<double>("h") == std::vector<double>{1.0, -0.333251953125});
  CHECK(file.read<float>("b") == std::vector<float>{1.0f, -3.140625f});
  CHECK(file.read<double>("b") == std::vector<double>{1.0, -3.140625});
}

TEST_CASE("reading what is not there, does not fit or is of another kind is an error") {
  const TemporaryFolder folder;
  const fs::path path = folder.path / "file";
  const std::vector<std::int64_t> integers = {-129, 70'000};
  const std::vector<float> floats = {1, 2};
  SafetensorsWriter writer;
  writer.add<std::int64_t>("integers", {2}, integers);
  writer.add<float>("floats", {2}, floats);
  writer.write(path);
  const SafetensorsFile file(path);
  const auto error = [&](auto action) { return file_error(path, action); };

  CHECK(error([&] { file.read<float>("other"); }).ends_with("has no tensor 'other'"));
  CHECK(error([&] { file.shape("a\nb"); }).ends_with("has no tensor 'a\\x0ab'"));
  CHECK(error([&] { file.type("other"); }).ends_with("has no tensor 'other'"));
  CHECK(error([&] { file.read<int>("floats"); }).ends_with("tensor 'floats' holds F32 (expected integers)"));
  CHECK(error([&] {
          file.read<double>("integers");
        }).ends_with("tensor 'integers' holds I64 (expected floating numbers)"));
  CHECK(error([&] { file.read<std::int8_t>("integers"); }).ends_with("holds -129 (expected what fits I8)"));
  CHECK(error([&] { file.read<std::uint32_t>("integers"); }).ends_with("holds -129 (expected what fits U32)"));
  CHECK(error([&] { file.read<std::int16_t>("integers"); }).ends_with("holds 70000 (expected what fits I16)"));
  CHECK(file.read<std::int32_t>("integers") == std::vector<std::int32_t>{-129, 70'000});
  std::vector<float> three(3);
  CHECK(error([&] { file.read<float>("floats", three); }).ends_with("has 2 elements (expected 3)"));

  write(path, with_entry(R"("dtype":"BOOL","shape":[1],"data_offsets":[0,1])", 0) + "\2");
  const SafetensorsFile bools(path);
  CHECK(error([&] { bools.read<int>("t"); }).ends_with("holds 2 (expected 0 or 1 in a BOOL tensor)"));
}

TEST_CASE("the writer refuses what it cannot store") {
  const TemporaryFolder folder;
  const std::vector<float> values = {1, 2};
  SafetensorsWriter writer;
  const auto add = [&](std::string name, std::vector<std::int64_t> shape) {
    writer.add<float>(std::move(name), std::move(shape), values);
  };
  add("t", {2});
  CHECK_THROWS_AS(add("t", {2}), dvd::ArgumentError);
  CHECK_THROWS_AS(add("u", {3}), dvd::ArgumentError);
  CHECK_THROWS_AS(add("u", {}), dvd::ArgumentError);
  CHECK_THROWS_AS(add("u", {-1, -2}), dvd::ArgumentError);
  CHECK_THROWS_AS(add("u", {std::int64_t{1} << 32, std::int64_t{1} << 32, 2}), dvd::ArgumentError);
  CHECK_THROWS_AS(add("u", std::vector<std::int64_t>(65, 1)), dvd::ArgumentError);
  CHECK_THROWS_AS(add("__metadata__", {2}), dvd::ArgumentError);
  for (const std::string bad : {"\xFF", "\xC0\x80", "\xE4\xB8", "\xED\xA0\x80", "\xF4\x90\x80\x80"}) {
    CHECK_THROWS_AS(add(bad, {2}), dvd::ArgumentError);
    CHECK_THROWS_AS(writer.set_metadata(bad, "v"), dvd::ArgumentError);
    CHECK_THROWS_AS(writer.set_metadata("k", bad), dvd::ArgumentError);
  }
  CHECK_THROWS_AS(writer.add("u", {2}, values, DataType::I32), dvd::ArgumentError);
  CHECK_THROWS_AS(writer.add("u", {3}, values, DataType::F16), dvd::ArgumentError);
  writer.write(folder.path / "file");
  CHECK(SafetensorsFile(folder.path / "file").names() == std::vector<std::string>{"t"});
  CHECK_THROWS_AS(writer.write(folder.path / "missing" / "file"), dvd::FileError);
}

TEST_CASE("what is not a file of tensors is refused") {
  const TemporaryFolder folder;
  const auto refused = [](const fs::path& path) { return file_error(path, [&] { SafetensorsFile file(path); }); };
  CHECK(refused(folder.path / "missing").ends_with("cannot be opened (No such file or directory)"));
  CHECK(refused(folder.path).ends_with("is not a regular file (expected a safetensors file)"));
  CHECK(refused("/dev/zero").ends_with("is not a regular file (expected a safetensors file)"));
  REQUIRE(::mkfifo((folder.path / "pipe").c_str(), 0600) == 0);
  CHECK(refused(folder.path / "pipe").ends_with("is not a regular file (expected a safetensors file)"));
  write(folder.path / "file", "text");
  CHECK(refused(folder.path / "file" / "below").ends_with("cannot be opened (Not a directory)"));
}

TEST_CASE("a header of the wrong length is refused") {
  CHECK_REFUSED("", "has 0 bytes (expected at least 8");
  CHECK_REFUSED("1234567", "has 7 bytes (expected at least 8");
  CHECK_REFUSED(std::string(8, '\0'), "expected it to begin with '{'");
  CHECK_REFUSED(std::string(8, '\xFF') + "{}", "its header would have 18446744073709551615 bytes and it has 2");
  CHECK_REFUSED(with_header("{}").substr(0, 9), "its header would have 2 bytes and it has 1");

  // A sparse file larger than the longest header: refused for the header's length alone.
  const TemporaryFolder folder;
  const fs::path path = folder.path / "file";
  write(path, std::string("\x01\xE1\xF5\x05\0\0\0\0", 8));  // 100,000,001
  fs::resize_file(path, 200'000'000);
  const std::string message = file_error(path, [&] { SafetensorsFile file(path); });
  CHECK(message.find("nor than 100000000") != message.npos);
}

TEST_CASE("a header that is not the JSON the format wants is refused") {
  CHECK_REFUSED(with_header("[]"), "expected it to begin with '{'");
  CHECK_REFUSED(with_header(" {}"), "expected it to begin with '{'");
  CHECK_REFUSED(with_header("\xEF\xBB\xBF{}"), "expected it to begin with '{'");
  CHECK_REFUSED(with_header("null"), "expected it to begin with '{'");
  CHECK_REFUSED(with_header("{"), "not valid JSON (near its byte");
  CHECK_REFUSED(with_header("{} x"), "not valid JSON (near its byte");
  CHECK_REFUSED(with_header("{}{}"), "not valid JSON (near its byte");
  CHECK_REFUSED(with_header("{,}"), "not valid JSON (near its byte");
  CHECK_REFUSED(with_header("{/**/}"), "not valid JSON (near its byte");
  CHECK_REFUSED(with_header("{\"\n\":1}"), "not valid JSON (near its byte");
  CHECK_REFUSED(with_header("{\"\xFF\":{}}"), "not valid JSON (near its byte");
  CHECK_REFUSED(with_header("{\"\\ud800\":{}}"), "not valid JSON (near its byte");
  CHECK_REFUSED(with_header(std::string("{}\0\0", 4)), "holds a zero byte");
  for (const std::string value : {"null", "true", "1", "-1", "1.5", "\"s\"", "[]"})
    CHECK_REFUSED(with_header("{\"t\":" + value + "}"), "at 't' (expected an object)");
}

TEST_CASE("names given twice are refused") {
  const std::string entry = R"({"dtype":"U8","shape":[0],"data_offsets":[0,0]})";
  CHECK_REFUSED(with_header("{\"a\":" + entry + ",\"b\":" + entry + ",\"a\":" + entry + "}"), "names 'a' twice");
  CHECK_REFUSED(with_header("{\"a\":" + entry + ",\"\\u0061\":" + entry + "}"), "names 'a' twice");
  CHECK_REFUSED(with_header(R"({"__metadata__":{},"__metadata__":{}})"), "names '__metadata__' twice");
  CHECK_REFUSED(with_header(R"({"__metadata__":{"k":"1","k":"1"}})"), "the metadata name 'k' twice");
  CHECK_REFUSED(with_entry(R"("dtype":"U8","dtype":"U8","shape":[0],"data_offsets":[0,0])", 0), "has dtype twice");
  CHECK_REFUSED(with_entry(R"("shape":[],"shape":[])", 0), "has shape twice");
  CHECK_REFUSED(with_entry(R"("data_offsets":[0,0],"data_offsets":[0,0])", 0), "has data_offsets twice");
}

TEST_CASE("metadata that do not map strings to strings are refused") {
  for (const std::string value : {"null", "true", "1", "-1", "1.5", "[]", "{}"})
    CHECK_REFUSED(with_header("{\"__metadata__\":{\"k\":" + value + "}}"), "at 'k' (expected a string)");
  for (const std::string value : {"null", "\"s\"", "[]"})
    CHECK_REFUSED(with_header("{\"__metadata__\":" + value + "}"), "at '__metadata__' (expected an object)");
}

TEST_CASE("deep nesting is refused without following it") {
  const std::string deep(2'000'000, '[');
  CHECK_REFUSED(with_header("{\"t\":" + deep), "expected an object");
  CHECK_REFUSED(with_header("{\"t\":{\"shape\":" + deep), "has an array in its shape");
  CHECK_REFUSED(with_header("{\"__metadata__\":{\"k\":" + deep), "expected a string");
  std::string objects;
  for (int i = 0; i < 200'000; ++i) objects += "{\"t\":";
  CHECK_REFUSED(with_header(objects), "has an unknown key 't'");
}

TEST_CASE("an entry that does not describe a tensor is refused") {
  CHECK_REFUSED(with_entry("", 0), "tensor 't' is incomplete");
  CHECK_REFUSED(with_entry(R"("shape":[0],"data_offsets":[0,0])", 0), "is incomplete");
  CHECK_REFUSED(with_entry(R"("dtype":"U8","data_offsets":[0,0])", 0), "is incomplete");
  CHECK_REFUSED(with_entry(R"("dtype":"U8","shape":[0])", 0), "is incomplete");
  CHECK_REFUSED(with_entry(R"("type":"U8")", 0), "has an unknown key 'type'");
  CHECK_REFUSED(with_entry(R"("dtype":"f32")", 0), "has an unknown dtype 'f32'");
  CHECK_REFUSED(with_entry(R"("dtype":"")", 0), "has an unknown dtype ''");
  for (const std::string value : {"null", "true", "1", "[]", "{}"})
    CHECK_REFUSED(with_entry("\"dtype\":" + value, 0), "in its dtype (expected a string)");
  for (const std::string key : {"shape", "data_offsets"}) {
    const auto refuses = [&](const std::string& value, const std::string& reason) {
      CHECK_REFUSED(with_entry("\"" + key + "\":" + value, 0), reason);
    };
    for (const std::string value : {"null", "true", "1", "\"s\"", "{}"})
      refuses(value, "in its " + key + " (expected an array of integers from 0)");
    refuses("[null]", "has null");
    refuses("[\"1\"]", "has a string");
    refuses("[{}]", "has an object");
    refuses("[[1]]", "has an array");
    refuses("[-1]", "has a negative number");
    refuses("[1.5]", "has a number that is not a 64-bit integer");
    refuses("[1e2]", "has a number that is not a 64-bit integer");
    refuses("[18446744073709551616]", "has a number that is not a 64-bit integer");
    refuses("[1e999]", "not valid JSON");
    refuses("[NaN]", "not valid JSON");
    refuses("[9223372036854775808]", "has 9223372036854775808 in its " + key);
    std::string many = "[1";
    for (int i = 0; i < 64; ++i) many += ",1";
    refuses(many + "]", "has more than 64 numbers");
  }
}

TEST_CASE("shapes, types and offsets that contradict each other are refused") {
  CHECK_REFUSED(with_entry(R"("dtype":"U8","shape":[1],"data_offsets":[0])", 1), "has 1 data_offsets");
  CHECK_REFUSED(with_entry(R"("dtype":"U8","shape":[1],"data_offsets":[0,1,1])", 1), "has 3 data_offsets");
  CHECK_REFUSED(with_entry(R"("dtype":"U8","shape":[1],"data_offsets":[1,0])", 1), "(expected begin <= end)");
  CHECK_REFUSED(with_entry(R"("dtype":"U8","shape":[2],"data_offsets":[0,2])", 1), "(expected at most 1, the bytes");
  CHECK_REFUSED(with_entry(R"("dtype":"U8","shape":[9223372036854775807],"data_offsets":[0,9223372036854775807])", 1),
                "(expected at most 1, the bytes");
  CHECK_REFUSED(with_entry(R"("dtype":"F32","shape":[2],"data_offsets":[0,4])", 4), "expected 2 elements of 4 bytes");
  CHECK_REFUSED(with_entry(R"("dtype":"F32","shape":[1],"data_offsets":[0,7])", 7), "expected 1 elements of 4 bytes");
  CHECK_REFUSED(with_entry(R"("dtype":"F32","shape":[],"data_offsets":[0,0])", 0), "expected 1 elements of 4 bytes");
  CHECK_REFUSED(with_entry(R"("dtype":"F64","shape":[2305843009213693952],"data_offsets":[0,0])", 0), "elements of 8");
  CHECK_REFUSED(with_entry(R"("dtype":"U8","shape":[4294967296,4294967296],"data_offsets":[0,0])", 0),
                "product is too large");
}

TEST_CASE("tensors that do not tile the data are refused") {
  const auto two = [](std::string_view first, std::string_view second, std::size_t size) {
    return with_header(dvd::concat(R"({"a":{"dtype":"U8","shape":[2],"data_offsets":)", first,
                                   R"(},"b":{"dtype":"U8","shape":[2],"data_offsets":)", second, "}}"),
                       std::string(size, '\1'));
  };
  CHECK(refusal(two("[2,4]", "[0,2]", 4)) == "no error");
  CHECK_REFUSED(two("[0,2]", "[1,3]", 4), "tensor 'b' begins at 1 (expected 2: tensors follow each other without ov");
  CHECK_REFUSED(two("[0,2]", "[0,2]", 2), "without overlap");
  CHECK_REFUSED(two("[0,2]", "[3,5]", 5), "tensor 'b' begins at 3 (expected 2: tensors follow each other without ho");
  CHECK_REFUSED(two("[3,5]", "[1,3]", 5), "tensor 'b' begins at 1 (expected 0: tensors follow each other without ho");
  CHECK_REFUSED(two("[0,2]", "[2,4]", 5), "the tensors end at 4 (expected 5");
  CHECK_REFUSED(with_header("{}", "x"), "the tensors end at 0 (expected 1");
}

TEST_CASE("names out of bad files are shown escaped and shortened") {
  CHECK_REFUSED(with_header("{\"a\\nb\\u001b\\u2028\":1}"), "at 'a\\x0ab\\x1b\\xe2\\x80\\xa8' (expected");
  CHECK_REFUSED(with_header("{\"" + std::string(100'000, 'n') + "\":1}"), std::string(60, 'n') + "...'");
  CHECK_REFUSED(with_entry("\"dtype\":\"" + std::string(100'000, '\x7F') + "\"", 0), "\\x7f...'");
}

TEST_CASE("a file that changes while it is read is refused or read whole") {
  const TemporaryFolder folder;
  const fs::path path = folder.path / "file";
  const std::vector<std::uint8_t> values(1'000'000, 1);
  SafetensorsWriter writer;
  writer.add<std::uint8_t>("t", {1'000'000}, values);
  writer.write(path);
  const std::uintmax_t size = fs::file_size(path);
  std::atomic<bool> done = false;
  std::thread changer([&] {
    while (!done)
      for (const std::uintmax_t other : {size / 2, size + 1, size}) fs::resize_file(path, other);
  });
  for (int i = 0; i < 200; ++i) {
    const std::string message = file_error(path, [&] { SafetensorsFile(path).read<int>("t"); });
    CHECK_FALSE(message.empty());
  }
  done = true;
  changer.join();

  dvd::detail::Descriptor file;
  REQUIRE(file.open(path, O_RDONLY));
  std::vector<std::byte> more(size + 10);
  CHECK(dvd::detail::read_all(file.number(), more) == size);
}

TEST_CASE("half precision: all 65536 numbers, and every boundary between two of them") {
  for (std::uint32_t bits = 0; bits < 65536; ++bits) {
    const auto half = static_cast<std::uint16_t>(bits);
    const float value = dvd::half_to_float(half);
    const std::uint32_t exponent = bits >> 10 & 31, fraction = bits & 1023;
    const double sign = (bits & 0x8000) != 0 ? -1 : 1;
    if (exponent == 31 && fraction != 0) {
      REQUIRE(std::isnan(value));
      const std::uint16_t back = dvd::float_to_half(value);
      REQUIRE(((back & 0xFC00) == (bits & 0xFC00) && (back & 1023) != 0));
      continue;
    }
    // The definition: sign * 2^(exponent - 15) * 1.fraction, or * 2^-14 * 0.fraction for the exponent 0.
    const double expected = exponent == 31  ? Limits<double>::infinity()
                            : exponent == 0 ? std::ldexp(fraction, -24)
                                            : std::ldexp(1024 + fraction, static_cast<int>(exponent) - 25);
    REQUIRE(value == sign * expected);
    REQUIRE(std::signbit(value) == (sign < 0));
    REQUIRE(dvd::float_to_half(value) == half);

    if (exponent == 31) continue;
    // The middle between this number and the next, 65536 following 65504, is a float: it goes to the even one.
    const bool last = (bits & 0x7FFF) == 0x7BFF;
    const double next = last ? sign * 65536.0 : dvd::half_to_float(static_cast<std::uint16_t>(bits + 1));
    const auto middle = static_cast<float>((value + next) / 2);
    const auto above = static_cast<std::uint16_t>(bits + 1);
    REQUIRE(dvd::float_to_half(middle) == (bits % 2 == 0 ? half : above));
    REQUIRE(dvd::float_to_half(std::nextafter(middle, value)) == half);
    REQUIRE(dvd::float_to_half(std::nextafter(middle, static_cast<float>(next))) == above);
  }
  CHECK(dvd::float_to_half(1e30f) == 0x7C00);
  CHECK(dvd::float_to_half(-Limits<float>::max()) == 0xFC00);
  CHECK(dvd::float_to_half(-1e-40f) == 0x8000);
}

TEST_CASE("bfloat16: all 65536 numbers are the upper halves of floats") {
  for (std::uint32_t bits = 0; bits < 65536; ++bits) {
    const float value = dvd::bfloat16_to_float(static_cast<std::uint16_t>(bits));
    REQUIRE(std::bit_cast<std::uint32_t>(value) == bits << 16);
  }
}

TEST_CASE("mutated files are read or refused, nothing else") {
  const TemporaryFolder folder;
  const fs::path path = folder.path / "file";
  const std::vector<float> floats = {1, 2, 3, 4, 5, 6};
  const std::vector<std::int64_t> integers = {-1, 1'000'000'000'000};
  const std::array<bool, 3> flags = {true, false, true};
  SafetensorsWriter writer;
  writer.add<float>("floats", {2, 3}, floats);
  writer.add("half", {6}, floats, DataType::F16);
  writer.add<std::int64_t>("integers", {2}, integers);
  writer.add<bool>("flags", {3}, flags);
  writer.set_metadata("format", "dvd");
  writer.write(path);
  const std::string valid = content(path);
  const std::vector<std::string> splices = {
      "{",      "}",        "[",   "]",    "\"",         ",",    ":",    "0",  "-",   "1e9",        "null",
      "999999", "\"a\":{}", "\\u", "\xC3", "\"dtype\":", "[[[[", "true", "\n", "F64", "4294967296", "__metadata__"};

  int read = 0, refused = 0;
  for (std::uint64_t round = 0; round < 6000; ++round) {
    const dvd::Random random = dvd::Random(20).stream(round);
    std::uint64_t drawn = 0;
    const auto below = [&](std::size_t count) {
      return static_cast<std::size_t>(random.below(drawn++, static_cast<std::int64_t>(count)));
    };
    std::string bytes = valid;
    const std::size_t mutations = 1 + below(3);
    for (std::size_t i = 0; i < mutations && bytes.size() > 8; ++i) {
      const std::size_t place = below(bytes.size());
      std::uint64_t header_size = 0;
      std::memcpy(&header_size, bytes.data(), 8);
      switch (below(5)) {
        case 0:  // flip a bit
          bytes[place] = static_cast<char>(bytes[place] ^ 1 << below(8));
          break;
        case 1:  // cut the end off
          bytes.resize(place);
          break;
        case 2:  // another header length
          header_size += below(64) - 32;
          std::memcpy(bytes.data(), &header_size, 8);
          break;
        case 3:  // another character in the header
          bytes[8 + below(std::min<std::size_t>(bytes.size() - 8, 300))] = "0123456789{}[]\",:"[below(17)];
          break;
        default: {  // a splice into the header, whose length then is right
          const std::string& splice = splices[below(splices.size())];
          const std::size_t at = 8 + below(std::min<std::size_t>(bytes.size() - 8, 300));
          const std::size_t before = bytes.size();
          bytes.replace(at, std::min(below(8), before - at), splice);
          header_size += bytes.size() - before;
          std::memcpy(bytes.data(), &header_size, 8);
        }
      }
    }
    write(path, bytes);
    CAPTURE(round);
    CHECK((file_error(path, [&] { in_memory(bytes, path); }) == "no error") ==
          (file_error(path, [&] { SafetensorsFile file(path); }) == "no error"));
    try {
      const SafetensorsFile file(path);
      for (const std::string& name : file.names()) {
        file_error(path, [&] { file.read<float>(name); });
        file_error(path, [&] { file.read<std::uint8_t>(name); });
        file_error(path, [&] { file.read<std::int64_t>(name); });
      }
      ++read;
    } catch (const dvd::FileError& error) {
      REQUIRE_MESSAGE(is_message(error.what(), path), error.what());
      ++refused;
    }
  }
  CHECK(read > 100);
  CHECK(refused > 3000);
}

}  // namespace
