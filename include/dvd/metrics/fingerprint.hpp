// How a score was made, as something that stands beside it and that two scores can be compared by.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "dvd/io/content_hash.hpp"
#include "dvd/metrics/protocol.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// All that a score depends on beside the model that it is of: pairs of a name and what it says, in a fixed order.
class Fingerprint {
 public:
  using Field = std::pair<std::string, std::string>;

  /// Adds a field or replaces it.
  void set(std::string_view name, std::string value) {
    for (Field& field : fields_)
      if (field.first == name) {
        field.second = std::move(value);
        return;
      }
    fields_.emplace_back(name, std::move(value));
  }
  void set(std::string_view name, Index number) { set(name, concat(number)); }

  /// What a field says; empty where there is none.
  std::string_view get(std::string_view name) const {
    for (const Field& field : fields_)
      if (field.first == name) return field.second;
    return {};
  }

  const std::vector<Field>& fields() const { return fields_; }

  /// 16 hexadecimal digits that stand for all fields, whatever their order.
  std::string hash() const {
    std::vector<Field> sorted = fields_;
    std::sort(sorted.begin(), sorted.end());
    detail::ContentHash hash;
    for (const auto& [name, value] : sorted) {
      hash.add(name);
      hash.add(value);
    }
    return hash.text();
  }

  friend bool operator==(const Fingerprint& a, const Fingerprint& b) { return differences(a, b).empty(); }

  /// What two scores differ in beside their models, a line each, "real clips: 2048 and 256"; none where they may be
  /// compared.
  friend std::vector<std::string> differences(const Fingerprint& a, const Fingerprint& b) {
    std::vector<std::string> result;
    const auto said = [](std::string_view value) { return value.empty() ? std::string_view("not told") : value; };
    for (const auto& [name, value] : a.fields_)
      if (const std::string_view other = b.get(name); other != value)
        result.push_back(concat(name, ": ", said(value), " and ", said(other)));
    for (const auto& [name, value] : b.fields_)
      if (a.get(name).empty() && !value.empty()) result.push_back(concat(name, ": not told and ", value));
    return result;
  }

 private:
  std::vector<Field> fields_;
};

/// What follows from the protocol and its network. `weights_hash` is that of the file that the network was read from.
inline Fingerprint fingerprint_of(const Protocol& protocol, std::string_view weights_hash) {
  Fingerprint result;
  result.set("protocol", protocol.name);
  result.set("score", std::string(word_for(protocol.kind)));
  result.set("network", std::string(word_for(protocol.network)));
  result.set("weights", std::string(weights_hash));
  if (protocol.kind == ScoreKind::frechet) {
    result.set("layer", std::string(word_for(protocol.layer)));
    result.set("covariance", std::string(protocol.unbiased ? "1/(n-1)" : "1/n"));
    result.set("real clips", protocol.real_clips > 0 ? concat(protocol.real_clips) : std::string("all"));
    result.set("choice of real clips", std::string(word_for(protocol.rule)));
    result.set("stride of real clips", protocol.stride);
  }
  result.set("generated clips", protocol.fake_clips);
  result.set("frames", protocol.frames > 0 ? concat(protocol.frames) : std::string("all"));
  result.set("preprocessing", std::string(word_for(protocol.preprocessing)));
  result.set("rounded to 8 bits", std::string(protocol.bytes ? "yes" : "no"));
  if (protocol.kind == ScoreKind::inception || protocol.network == ScoreNetwork::shapes) {
    result.set("splits", protocol.splits);
    result.set("log guard", std::string(word_for(protocol.guard)));
  }
  result.set("repeats", protocol.repeats);
  if (!protocol.with_given_frames) result.set("given frames", std::string("left out"));
  return result;
}

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
