// Writing a generator to give away.
#pragma once

#include <dvd/io/generator_file.hpp>
#include <string>

namespace examples {

/// Writes networks that were read from `file`, alone and in half precision, with what that says of its run. Throws
/// FileError where it cannot be written.
template <class Networks>
void save_alone(const std::string& path, Networks& networks, const dvd::SafetensorsFile& file) {
  dvd::GeneratorFileOptions alone{.half = true};
  for (const char* key : {"config", "dvd.version"})
    if (file.metadata().contains(key)) alone.metadata[key] = file.metadata().at(key);
  dvd::save_generator(path, networks, alone);
}

}  // namespace examples
