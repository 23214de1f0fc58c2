#include "report.hpp"

#define STB_IMAGE_IMPLEMENTATION
#define STB_IMAGE_STATIC
#define STBI_ONLY_PNG
#define STBI_NO_STDIO
#if __has_include(<stb/stb_image.h>)
#include <stb/stb_image.h>
#else
#include <stb_image.h>
#endif

#include <algorithm>
#include <dvd/io/images.hpp>
#include <dvd/version.hpp>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <vector>

#include "report_page.hpp"

namespace examples {
namespace {

using Json = nlohmann::ordered_json;

std::string to_base64(const std::string& bytes) {
  constexpr char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string result;
  result.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const auto byte = [&](std::size_t k) {
      return i + k < bytes.size() ? static_cast<unsigned>(static_cast<unsigned char>(bytes[i + k])) : 0u;
    };
    const unsigned triple = byte(0) << 16 | byte(1) << 8 | byte(2);
    for (std::size_t k = 0; k < 4; ++k) result += i + k > bytes.size() ? '=' : letters[triple >> (18 - 6 * k) & 63];
  }
  return result;
}

std::string read_bytes(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// Steps up to `last` of which there is a picture, in order.
std::vector<std::int64_t> picture_steps(const dvd::RunFolder& folder, std::int64_t last) {
  std::vector<std::int64_t> steps;
  std::error_code error;
  for (const auto& file : std::filesystem::directory_iterator(folder.root() / "samples", error)) {
    const std::string name = file.path().stem().string();
    if (file.path().extension() == ".png" && name.starts_with("step-") && name.size() < 24 && name.size() > 5 &&
        name.find_first_not_of("0123456789", 5) == std::string::npos)
      steps.push_back(std::stoll(name.substr(5)));
  }
  std::erase_if(steps, [&](std::int64_t step) { return step > last; });  // from before the run went back
  std::sort(steps.begin(), steps.end());
  return steps;
}

/// At most `most` of some values, the first and the last among them.
template <class Value>
std::vector<Value> spread(const std::vector<Value>& values, std::size_t most) {
  if (values.size() <= most) return values;
  std::vector<Value> result;
  for (std::size_t i = 0; i < most; ++i) result.push_back(values[i * (values.size() - 1) / (most - 1)]);
  return result;
}

/// The middle one of the frames that were made, of every row of a picture in samples/, in its true size, as PNG; empty
/// if the file is not such a picture. The layout is that of Pictures.
std::string middle_frames(const std::filesystem::path& path, const ReportState& state) {
  constexpr int gap = 2;
  const int scale = dvd::legible_scale(state.height, state.width);
  const int rows_shown = static_cast<int>(state.height), columns_shown = static_cast<int>(state.width);
  const int cell_height = rows_shown * scale + gap, cell_width = columns_shown * scale + gap;
  const std::string file = read_bytes(path);
  int width = 0, height = 0, channels = 0;
  const std::unique_ptr<stbi_uc, void (*)(void*)> pixels(
      stbi_load_from_memory(reinterpret_cast<const stbi_uc*>(file.data()), static_cast<int>(file.size()), &width,
                            &height, &channels, 3),
      stbi_image_free);
  if (!pixels || width != gap + static_cast<int>(state.condition_frames + state.frames) * cell_width ||
      height < gap + cell_height || (height - gap) % cell_height)
    return "";
  const int rows = (height - gap) / cell_height,
            left = gap + static_cast<int>(state.condition_frames + state.frames / 2) * cell_width;
  dvd::Image image{rows * (rows_shown + 1), columns_shown, {}};
  image.pixels.assign(static_cast<std::size_t>(image.height * image.width * 3), dvd::detail::background);
  for (int row = 0; row < rows; ++row)
    for (int y = 0; y < rows_shown; ++y)
      for (int x = 0; x < columns_shown; ++x) {
        const std::ptrdiff_t from =
            static_cast<std::ptrdiff_t>(gap + row * cell_height + y * scale) * width + left + x * scale;
        const std::ptrdiff_t to = static_cast<std::ptrdiff_t>(row * (rows_shown + 1) + y) * columns_shown + x;
        std::copy_n(pixels.get() + from * 3, 3, image.pixels.data() + to * 3);
      }
  return dvd::encode_png(image);
}

/// Columns of the log, thinned to what a screen can show: a point is the mean of its neighbours, or, of what only
/// grows, the last of them. The log is read line by line: it may be long.
Json read_curves(const dvd::RunFolder& folder) {
  constexpr std::size_t most_points = 400;
  const std::set<std::string> growing = {"step", "seconds", "skipped_steps", "skipped_files", "peak_memory_mib"};
  struct Bucket {
    double value = 0;
    int count = 0;
  };
  std::size_t lines = 0;
  folder.for_each_log_line([&](const std::string&) { ++lines; });
  const std::size_t points = std::min(lines, most_points);
  std::map<std::string, std::vector<Bucket>> columns;
  std::size_t line_number = 0;
  folder.for_each_log_line([&](const std::string& line) {
    const std::size_t point = line_number++ * points / std::max<std::size_t>(lines, 1);
    const Json json = Json::parse(line, nullptr, false);
    if (!json.is_object() || point >= points) return;
    for (const auto& [name, value] : json.items()) {
      if (!value.is_number()) continue;
      std::vector<Bucket>& column = columns[name];
      column.resize(points);
      Bucket& bucket = column[point];
      if (growing.contains(name)) bucket = {};
      bucket.value += value.get<double>();
      ++bucket.count;
    }
  });
  Json curves = Json::object();
  for (const auto& [name, column] : columns) {
    Json& curve = curves[name] = Json::array();
    for (const Bucket& bucket : column) curve.push_back(bucket.count > 0 ? Json(bucket.value / bucket.count) : Json());
  }
  return curves;
}

/// JSON that can stand in a <script> element, which "</" would end and "<!" confuse.
std::string to_script(const Json& json) {
  const std::string text = json.dump(-1, ' ', false, Json::error_handler_t::replace);
  std::string result;
  for (const char letter : text)
    if (letter == '<')
      result += "\\u003c";
    else
      result += letter;
  return result;
}

}  // namespace

void write_report(const dvd::RunFolder& folder, const ReportState& state) {
  constexpr std::size_t most_pictures = 14, most_warnings = 200;
  constexpr std::uintmax_t largest_animation = 24 << 20;

  Json pictures = Json::array();
  const std::vector<std::int64_t> steps = picture_steps(folder, state.step);
  for (const std::int64_t step : spread(steps, most_pictures))
    if (const std::string png = middle_frames(folder.sample(step, ".png"), state); !png.empty())
      pictures.push_back({{"step", step}, {"image", "data:image/png;base64," + to_base64(png)}});

  Json animation = nullptr;
  std::error_code error;
  if (!steps.empty())
    if (const auto path = folder.sample(steps.back(), ".gif"); std::filesystem::exists(path, error))
      if (std::filesystem::file_size(path, error) <= largest_animation)
        animation = {{"step", steps.back()}, {"image", "data:image/gif;base64," + to_base64(read_bytes(path))}};

  const std::vector<std::string> warnings = folder.read_warnings();
  const std::size_t first = warnings.size() > most_warnings ? warnings.size() - most_warnings : 0;
  const Json data = {
      {"name", std::filesystem::absolute(folder.root()).lexically_normal().filename().string()},
      {"status", state.status},
      {"step", state.step},
      {"steps", state.steps},
      {"seconds", state.seconds},
      {"version", dvd::version},
      {"config", Json::parse(state.config)},
      {"curves", read_curves(folder)},
      {"pictures", pictures},
      {"animation", animation},
      {"warnings", std::vector<std::string>(warnings.begin() + static_cast<std::ptrdiff_t>(first), warnings.end())},
      {"warning_count", warnings.size()}};
  std::string page = report_page;
  const std::string mark = "@DATA@";
  page.replace(page.find(mark), mark.size(), to_script(data));
  folder.write_report(page);
}

}  // namespace examples
