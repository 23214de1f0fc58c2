// What convert_weights does with a file of weights, but for writing.
#pragma once

#include "dvd/convert/match_tensors.hpp"
#include "dvd/convert/open_foreign_file.hpp"
#include "fuzz_input.hpp"

namespace fuzz {

/// Opens it, looks for a known network in it, and reads all tensors that are small.
inline void read_weights(const std::filesystem::path& path) {
  succeeds([&] {
    const auto file = dvd::open_foreign_file(path);
    file->format();
    file->content_hash();
    succeeds([&] { dvd::match_tensors(path.string(), *file, dvd::guess_network(path.string(), *file)); });
    for (std::size_t i = 0; i < file->tensors().size(); ++i) {
      const auto count = dvd::detail::element_count(file->tensors()[i].shape);
      expect(count.has_value(), "a tensor's size is known");
      if (*count <= 1000) succeeds([&] { file->read(i); });
    }
  });
}

}  // namespace fuzz
