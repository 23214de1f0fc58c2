// NumPy's files, as they are and as they should not be.
#include "dvd/convert/numpy_file.hpp"

#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <vector>

#include "dvd/convert/open_foreign_file.hpp"
#include "support/error_of.hpp"
#include "support/foreign_files.hpp"
#include "support/temporary_folder.hpp"

using namespace dvd::testing;

namespace {

const std::vector<float> six = {1, -2, 3.5, 4, 5, 6};

std::unique_ptr<dvd::ForeignFile> opened(const TemporaryFolder& folder, const std::string& bytes) {
  const auto path = folder.path() / "file";
  write_text(path, bytes);
  return dvd::open_foreign_file(path);
}

// What reading all of a file of these bytes says.
std::string refusal(const std::string& bytes) {
  const TemporaryFolder folder;
  return error_of([&] {
    const auto file = opened(folder, bytes);
    for (std::size_t i = 0; i < file->tensors().size(); ++i) file->read(i);
  });
}

std::string npy(const std::string& descr, const std::string& data) { return npy_bytes({2, 3}, data, descr); }

}  // namespace

TEST_CASE("an array is read whatever its floating type and order of axes") {
  const TemporaryFolder folder;
  const auto plain = opened(folder, npy("<f4", bytes_of(six)));
  CHECK(plain->format() == "NumPy array (npy)");
  REQUIRE(plain->tensors().size() == 1);
  CHECK(plain->tensors()[0].name == "array");
  CHECK(plain->tensors()[0].shape == std::vector<std::int64_t>{2, 3});
  CHECK(plain->read(0) == six);
  CHECK(opened(folder, npy("<f8", bytes_of(std::vector<double>(six.begin(), six.end()))))->read(0) == six);
  std::vector<std::uint16_t> halves;
  for (const float value : six) halves.push_back(dvd::float_to_half(value));
  CHECK(opened(folder, npy("<f2", bytes_of(halves)))->read(0) == six);
  const auto columns = opened(folder, npy_bytes({2, 3}, bytes_of(six), "<f4", true));
  CHECK(columns->read(0) == std::vector<float>{1, 3.5, 5, -2, 4, 6});
  // A number alone, an empty array, versions 2 and 3 with other words for the same.
  CHECK(opened(folder, npy_bytes({}, bytes_of(7.0f)))->read(0) == std::vector<float>{7});
  CHECK(opened(folder, npy_bytes({0, 3}, ""))->read(0).empty());
  for (const int version : {2, 3})
    CHECK(opened(folder, npy_with("{\"shape\":(6L,),'descr':'<f4','fortran_order':False}", bytes_of(six), version))
              ->read(0) == six);
}

TEST_CASE("an archive's arrays are read, stored or deflated, with sizes wherever zip has them") {
  const TemporaryFolder folder;
  const std::string array = npy("<f4", bytes_of(six));
  const auto file = opened(folder, zip_bytes({{.name = "conv1a/W.npy", .data = array},
                                              {.name = "deflated.npy", .data = array, .deflated = true},
                                              {.name = "large.npy", .data = array, .zip64 = true},
                                              {.name = "streamed.npy", .data = array, .descriptor = true},
                                              {.name = "folder/", .data = ""},
                                              {.name = "words.npy", .data = npy_bytes({1}, "abcd", "<U1")},
                                              {.name = "count.npy", .data = npy_bytes({1}, "abcdefgh", "<i8")},
                                              {.name = "read me.txt", .data = "text"}}));
  CHECK(file->format() == "NumPy archive (npz)");
  CHECK(file->tensors().size() == 6);
  for (std::size_t i = 0; i < file->tensors().size(); ++i) {
    const dvd::ForeignTensor& tensor = file->tensors()[i];
    CAPTURE(tensor.name);
    if (tensor.name == "words") {
      CHECK(!tensor.type);
      CHECK(holds(error_of([&] { file->read(i); }), "holds '<U1' (expected floating-point numbers)"));
    } else if (tensor.name == "count") {
      CHECK(holds(error_of([&] { file->read(i); }), "holds '<i8'"));
    } else {
      CHECK(file->read(i) == six);
    }
  }
  REQUIRE(file->remarks().size() == 1);
  CHECK(file->remarks()[0] == "the entry 'read me.txt', which is no array");
}

