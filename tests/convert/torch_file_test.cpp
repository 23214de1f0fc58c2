// PyTorch's files, as they are and as they should not be.
#include <doctest/doctest.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "dvd/convert/open_foreign_file.hpp"
#include "dvd/core/bfloat16.hpp"
#include "support/error_of.hpp"
#include "support/foreign_files.hpp"
#include "support/temporary_folder.hpp"

using dvd::concat;
using namespace dvd::testing;

namespace {

const std::vector<float> six = {1, -2, 3.5, 4, 5, 6};

std::unique_ptr<dvd::ForeignFile> opened(const TemporaryFolder& folder, const std::string& bytes) {
  const auto path = folder.path() / "file.pt";
  write_text(path, bytes);
  return dvd::open_foreign_file(path);
}

// All that can be read, by names.
std::map<std::string, std::vector<float>> all_of(const std::string& bytes) {
  const TemporaryFolder folder;
  const auto file = opened(folder, bytes);
  std::map<std::string, std::vector<float>> all;
  for (std::size_t i = 0; i < file->tensors().size(); ++i) all[file->tensors()[i].name] = file->read(i);
  return all;
}

std::string refusal(const std::string& bytes) {
  return error_of([&] { all_of(bytes); });
}

// A file whose pickle is this, with a storage of six floats.
std::string with_pickle(const std::string& pickle) { return torch_zip_bytes(pickle, {bytes_of(six)}); }
std::string pickle_refusal(const PickleWriter& pickle) { return refusal(with_pickle(pickle.bytes)); }

// A dictionary {"w": what follows}.
PickleWriter entry_w() {
  PickleWriter pickle;
  pickle.add("}").text("w");
  return pickle;
}

std::vector<TorchTensor> of_all_types() {
  std::vector<std::uint16_t> halves, brains;
  for (const float value : six) {
    halves.push_back(dvd::float_to_half(value));
    brains.push_back(dvd::bfloat16(value).bits());
  }
  return {{"a.weight", {2, 3}, bytes_of(six)},
          {"b", {6}, bytes_of(std::vector<double>(six.begin(), six.end())), "DoubleStorage", 8},
          {"c", {1, 6, 1}, bytes_of(halves), "HalfStorage", 2},
          {"d", {3, 2}, bytes_of(brains), "BFloat16Storage", 2},
          {"empty", {0, 4}, ""}};
}

}  // namespace

TEST_CASE("a state dict is read, of any floating type, in the new format and in the old one") {
  const std::map<std::string, std::vector<float>> expected = {
      {"a.weight", six}, {"b", six}, {"c", six}, {"d", six}, {"empty", {}}};
  CHECK(all_of(torch_zip_bytes(of_all_types())) == expected);
  CHECK(all_of(torch_legacy_bytes(of_all_types())) == expected);
  const TemporaryFolder folder;
  CHECK(opened(folder, torch_zip_bytes(of_all_types()))->format() == "PyTorch state dict (torch.save)");
  CHECK(holds(opened(folder, torch_legacy_bytes(of_all_types()))->format(), "before PyTorch 1.6"));
}

TEST_CASE("a state dict within a checkpoint is read alone, and what lies beside it is told of") {
  PickleWriter before;
  before.bytes.clear();
  before.add("}(").text("epoch").integer(7).text("optimizer").add("}").text("state_dict");
  const TemporaryFolder folder;
  const auto file = opened(
      folder, torch_zip_bytes(state_dict_pickle({{"w", {6}, bytes_of(six)}}, before.bytes, "u"), {bytes_of(six)}));
  REQUIRE(file->tensors().size() == 1);
  CHECK(file->tensors()[0].name == "w");
  CHECK(file->read(0) == six);
  CHECK(file->remarks() == std::vector<std::string>{"'epoch', which lies beside 'state_dict'",
                                                    "'optimizer', which lies beside 'state_dict'"});
}

TEST_CASE("tensors share storages and lie in them at strides") {
  PickleWriter pickle;
  pickle.add("}(").text("all").tensor("FloatStorage", "0", 6, 0, {2, 3}, {3, 1});
  pickle.text("transposed").tensor("FloatStorage", "0", 6, 0, {3, 2}, {1, 3});
  pickle.text("part").tensor("FloatStorage", "0", 6, 1, {2}, {3});
  pickle.text("same").tensor("FloatStorage", "0", 6, 5, {2, 2}, {0, 0});
  pickle.text("parameter").global("torch._utils", "_rebuild_parameter").add("(");
  pickle.tensor("FloatStorage", "0", 6, 2, {}, {}).add("\x88").global("collections", "OrderedDict").add(")RtR");
  pickle.add("u.");
  CHECK(all_of(with_pickle(pickle.bytes)) ==
        std::map<std::string, std::vector<float>>{{"all", six},
                                                  {"transposed", {1, 4, -2, 5, 3.5, 6}},
                                                  {"part", {-2, 5}},
                                                  {"same", {6, 6, 6, 6}},
                                                  {"parameter", {3.5}}});
}

