// report.html stands alone, says what happened.
#include <doctest/doctest.h>

#include "support/report_run.hpp"

namespace {

std::string report() { return read_text(run_folder() / "<b>&run/report.html"); }

}  // namespace

TEST_CASE("the report needs nothing beside itself") {
  std::string page = report();
  REQUIRE(page.size() > 5000);
  const std::string svg = "http://www.w3.org/2000/svg";  // a name, not an address
  page.erase(page.find(svg), svg.size());
  CHECK(page.find("http") == page.find("http-equiv"));
  CHECK(page.find("http", page.find("http-equiv") + 1) == std::string::npos);
  CHECK(page.find("default-src 'none'") != std::string::npos);  // the browser would refuse to fetch anything
  CHECK((page.find("data:image/gif;base64,R0lGOD") != std::string::npos) == with_video_files);
  CHECK(page.find("data:image/png;base64,iVBOR") != std::string::npos);
  CHECK(page.find("went back to") != std::string::npos);
  CHECK(page.find("<b>&run") == std::string::npos);  // no name is taken for HTML
}