TEST_CASE("an array that is wrong is refused in words") {
  const auto header = [](const std::string& text) { return refusal(npy_with(text, bytes_of(six))); };
  CHECK(holds(header("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 4), }"),
              "has 24 bytes of elements (expected 8 elements of 4 bytes)"));
  CHECK(holds(header("{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904, 4), }"), "too large"));
  CHECK(holds(header("{'descr': '<f4', 'fortran_order': False, 'shape': (-2, 3), }"), "at '-2, 3), }"));
  CHECK(holds(header("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,), }"), "at '9999"));
  CHECK(holds(header("{'descr': '|O', 'fortran_order': False, 'shape': (2, 3), }"), "holds Python objects"));
  CHECK(holds(header("{'descr': '>f4', 'fortran_order': False, 'shape': (2, 3), }"), "big-endian"));
  CHECK(holds(header("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2, 3), }"), "holds records"));
  CHECK(holds(header("{'descr': '<f4', 'fortran_order': 0, 'shape': (2, 3), }"), "neither True nor False"));
  CHECK(holds(header("{'descr': '<f4', 'shape': (2, 3), }"), "without descr, fortran_order or shape"));
  CHECK(holds(header("{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }"), "'descr' twice"));
  CHECK(holds(header("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), 'x': 1}"), "an entry 'x'"));
  CHECK(holds(header("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3)} + f()"), "goes on behind"));
  CHECK(holds(header("__import__('os').system('true')"), "is no dictionary"));
  CHECK(holds(refusal(npy_with("{", "")), "is no dictionary"));
  std::string many = "{'descr': '<f4', 'fortran_order': False, 'shape': (";
  for (int i = 0; i < 65; ++i) many += "1, ";
  CHECK(holds(header(many + ")}"), "more than 64 axes"));
  const std::string array = npy("<f4", bytes_of(six));
  std::string other = array;
  other[6] = 9;
  CHECK(holds(refusal(other), "is in version 9 of NumPy's format"));
  other[6] = 2;
  CHECK(holds(refusal(other), "has a header of "));
  CHECK(holds(refusal(array.substr(0, 40)), "ends within its header"));
  CHECK(holds(refusal(array.substr(0, array.size() - 1)), "has 23 bytes of elements"));
  CHECK(holds(refusal(array + "x"), "has 25 bytes of elements"));
}

TEST_CASE("an archive that is wrong is refused in words") {
  const std::string array = npy("<f4", bytes_of(six));
  const auto with = [&](ZipEntry entry) {
    entry.name = entry.name.empty() ? "w.npy" : entry.name;
    entry.data = entry.data.empty() ? array : entry.data;
    return refusal(zip_bytes({entry, {.name = "other.npy", .data = array}}));
  };
  CHECK(with({}).empty());
  CHECK(holds(with({.flags = 1}), "'w.npy' is encrypted"));
  CHECK(holds(with({.crc_change = 1}), "'w.npy' is damaged (CRC error)"));
  CHECK(holds(with({.deflated = true, .crc_change = 1}), "'w.npy' is damaged"));
  CHECK(!with({.claimed = 1000}).empty());
  CHECK(!with({.deflated = true, .claimed = 100}).empty());
  CHECK(!with({.deflated = true, .claimed = 1000}).empty());
  CHECK(holds(with({.deflated = true, .claimed = 3'000'000'000}), "which cannot be"));
  CHECK(holds(with({.name = "other.npy"}), "is a damaged zip archive, or is cut short (File already exists)"));
  CHECK(!with({.offset = 1'000'000}).empty());
  CHECK(!with({.offset = 3}).empty());
  CHECK(holds(with({.data = "no array"}), "'w.npy': is no NumPy array"));
  const std::string archive = zip_bytes({{.name = "w.npy", .data = array}});
  CHECK(holds(refusal(archive.substr(0, archive.size() - 5)), "is a damaged zip archive, or is cut short"));
  CHECK(holds(refusal("PK\3\4"), "is a damaged zip archive, or is cut short"));
  std::string other = archive;
  other[8] = 12;  // bzip2, in the local header alone
  CHECK(!refusal(other).empty());
}