TEST_CASE("a TorchScript archive is read by the names of its attributes") {
  PickleWriter pickle;
  pickle.global("__torch__.net.Net", "Net").add(")\x81q\x01}(").text("training").add("\x89").text("sizes");
  pickle.global("torch.jit._pickle", "build_intlist").add("](").integer(1).integer(300).integer(-70000).add("e\x85R");
  pickle.text("unit").global("__torch__.torch.nn.modules.conv", "Conv3d").add(")\x81}(").text("weight");
  pickle.tensor("FloatStorage", "0", 6, 0, {6}, {1}).text("bias").add("N").text("eps").add("G\x3f\x50");
  pickle.add("\x62\x4d\xd2\xf1\xa9\xfc").add("ubub.");
  const std::string bytes = torch_zip_bytes(pickle.bytes, {bytes_of(six)}, "net/");
  CHECK(all_of(bytes) == std::map<std::string, std::vector<float>>{{"unit.weight", six}});
  const TemporaryFolder folder;
  CHECK(opened(folder, bytes)->format() == "TorchScript archive (torch.jit.save)");
}

TEST_CASE("what Python 2 and newer protocols write is read, too") {
  PickleWriter old;  // an OrderedDict of pairs, texts of bytes
  old.global("collections", "OrderedDict").add("]]").add("U\x01w");
  old.tensor("FloatStorage", "0", 6, 0, {6}, {1});
  old.bytes.insert(old.bytes.find("]U") + 1, "(");
  old.add("ea\x85R.");
  CHECK(all_of(with_pickle(old.bytes))["w"] == six);
  PickleWriter newer;
  newer.bytes = std::string("\x80\x04\x95") + bytes_of(std::uint64_t{1000});
  newer.add("}\x94\x8c\x01w\x94\x8c\x0ctorch._utils\x94\x8c\x12_rebuild_tensor_v2\x94\x93\x94((\x8c\x07storage\x94");
  newer
      .add(
          "\x8c\x05torch\x94\x8c\x0c"
          "FloatStorage\x94\x93\x94\x8c\x01")
      .add("0")
      .add(
          "\x94\x8c\x03"
          "cpu\x94K\x06t\x94Q");
  newer.add("K").add(std::string(1, '\0')).add("K\x06\x85\x94K\x01\x85\x94\x89}\x94t\x94R\x94s.");
  CHECK(all_of(with_pickle(newer.bytes))["w"] == six);
}

TEST_CASE("a pickle that would run something is refused by name, and nothing is run") {
  const TemporaryFolder folder;
  const std::string command = "touch " + (folder.path() / "ran").string();
  CHECK(holds(pickle_refusal(entry_w().global("posix", "system").add("(").text(command).add("tRs.")),
              "names 'posix.system', which is none of what weights are made of; nothing in it was executed"));
  for (const auto& [module, name] :
       std::vector<std::pair<std::string, std::string>>{{"builtins", "eval"},
                                                        {"__builtin__", "getattr"},
                                                        {"torch", "load"},
                                                        {"torch.hub", "load"},
                                                        {"torch.nn.modules.conv", "Conv3d"},
                                                        {"numpy.core.multiarray", "scalar"},
                                                        {"collections", "defaultdict"},
                                                        {"os\nsystem", "x"},
                                                        {"__main__", "I3D"},
                                                        {"torch.storage", "_load_from_bytes"}})
    CHECK(holds(pickle_refusal(entry_w().global(module, name).add(")Rs.")), "nothing in it was executed"));
  CHECK(holds(pickle_refusal(entry_w().add("\x8c\x05posix\x8c\x06system\x93)Rs.")), "names 'posix.system'"));
  CHECK(holds(pickle_refusal(entry_w().add("cposix\nsystem")), "a line does not end"));
  CHECK(holds(pickle_refusal(entry_w().add("(S'true'\niposix\nsystem\n.")), "has the instruction 83"));
  CHECK(holds(pickle_refusal(entry_w().add("\x82\x01s.")), "has the instruction 130"));
  CHECK(holds(pickle_refusal(entry_w().global("__torch__.x", "Y").add(")Rs.")), "calls '__torch__.x.Y' in an unknown"));
  CHECK(holds(pickle_refusal(entry_w().global("collections", "OrderedDict").add(")\x81s.")), "makes an object of"));
  CHECK(holds(pickle_refusal(entry_w().global("torch", "FloatStorage").add(")Rs.")), "calls 'torch.FloatStorage'"));
  CHECK(!std::filesystem::exists(folder.path() / "ran"));
}

