// The folder of a run: one process at a time, nothing half-written, never without a whole checkpoint.
#include "dvd/io/run_folder.hpp"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include "support/temporary_folder.hpp"

namespace {

void put(const std::filesystem::path& path, const std::string& text = "x") { std::ofstream(path) << text; }

std::vector<std::int64_t> steps_in(const std::filesystem::path& run) {
  std::vector<std::int64_t> steps;
  for (const auto& entry : dvd::list_checkpoints(run)) steps.push_back(entry.step);
  return steps;
}

using Steps = std::vector<std::int64_t>;

}  // namespace

TEST_CASE("only one may hold a folder") {
  const TemporaryFolder temporary;
  {
    const dvd::RunFolder first(temporary.path() / "run");
    CHECK_THROWS_AS(dvd::RunFolder(temporary.path() / "run"), dvd::FileError);
    const dvd::RunFolder other(temporary.path() / "other");
  }
  CHECK_NOTHROW(dvd::RunFolder(temporary.path() / "run"));
}

TEST_CASE("what a killed process left half-written goes, and nothing else") {
  const TemporaryFolder temporary;
  const auto run = temporary.path() / "run";
  { const dvd::RunFolder folder(run); }
  put(run / "config.json.partial-4711");
  put(run / "checkpoints/step-00000003.safetensors.partial-12-1");
  put(run / "checkpoints/step-00000002.safetensors");
  put(run / "notes.partial-mine");
  const dvd::RunFolder folder(run);
  CHECK_FALSE(std::filesystem::exists(run / "config.json.partial-4711"));
  CHECK_FALSE(std::filesystem::exists(run / "checkpoints/step-00000003.safetensors.partial-12-1"));
  CHECK(std::filesystem::exists(run / "checkpoints/step-00000002.safetensors"));
  CHECK(std::filesystem::exists(run / "notes.partial-mine"));
}

TEST_CASE("rotation keeps the newest up to the step just saved, and later ones are not its business") {
  const TemporaryFolder temporary;
  const dvd::RunFolder folder(temporary.path());
  for (const int step : {1, 2, 3, 4, 9}) put(folder.checkpoint(step));
  folder.rotate_checkpoints(0, 4);
  CHECK(steps_in(temporary.path()) == Steps{1, 2, 3, 4, 9});
  folder.rotate_checkpoints(2, 4);
  CHECK(steps_in(temporary.path()) == Steps{3, 4, 9});
  folder.rotate_checkpoints(1, 4);  // 9 may be damaged: it must not count as the one to keep
  CHECK(steps_in(temporary.path()) == Steps{4, 9});
}

TEST_CASE("the log forgets what comes anew, and lines that were cut short") {
  const TemporaryFolder temporary;
  const dvd::RunFolder folder(temporary.path());
  const auto step_of = [](const std::string& line) { return line.size() == 1 ? std::stoll(line) : -1; };
  folder.forget_log_after(3, step_of);
  CHECK_FALSE(std::filesystem::exists(temporary.path() / "log.jsonl"));
  for (const char* line : {"1", "2", "broken", "3", "4"}) folder.append_log(line);
  folder.forget_log_after(3, step_of);
  CHECK(folder.read_log() == std::vector<std::string>{"1", "2", "3"});
  folder.append_warning("careful");
  CHECK(folder.read_warnings() == std::vector<std::string>{"careful"});
}

TEST_CASE("a pipe in the place of a text is an error, not a wait for ever") {
  const TemporaryFolder temporary;
  const dvd::RunFolder folder(temporary.path());
  REQUIRE(::mkfifo((temporary.path() / "log.jsonl").c_str(), 0600) == 0);
  CHECK_THROWS_AS(folder.read_log(), dvd::FileError);
  CHECK_THROWS_AS(folder.append_log("1"), dvd::FileError);
}
