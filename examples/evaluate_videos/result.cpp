#include "result.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <dvd/io/atomic_file.hpp>
#include <dvd/io/run_folder.hpp>
#include <dvd/version.hpp>

namespace examples {
namespace {

std::string title_of(const std::string& score) {
  std::string title = score;
  std::replace(title.begin(), title.end(), '_', ' ');
  return title;
}

dvd::Json scores_json(const std::vector<dvd::Score>& scores) {
  dvd::Json json = dvd::Json::object();
  for (const dvd::Score& each : scores)
    json[each.name] = {{"value", each.value}, {"deviation", each.deviation}, {"repeats", each.repeats}};
  return json;
}

dvd::Json fields_json(const dvd::Fingerprint& fingerprint) {
  dvd::Json json = dvd::Json::object();
  for (const auto& [name, value] : fingerprint.fields()) json[name] = value;
  return json;
}

std::vector<dvd::Score> scores_from(const dvd::Json& json) {
  std::vector<dvd::Score> scores;
  for (const auto& [name, value] : json.items())
    scores.push_back({name, value.at("value").get<double>(), value.at("deviation").get<double>(),
                      value.at("repeats").get<std::vector<double>>()});
  return scores;
}

const dvd::Score* find(const std::vector<dvd::Score>& scores, const std::string& name) {
  const auto found = std::ranges::find(scores, name, &dvd::Score::name);
  return found == scores.end() ? nullptr : &*found;
}

std::string cell(const dvd::Score* score) {
  if (!score) return "-";
  std::string text = number_text(score->value);
  if (score->deviation > 0) text += " ± " + number_text(score->deviation);
  return text;
}

/// Padded to a width in characters, of which ± is one and two bytes.
std::string padded(const std::string& text, std::size_t width) {
  std::size_t characters = 0;
  for (const char letter : text) characters += (static_cast<unsigned char>(letter) & 0xc0) != 0x80;
  return text + std::string(width > characters ? width - characters : 1, ' ');
}

}  // namespace

std::string number_text(double value) {
  const double size = std::abs(value);
  if (size == 0 || !std::isfinite(size)) return fmt::format("{}", value);
  if (size >= 1e5 || size < 1e-4) return fmt::format("{:.3e}", value);
  const int digits = std::clamp(3 - static_cast<int>(std::floor(std::log10(size))), 0, 7);
  return fmt::format("{:.{}f}", value, digits);
}

dvd::Json to_json(const Result& result) {
  dvd::Json json = {{"protocol", std::string(result.fingerprint.get("protocol"))},
                    {"about", result.about},
                    {"generated", result.generated},
                    {"generated_identity", result.generated_identity},
                    {"truncation", result.truncation},
                    {"sampling", fields_json(result.sampling)},
                    {"real", result.real},
                    {"network", result.network},
                    {"scores", scores_json(result.scores)}};
  if (!result.floor.empty()) json["floor"] = scores_json(result.floor);
  json["fingerprint"] = result.fingerprint.hash();
  json["made_so"] = fields_json(result.fingerprint);
  json["warnings"] = result.warnings;
  json["dvd_version"] = dvd::version;
  return json;
}

Result read_result(const std::filesystem::path& place) {
  std::error_code error;
  const std::filesystem::path path =
      std::filesystem::is_directory(place, error) ? place / "scores.json" : place;  // what --out named
  if (!std::filesystem::exists(path, error)) throw dvd::FileError(dvd::concat(path.string(), ": no such file"));
  std::string text;
  for (const std::string& line : dvd::read_lines_of(path)) text += line + '\n';
  try {
    const dvd::Json json = dvd::Json::parse(text);
    if (json.is_object() && json.contains("sweep"))
      throw dvd::FileError(dvd::concat(path.string(), ": holds a sweep, which is not compared with others"));
    Result result;
    result.about = json.at("about").get<std::string>();
    result.generated = json.at("generated").get<std::string>();
    result.truncation = json.at("truncation").get<double>();
    for (const auto& [name, value] : json.at("made_so").items()) result.fingerprint.set(name, value.get<std::string>());
    for (const auto& [name, value] : json.at("sampling").items()) result.sampling.set(name, value.get<std::string>());
    result.scores = scores_from(json.at("scores"));
    if (json.contains("floor")) result.floor = scores_from(json.at("floor"));
    return result;
  } catch (const dvd::Json::exception&) {
    throw dvd::FileError(dvd::concat(path.string(),
                                     ": is no file of scores (expected a scores.json of "
                                     "evaluate_videos)"));
  }
}

std::filesystem::path scores_file(const std::filesystem::path& folder) { return folder / "scores.json"; }

void keep_earlier_scores(const std::filesystem::path& folder) {
  std::error_code error;
  if (!std::filesystem::exists(scores_file(folder), error)) return;
  for (int number = 1;; ++number) {
    const std::filesystem::path kept = folder / fmt::format("scores-{}.json", number);
    if (std::filesystem::exists(kept, error)) continue;
    std::filesystem::rename(scores_file(folder), kept, error);
    if (error) throw dvd::FileError(dvd::concat(kept.string(), ": cannot be written: ", error.message()));
    return;
  }
}

void print_result(const Result& result) {
  fmt::print("{:<20} {}\n", "protocol", fmt::format("{}: {}", result.fingerprint.get("protocol"), result.about));
  fmt::print("{:<20} {}\n", "network", result.network);
  std::string sampled;
  for (const auto& [name, value] : result.sampling.fields())
    if (!(name == "truncation" && value == "1") && value != "0" && value != "average")
      sampled += fmt::format(", {} {}", name, value);
  fmt::print("{:<20} {}{}\n", "generated", result.generated, sampled);
  if (!result.real.empty()) fmt::print("{:<20} {}\n", "real", result.real);
  fmt::print("\n");
  const bool floor = !result.floor.empty();
  fmt::print("{}{}{}\n", padded("", 21), padded("score", floor ? 24 : 0), floor ? "true against true" : "");
  for (const dvd::Score& each : result.scores)
    fmt::print("{}{}{}\n", padded(title_of(each.name), 21), padded(cell(&each), floor ? 24 : 0),
               floor ? cell(find(result.floor, each.name)) : "");
  fmt::print("\n");
  for (const std::string& warning : result.warnings) fmt::print("note: {}\n", warning);
  fmt::print("fingerprint {}\n", result.fingerprint.hash());
}

void print_comparison(const std::vector<std::string>& names, const std::vector<Result>& results) {
  std::vector<std::string> scores;
  for (const Result& each : results)
    for (const dvd::Score& score : each.scores)
      if (std::ranges::find(scores, score.name) == scores.end()) scores.push_back(score.name);
  std::size_t width = 22;
  for (const std::string& name : names) width = std::max(width, name.size() + 2);
  fmt::print("{}", padded("", 21));
  for (const std::string& name : names) fmt::print("{}", padded(name, width));
  fmt::print("\n");
  for (const std::string& score : scores) {
    fmt::print("{}", padded(title_of(score), 21));
    for (const Result& each : results) fmt::print("{}", padded(cell(find(each.scores, score)), width));
    fmt::print("\n");
  }
  fmt::print("\n");
  for (std::size_t i = 1; i < results.size(); ++i) {
    const auto unlike = differences(results[0].fingerprint, results[i].fingerprint);
    if (unlike.empty()) {
      fmt::print("{} and {} were made alike\n", names[0], names[i]);
      for (const std::string& line : differences(results[0].sampling, results[i].sampling))
        fmt::print("  but their models were sampled differently: {}\n", line);
      continue;
    }
    fmt::print("{} and {} CANNOT be compared; they differ in\n", names[0], names[i]);
    for (const std::string& line : unlike) fmt::print("  {}\n", line);
  }
}

}  // namespace examples
