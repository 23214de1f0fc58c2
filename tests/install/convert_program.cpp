// Reads a safetensors file as weights of unknown origin.
#include <dvd/convert/convert_weights.hpp>
#include <dvd/io/safetensors.hpp>
#include <vector>

int main() {
  const std::vector<float> values = {1, 2, 3};
  dvd::SafetensorsWriter writer;
  writer.add<float>("w", {3}, values);
  writer.write("run.safetensors");
  return dvd::open_foreign_file("run.safetensors")->read(0) == values ? 0 : 1;
}