TEST_CASE("a pickle that is damaged is refused in words") {
  const auto raw = [](const std::string& bytes) { return refusal(with_pickle(bytes)); };
  CHECK(holds(raw(""), "is cut short"));
  CHECK(holds(raw("\x80\x02"), "is cut short"));
  CHECK(holds(raw("\x80\x01}."), "is a pickle of protocol 1"));
  CHECK(holds(raw("\x80\x02N."), "holds None (expected a state dict)"));
  CHECK(holds(raw("\x80\x02}}."), "it ends with 2 values"));
  CHECK(holds(raw("\x80\x02}(."), "it ends with 1 values"));
  CHECK(holds(raw("\x80\x02}.}"), "goes on behind its end"));
  CHECK(holds(raw("\x80\x02s."), "an instruction lacks its values"));
  CHECK(holds(raw("\x80\x02}(s."), "an instruction lacks its values"));
  CHECK(holds(raw("\x80\x02u."), "an instruction lacks its mark"));
  CHECK(holds(raw("\x80\x02h\x05."), "it recalls value 5"));
  CHECK(holds(raw("\x80\x02]NNs."), "sets items of a list"));
  CHECK(holds(raw("\x80\x02}(NNNu."), "sets items of a dictionary"));
  CHECK(holds(raw("\x80\x02}Na."), "appends to a dictionary"));
  CHECK(holds(raw("\x80\x02}N}s."), "has a dictionary whose key is None"));
  CHECK(holds(raw("\x80\x02NNb."), "gives a state to None"));
  CHECK(holds(raw("\x80\x02N)R."), "calls None"));
  CHECK(holds(raw("\x80\x02NQ."), "makes a storage from None"));
  CHECK(holds(raw("\x80\x02)Q."), "refers to a storage in an unknown way"));
  CHECK(holds(raw("\x80\x02\x8a\x09"
                  "123456789."),
              "an integer of 9 bytes"));
  CHECK(holds(raw("\x80\x02X\xff\xff\xff\xff"
                  "abc."),
              "4294967295 bytes are wanted"));
  CHECK(holds(raw(std::string("\x80\x02\x8d") + bytes_of(~std::uint64_t{0}) + "abc."), "are left"));
  // Values within values, within themselves, and in more ways than can be counted.
  CHECK(holds(raw("\x80\x02" + std::string(100'000, ']') + std::string(99'999, 'a') + "."), "holds a list"));
  std::string deep = "\x80\x02";
  for (int i = 0; i < 50; ++i) deep += "}" + std::string("U\x01k");
  CHECK(holds(raw(deep + "}" + std::string(50, 's') + "."), "more than 32 deep"));
  CHECK(holds(raw("\x80\x02}q\x01U\x01kh\x01s."), "more than 32 deep"));
  std::string many = "\x80\x02}(";
  for (char i = 0; i < 30; ++i) {
    many += "U\x01k}";
    if (i > 0) many += concat("(U\x01", "ah", char(i - 1), "U\x01", "bh", char(i - 1), "u");
    many += concat("q", i);
  }
  CHECK(holds(raw(many + "u."), "holds more than 200000 values"));
  CHECK(holds(raw("\x80\x02" + std::string(3'000'000, 'N')), "has more than 1000000 instructions"));
  // A long list of what holds no tensors, many thousand times: 600 KB that would take hours to look through.
  std::string again = "\x80\x02}U\x01k](](" + std::string(300'000, 'N') + "eq\x01";
  for (int i = 0; i < 100'000; ++i) again += "h\x01";
  CHECK(holds(raw(again + "es."), "holds values again and again, more than 1000000 in all"));
}

TEST_CASE("a tensor that is wrong is refused in words") {
  const auto tensor = [](std::int64_t elements, std::int64_t offset, const std::vector<std::int64_t>& shape,
                         const std::vector<std::int64_t>& strides) {
    return pickle_refusal(entry_w().tensor("FloatStorage", "0", elements, offset, shape, strides).add("s."));
  };
  constexpr std::int64_t much = std::int64_t{1} << 62;
  CHECK(tensor(6, 0, {6}, {1}).empty());
  CHECK(holds(tensor(6, 1, {6}, {1}), "reaches beyond its storage of 6 elements"));
  CHECK(holds(tensor(6, -1, {6}, {1}), "reaches beyond its storage"));
  CHECK(holds(tensor(6, INT64_MAX, {6}, {1}), "reaches beyond its storage"));
  CHECK(holds(tensor(6, 0, {2, 3}, {4, 1}), "reaches beyond its storage"));
  CHECK(holds(tensor(6, 0, {-6}, {1}), "sizes and strides that cannot be"));
  CHECK(holds(tensor(6, 0, {6}, {-1}), "sizes and strides that cannot be"));
  CHECK(holds(tensor(6, 0, {6}, {1, 1}), "sizes and strides that cannot be"));
  CHECK(holds(tensor(6, 0, {much, 4}, {0, 0}), "sizes and strides that cannot be"));
  CHECK(holds(tensor(6, 0, {3, 3}, {much, much}), "sizes and strides that cannot be"));
  CHECK(holds(tensor(7, 0, {6}, {1}), "has a storage of 24 bytes for tensor 'w' (expected 7 elements of 4 bytes)"));
  CHECK(holds(tensor(much, 0, {6}, {1}), "has a storage of 24 bytes"));
  CHECK(holds(tensor(-1, 0, {6}, {1}), "has a storage of -1 elements"));
  CHECK(holds(tensor(6, 0, std::vector<std::int64_t>(65, 1), std::vector<std::int64_t>(65, 1)), "more than 64 axes"));
  CHECK(
      holds(pickle_refusal(entry_w().tensor("FloatStorage", "9", 6, 0, {6}, {1}).add("s.")), "lacks the storage '9'"));
  CHECK(holds(pickle_refusal(entry_w().tensor("LongStorage", "0", 3, 0, {3}, {1}).add("s.")),
              "tensor 'w' holds 'torch.LongStorage' (expected floating-point numbers)"));
  CHECK(holds(pickle_refusal(entry_w().tensor("QInt8Storage", "0", 3, 0, {3}, {1}).add("s.")), "QInt8Storage"));
  PickleWriter twice;
  twice.add("}(").text("w").tensor("FloatStorage", "0", 6, 0, {6}, {1});
  twice.text("w").tensor("FloatStorage", "0", 6, 0, {6}, {1}).add("u.");
  CHECK(holds(pickle_refusal(twice), "holds two tensors 'w'"));
  // What is repeated without end takes no memory until it is read, which nobody does who looks at its shape.
  const TemporaryFolder folder;
  const auto file = opened(
      folder, with_pickle(entry_w().tensor("FloatStorage", "0", 6, 0, {1 << 30, 1 << 20}, {0, 0}).add("s.").bytes));
  CHECK(file->tensors()[0].shape == std::vector<std::int64_t>{1 << 30, 1 << 20});
}

TEST_CASE("an archive that is wrong is refused in words") {
  const std::string pickle = state_dict_pickle({{"w", {6}, bytes_of(six)}});
  const auto with = [&](const std::vector<ZipEntry>& more) {
    std::vector<ZipEntry> entries = {{.name = "a/data.pkl", .data = pickle},
                                     {.name = "a/data/0", .data = bytes_of(six)}};
    entries.insert(entries.end(), more.begin(), more.end());
    return refusal(zip_bytes(entries));
  };
  CHECK(with({}).empty());
  CHECK(with({{.name = "a/byteorder", .data = "little"}, {.name = "a/.data/serialization_id", .data = "1"}}).empty());
  CHECK(holds(with({{.name = "a/byteorder", .data = "big"}}), "in the byte order 'big'"));
  CHECK(holds(with({{.name = "b/data.pkl", .data = pickle}}), "holds two files data.pkl"));
  // A pickle that would take much memory is not even unpacked.
  CHECK(holds(refusal(zip_bytes({{.name = "a/data.pkl", .data = std::string(17 << 20, 'N'), .deflated = true}})),
              "'a/data.pkl' has 17825792 bytes (expected at most 16777216)"));
  const std::string legacy = torch_legacy_bytes({{"w", {6}, bytes_of(six)}, {"v", {6}, bytes_of(six)}});
  CHECK(refusal(legacy).empty());
  CHECK(holds(refusal(legacy.substr(0, legacy.size() - 1)), "is cut short"));
  CHECK(holds(refusal(legacy + "x"), "goes on behind its last storage"));
  CHECK(holds(refusal("\x80\x02}."), "it is a pickle"));
  CHECK(holds(refusal("\x89HDF\r\n\x1a\n"), "it is HDF5"));
  CHECK(holds(refusal(""), "is in no format that is known here"));
  CHECK(holds(refusal("version https://git-lfs.github.com/spec/v1\n"), "pointer of Git LFS"));
  CHECK(holds(error_of([] { dvd::open_foreign_file("/no/such/file"); }), "cannot be opened"));
}
