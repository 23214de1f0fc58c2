// What TensorBoard itself reads in our event files. Not run where Python has no tensorboard; DVD_TENSORBOARD_PYTHON
// names a Python that has it.
#include <doctest/doctest.h>
#include <sys/wait.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>

#include "dvd/io/tensorboard_writer.hpp"
#include "support/temporary_folder.hpp"

namespace {

using dvd::TensorBoardWriter;

std::span<const std::byte> bytes_of(std::string_view text) { return std::as_bytes(std::span(text)); }

// Reads a folder as TensorBoard's server does, by its own code.
constexpr const char* read_back = R"(
import sys
try:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
except ImportError:
    sys.exit(77)
events = EventAccumulator(sys.argv[1], size_guidance={'images': 0, 'scalars': 0})
events.Reload()
def values(tag): return [(e.step, e.value) for e in events.Scalars(tag)]
assert sorted(events.Tags()['scalars']) == ['loss/generator', 'other'], events.Tags()
got = values('loss/generator')
assert got == [(1, 1.0), (2, 2.0), (3, 30.0), (4, 40.0)], got
assert values('other') == [(2, -0.5)], values('other')
image, = events.Images('samples')
assert (image.step, image.width, image.height) == (2, 3, 5), image
assert image.encoded_image_string == b'GIF89a not a picture', image
assert events.FirstEventTimestamp() > 1e9
)";

TEST_CASE("TensorBoard reads it: scalars, pictures, and a run that went on from an earlier step") {
  const TemporaryFolder folder;
  {
    TensorBoardWriter board(folder.path() / "run");
    for (int step = 1; step <= 5; ++step) board.scalar("loss/generator", step, step);
    board.scalar("other", 2, -0.5);
    board.image("samples", 2, bytes_of("GIF89a not a picture"), 5, 3);
    board.scalar("other", 4, 1);
  }
  {
    TensorBoardWriter board(folder.path() / "run", 3);
    for (int step = 3; step <= 4; ++step) board.scalar("loss/generator", step, 10 * step);
  }
  std::ofstream(folder.path() / "read_back.py") << read_back;
  const char* const named = std::getenv("DVD_TENSORBOARD_PYTHON");
  const std::string command = std::string(named ? named : "python3") + " '" +
                              (folder.path() / "read_back.py").string() + "' '" + (folder.path() / "run").string() +
                              "' 2>'" + (folder.path() / "errors").string() + "'";
  const int status = std::system(command.c_str());
  if (WIFEXITED(status) && (WEXITSTATUS(status) == 77 || WEXITSTATUS(status) == 127)) {
    std::puts("not run: python3 has no tensorboard here (pip install tensorboard)");
    return;
  }
  std::ifstream file(folder.path() / "errors");
  const std::string errors{std::istreambuf_iterator<char>(file), {}};
  CAPTURE(errors);
  CHECK(status == 0);
}

}  // namespace
