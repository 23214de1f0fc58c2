// What the pages show stands in files that are compiled and run, and what they link to is there.
#include <doctest/doctest.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <string>
#include <vector>

namespace {

namespace fs = std::filesystem;
const fs::path project = fs::path(DVD_TEST_DATA).parent_path().parent_path();

std::vector<fs::path> pages() {
  std::vector<fs::path> found;
  for (const char* const name : {"README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md", "benchmarks/README.md"})
    if (fs::exists(project / name)) found.push_back(project / name);
  for (const char* const folder : {"docs", "examples"})
    for (const auto& entry : fs::recursive_directory_iterator(project / folder))
      if (entry.path().extension() == ".md") found.push_back(entry.path());
  return found;
}

/// Without what surrounds it, and with single spaces within.
std::string trimmed(const std::string& line) {
  std::string result;
  for (const char c : line)
    if (c != ' ' && c != '\t' && c != '\r')
      result += c;
    else if (!result.empty() && result.back() != ' ')
      result += ' ';
  if (result.ends_with(' ')) result.pop_back();
  return result;
}

std::vector<std::string> lines_of(const fs::path& path) {
  std::ifstream file(path);
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  return lines;
}

/// Lines without indentation.
using Lines = std::vector<std::string>;

/// What stands between empty lines.
std::vector<Lines> pieces_of(const Lines& lines) {
  std::vector<Lines> pieces(1);
  for (const std::string& line : lines) {
    if (!trimmed(line).empty())
      pieces.back().push_back(trimmed(line));
    else if (!pieces.back().empty())
      pieces.emplace_back();
  }
  if (pieces.back().empty()) pieces.pop_back();
  return pieces;
}

struct Snippet {
  std::size_t line;  ///< of its fence, from 1
  std::string file;  ///< empty if the page does not say
  Lines text;
};

/// The C++ of a page, and after `<!-- file -->`, where each piece is taken from.
std::vector<Snippet> snippets(const fs::path& page) {
  std::vector<Snippet> found;
  std::string comment;
  bool inside = false;
  const auto lines = lines_of(page);
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const std::string line = trimmed(lines[i]);
    if (line == "```cpp") {
      found.push_back({i + 1, comment, {}});
      inside = true;
    } else if (inside && line == "```") {
      inside = false;
    } else if (inside) {
      found.back().text.push_back(lines[i]);
    }
    comment = line.starts_with("<!-- ") && line.ends_with(" -->") ? line.substr(5, line.size() - 9) : "";
  }
  return found;
}

// Between its empty lines a snippet may leave out what a program has there.
TEST_CASE("the C++ of the pages stands in files that are compiled") {
  for (const fs::path& page : pages())
    for (const Snippet& snippet : snippets(page)) {
      INFO(page.string() << ":" << snippet.line);
      REQUIRE_MESSAGE(!snippet.file.empty(),
                      "the line before the snippet is to name its file: <!-- tests/docs/... -->");
      if (snippet.file == "tests/docs/snippets.sh") continue;  // compiles the page itself
      const fs::path source = project / snippet.file;
      REQUIRE_MESSAGE(fs::exists(source), snippet.file << " is not there");
      Lines all = lines_of(source);
      for (std::string& line : all) line = trimmed(line);
      auto place = all.begin();
      for (const Lines& piece : pieces_of(snippet.text)) {  // in their order
        place = std::search(place, all.end(), piece.begin(), piece.end());
        CHECK_MESSAGE(place != all.end(), "not in " << snippet.file << ", or not so: " << piece.front());
      }
    }
}

/// As GitHub names the place of a heading.
std::string anchor_of(const std::string& heading) {
  std::string anchor;
  for (const char c : heading) {
    const auto letter = static_cast<unsigned char>(c);
    if (std::isalnum(letter) || c == '_' || c == '-' || letter >= 0x80)
      anchor += static_cast<char>(std::tolower(letter));
    else if (c == ' ')
      anchor += '-';
  }
  return anchor;
}

std::set<std::string> anchors_of(const fs::path& page) {
  std::set<std::string> anchors;
  for (const std::string& line : lines_of(page))
    if (line.starts_with("#") && line.find("# ") != std::string::npos)
      anchors.insert(anchor_of(line.substr(line.find("# ") + 2)));
  return anchors;
}

TEST_CASE("what pages link to is there") {
  const std::regex link(R"(\]\(([^)\s]+)\))");
  for (const fs::path& page : pages()) {
    std::size_t number = 0;
    bool fenced = false;
    for (const std::string& line : lines_of(page)) {
      ++number;
      if (line.starts_with("```")) fenced = !fenced;
      if (fenced || line.starts_with("    ")) continue;
      for (std::sregex_iterator match(line.begin(), line.end(), link), end; match != end; ++match) {
        const std::string target = (*match)[1];
        if (target.starts_with("http") || target.starts_with("mailto:")) continue;
        INFO(page.string() << ":" << number << ": " << target);
        const auto hash = target.find('#');
        const fs::path file = hash == 0 ? page : page.parent_path() / target.substr(0, hash);
        CHECK_MESSAGE(fs::exists(file), "is not there");
        if (hash != std::string::npos && file.extension() == ".md")
          CHECK_MESSAGE(anchors_of(file).contains(target.substr(hash + 1)), "there is no such heading");
      }
    }
  }
}

TEST_CASE("every page has one title, and is on the site") {
  std::set<std::string> listed;
  for (const std::string& line : lines_of(project / "docs/site/pages.txt")) listed.insert(line);
  for (const fs::path& page : pages()) {
    const std::string name = fs::relative(page, project).generic_string();
    INFO(name);
    int titles = 0;
    bool fenced = false;
    for (const std::string& line : lines_of(page)) {
      if (line.starts_with("```")) fenced = !fenced;
      titles += !fenced && line.starts_with("# ");
    }
    CHECK(titles == 1);
    if (name != "README.md") CHECK(listed.contains(name));
  }
}

}  // namespace
