// A browser draws report.html: on a wide screen and on a narrow one, without a complaint.
#include <doctest/doctest.h>

#include <memory>
#include <set>

#include "support/report_run.hpp"
#include "support/stb_image.hpp"

namespace {

std::string browser() {
  for (const char* name : {"chromium", "chromium-browser", "google-chrome"})
    if (std::system(("command -v " + std::string(name) + " >/dev/null 2>&1").c_str()) == 0) return name;
  return "";
}

}  // namespace

TEST_CASE("a browser draws the report") {
  const std::string name = browser();
  if (name.empty()) {
    MESSAGE("not run: there is no chromium here");
    return;
  }
  std::filesystem::copy_file(run_folder() / "<b>&run/report.html", run_folder() / "report.html",
                             std::filesystem::copy_options::overwrite_existing);
  const std::string start = "cd '" + run_folder().string() + "' && timeout 240 " + name +
                            " --headless --no-sandbox --disable-gpu --user-data-dir=profile "
                            "--enable-logging=stderr --virtual-time-budget=3000 ";
  const std::string page = " 'file://" + (run_folder() / "report.html").string() + "' ";
  REQUIRE(std::system((start + "--dump-dom" + page + ">dom 2>console").c_str()) == 0);
  const std::string dom = read_text(run_folder() / "dom"), console = read_text(run_folder() / "console");
  CHECK(console.find("CONSOLE") == std::string::npos);
  CHECK(dom.find("&lt;b&gt;&amp;run</h1>") != std::string::npos);
  CHECK(dom.find("4 warnings") != std::string::npos);
  for (const char* chart : {"Losses", "Mean scores", "Gradient norms", "Steps per second"})
    CHECK_MESSAGE(dom.find("aria-label=\"" + std::string(chart) + "\"") != std::string::npos, chart);
  CHECK(dom.find("<path d=\"M") != std::string::npos);
  for (const char* wrong : {"MNaN", "LNaN", " NaN", "\"NaN\"", ">NaN<"}) CHECK(dom.find(wrong) == std::string::npos);

  for (const char* size : {"1200,1600", "390,1600"}) {
    REQUIRE(std::system((start + "--screenshot=shot.png --window-size=" + size + page + ">/dev/null 2>&1").c_str()) ==
            0);
    int width = 0, height = 0, channels = 0;
    const std::unique_ptr<stbi_uc, void (*)(void*)> pixels(
        stbi_load((run_folder() / "shot.png").c_str(), &width, &height, &channels, 3), stbi_image_free);
    REQUIRE(pixels);
    std::set<int> colors;
    for (int i = 0; i < width * height; i += 7)
      colors.insert(pixels.get()[i * 3] << 16 | pixels.get()[i * 3 + 1] << 8 | pixels.get()[i * 3 + 2]);
    CHECK(colors.size() > 50);
  }
}
