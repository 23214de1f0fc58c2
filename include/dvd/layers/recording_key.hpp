// What recorded work depends on, so that it is recorded anew when that changes.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <bit>
#include <cstdint>
#include <string>
#include <vector>

#include "dvd/core/parameter.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// The values besides parameters, buffers and inputs that the work of a layer or network depends on and that may change
/// from pass to pass: those of each that has `std::vector<double> settings() const`, in order. Where a device replays
/// recorded work (see Recording in core/device.hpp), a value that is not named there is the one of the recording.
template <class... Layers>
std::vector<double> settings_of(const Layers&... layers) {
  std::vector<double> all;
  const auto add = [&](const auto& layer) {
    if constexpr (requires { layer.settings(); }) {
      const std::vector<double> some = layer.settings();
      all.insert(all.end(), some.begin(), some.end());
    }
  };
  (add(layers), ...);
  return all;
}

/// All that the host reads while work is recorded, besides shapes of inputs: recorded work holds as long as the key of
/// what it works on is the same.
class RecordingKey {
 public:
  /// Where an array lies.
  template <AnyTensor X>
  void add(const X& x) {
    add(reinterpret_cast<std::uintptr_t>(x.data()), static_cast<std::uint64_t>(x.size()));
  }

  /// Where all of a network lies.
  template <class T, class D>
  void add(const Contents<T, D>& contents, bool gradients) {
    for (const auto& [name, parameter] : contents.parameters) {
      add(parameter->value);
      if (gradients) add(parameter->gradient);
    }
    for (const auto& [name, buffer] : contents.buffers) add(buffer->value);
  }

  void add(const std::vector<double>& settings) {
    for (const double setting : settings) values_.push_back(std::bit_cast<std::uint64_t>(setting));
  }

  friend bool operator==(const RecordingKey&, const RecordingKey&) = default;

 private:
  void add(std::uint64_t address, std::uint64_t size) { values_.insert(values_.end(), {address, size}); }

  std::vector<std::uint64_t> values_;
};

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
