// train_ucf101 as a launcher starts it: several ranks train what one would, and all end together.
#include <doctest/doctest.h>

#ifdef DVD_TEST_MPIEXEC
#include <signal.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>

#include "support/error_of.hpp"
#include "support/train_program.hpp"

using dvd::testing::holds;

namespace {

const std::string program = "'" DVD_TEST_PROGRAMS "/train_ucf101' ";

// Five videos are an uneven batch for two and for three ranks.
const std::string uneven =
    "--resolution 16 --frames 3 --channels 1 --batch 5 --latent-dim 6 --embed-dim 5 --spatial-frames 2 --d-steps 1 "
    "--log-every 1 --sample-every 1000 --threads 1 ";

std::string launched(int ranks, const std::string& arguments) {
  return "timeout 240 '" DVD_TEST_MPIEXEC "' -n " + std::to_string(ranks) + " " + program + arguments;
}

ProgramResult train_on(int ranks, const TemporaryFolder& folder, const std::string& arguments) {
  return run_command(folder.path(), launched(ranks, arguments));
}

std::string checkpoint(const TemporaryFolder& folder, const std::string& run, int step) {
  return read_text(folder.path() / run / ("checkpoints/step-0000000" + std::to_string(step) + ".safetensors"));
}

int count(const std::string& text, const std::string& part) {
  int found = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++found;
  return found;
}

/// The process that is a rank of a run in `folder`; -1 if there is none.
pid_t process_of(const TemporaryFolder& folder, int rank) {
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/proc", error)) {
    const std::string name = entry.path().filename().string();
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    if (std::filesystem::read_symlink(entry.path() / "exe", error).filename() != "train_ucf101") continue;
    if (std::filesystem::read_symlink(entry.path() / "cwd", error) != std::filesystem::canonical(folder.path()))
      continue;
    const std::string environment = '\0' + read_text(entry.path() / "environ"), number = std::to_string(rank);
    for (const std::string variable : {"OMPI_COMM_WORLD_RANK=", "PMI_RANK="})
      if (environment.find('\0' + variable + number + '\0') != std::string::npos) return std::stoi(name);
  }
  return -1;
}

/// A run on two ranks that is to be disturbed after its fourth step.
class DisturbedRun {
 public:
  explicit DisturbedRun(const std::string& arguments = "")
      : launcher_(folder.path(), "train_ucf101", uneven + "--steps 1000000 --checkpoint-every 2 --out run " + arguments,
                  "'" DVD_TEST_MPIEXEC "' -n 2 ") {
    wait_for_step(folder.path() / "run", 4);
  }

  void send_to_launcher(int signal) const { launcher_.send(signal); }
  void send_to_rank(int rank, int signal) const {
    const pid_t process = process_of(folder, rank);
    REQUIRE(process > 0);
    kill(process, signal);
  }
  ProgramResult result() const { return launcher_.result(); }

  /// Whether the run can be gone on with, by a process alone.
  bool goes_on() const {
    const auto entries = std::distance(std::filesystem::directory_iterator(folder.path() / "run/checkpoints"), {});
    const ProgramResult rest = run_command(folder.path(), program + "--resume --out run --steps 1");
    CAPTURE(rest.errors);
    return entries > 0 && rest.status == 0 && holds(rest.output, "going on from run/checkpoints/step-");
  }

  TemporaryFolder folder;

 private:
  BackgroundProgram launcher_;
};

}  // namespace

TEST_CASE("the same bits on any number of ranks, of which one speaks") {
  for (const std::string model : {"--steps 3 ", "--condition-frames 1 --augment color,translation,cutout --steps 2 "}) {
    const int steps = model == "--steps 3 " ? 3 : 2;
    const TemporaryFolder folder;
    const auto alone = train(folder, uneven + model + "--reduce ordered --out one");
    CAPTURE(alone.errors);
    REQUIRE(alone.status == 0);
    CHECK(holds(alone.output, "ranks      1, sums in a fixed order\n"));
    const std::string bytes = checkpoint(folder, "one", steps);
    REQUIRE(bytes.size() > 1000);
    for (const int ranks : {2, 3}) {
      const std::string run = "on-" + std::to_string(ranks);
      const auto several = train_on(ranks, folder, uneven + model + "--out " + run);
      CAPTURE(several.errors);
      REQUIRE(several.status == 0);
      CHECK(checkpoint(folder, run, steps) == bytes);
      CHECK(count(several.output, "data       ") == 1);
      CHECK(count(several.output, "done       ") == 1);
      CHECK(holds(several.output, "ranks      " + std::to_string(ranks) + ", sums in a fixed order\n"));
      CHECK(several.errors == "");
      CHECK(nlohmann::json::parse(read_text(folder.path() / run / "config.json"))["ranks"] == ranks);
      const auto log = log_of(folder.path() / run);
      REQUIRE(static_cast<int>(log.size()) == steps);
      CHECK(log.back()["ranks"] == ranks);
      CHECK(std::filesystem::exists(folder.path() / run / "report.html"));
    }
    const auto fast = train_on(2, folder, uneven + model + "--reduce fast --out fast");
    CAPTURE(fast.errors);
    REQUIRE(fast.status == 0);
    CHECK(checkpoint(folder, "fast", steps) != bytes);
    const auto exact = log_of(folder.path() / "one"), close = log_of(folder.path() / "fast");
    REQUIRE(close.size() == exact.size());
    for (std::size_t i = 0; i < exact.size(); ++i)
      for (const char* loss : {"loss_spatial", "loss_temporal", "loss_generator"})
        CHECK(close[i][loss].get<double>() == doctest::Approx(exact[i][loss].get<double>()).epsilon(1e-3));
  }
}

TEST_CASE("a run goes on on other numbers of ranks, with the bits of one that never stopped") {
  const TemporaryFolder folder;
  REQUIRE(train_on(2, folder, uneven + "--steps 6 --out whole").status == 0);
  REQUIRE(train_on(2, folder, uneven + "--steps 2 --out cut").status == 0);
  const auto alone = train(folder, "--resume --out cut --steps 4");
  CAPTURE(alone.errors);
  REQUIRE(alone.status == 0);
  CHECK(holds(alone.output, "ranks      1, sums in a fixed order\n"));
  const auto three = train_on(3, folder, "--resume --out cut --steps 6 --threads 1");
  CAPTURE(three.errors);
  REQUIRE(three.status == 0);
  CHECK(count(three.output, "resume     ") == 1);
  const std::string bytes = checkpoint(folder, "whole", 6);
  CHECK(bytes.size() > 1000);
  CHECK(checkpoint(folder, "cut", 6) == bytes);
}

TEST_CASE("going back on several ranks, with the bits of going back alone") {
  const TemporaryFolder folder;
  const std::string poison = "DVD_TEST_POISON=generator.stages.0.gru.reset.weight@3 ",
                    arguments = uneven + "--reduce ordered --steps 6 --checkpoint-every 2 ";
  REQUIRE(run_command(folder.path(), poison + program + arguments + "--out one").status == 0);
  const auto several = run_command(folder.path(), poison + launched(2, arguments + "--out two"));
  CAPTURE(several.errors);
  REQUIRE(several.status == 0);
  CHECK(holds(read_text(folder.path() / "two/warnings.log"), "went back to step-00000002.safetensors (step 2)"));
  CHECK(checkpoint(folder, "two", 6) == checkpoint(folder, "one", 6));
}

TEST_CASE("where one rank has a number that is not finite, all go back") {
  const TemporaryFolder folder;
  // A weight of the average, once that is no copy: no loss depends on it, so its rank alone sees what has become of it.
  const std::string arguments = program + uneven + "--ema-start 1 --steps 4 --checkpoint-every 2 --out run ";
  const auto result = run_command(
      folder.path(), "timeout 240 '" DVD_TEST_MPIEXEC "' -n 1 " + arguments +
                         ": -n 1 env DVD_TEST_POISON=ema.generator.stages.0.gru.reset.weight@3 " + arguments);
  CAPTURE(result.errors);
  REQUIRE(result.status == 0);
  const std::string warnings = read_text(folder.path() / "run/warnings.log");
  CAPTURE(warnings);
  CHECK(holds(warnings, "went back to step-00000002.safetensors (step 2)"));
  CHECK(holds(warnings, "ema.generator.stages.0.gru.reset.weight of rank 1: its values"));
  CHECK(checkpoint(folder, "run", 4).size() > 1000);
}

TEST_CASE("a signal to the launcher saves and ends all ranks") {
  const DisturbedRun run;
  run.send_to_launcher(SIGTERM);
  const auto result = run.result();
  CAPTURE(result.output);
  CHECK(count(result.output, "stopped    after step") == 1);
  CHECK(run.goes_on());
}

TEST_CASE("a signal to one rank saves and ends all") {
  const DisturbedRun run;
  run.send_to_rank(1, SIGTERM);
  const auto result = run.result();
  CAPTURE(result.errors);
  CHECK(result.status == 0);
  CHECK(count(result.output, "stopped    after step") == 1);
  CHECK(run.goes_on());
}

TEST_CASE("a rank that is killed ends the run, whose launcher names it") {
  const DisturbedRun run;
  const std::string process = "PID " + std::to_string(process_of(run.folder, 1));
  run.send_to_rank(1, SIGKILL);
  const auto result = run.result();
  const std::string told = result.output + result.errors;
  CAPTURE(told);
  CHECK(result.status != 0);
  CHECK((holds(told, "rank 1") || holds(told, process)));  // as Open MPI calls it, and MPICH
  CHECK(run.goes_on());
}

TEST_CASE("a rank that hangs ends the run, which names it") {
  const DisturbedRun run("--rank-timeout 3");
  const pid_t hanging = process_of(run.folder, 1);
  run.send_to_rank(1, SIGSTOP);
  const auto result = run.result();
  if (process_of(run.folder, 1) == hanging) kill(hanging, SIGKILL);
  CAPTURE(result.errors);
  CHECK(result.status != 0);
  CHECK(holds(result.errors, "rank 1 has not come to "));
  CHECK(run.goes_on());
}

TEST_CASE("what another rank has to warn of is kept by rank 0" * doctest::skip(!with_video_files)) {
  const TemporaryFolder folder;
  std::filesystem::create_directories(folder.path() / "data/kind");
  for (const char* name : {"one", "two"}) {
    const std::string command =
        "ffmpeg -nostdin -loglevel error -y -f lavfi -i testsrc2=size=32x32:rate=10:duration=1 " +
        std::string("-c:v mpeg4 '") + (folder.path() / "data/kind" / name).string() + ".avi'";
    REQUIRE_MESSAGE(std::system(command.c_str()) == 0, "the ffmpeg program is needed: apt-get install ffmpeg");
  }
  const BackgroundProgram launcher(folder.path(), "train_ucf101",
                                   uneven + "--steps 1000000 --data data --index none --out run",
                                   "'" DVD_TEST_MPIEXEC "' -n 2 ");
  const auto run = folder.path() / "run";
  wait_for_step(run, 2);
  std::filesystem::remove(folder.path() / "data/kind/two.avi");
  for (int i = 0; i < 3000 && !holds(read_text(run / "warnings.log"), "rank 1: "); ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  const pid_t first = process_of(folder, 0);
  REQUIRE(first > 0);
  kill(first, SIGTERM);
  CHECK(launcher.result().status == 0);
  const std::string warnings = read_text(run / "warnings.log");
  CAPTURE(warnings);
  CHECK(holds(warnings, ": rank 1: "));
  CHECK(holds(warnings, "two.avi"));
  CHECK(log_of(run).back()["skipped_files"] >= 1);
}

TEST_CASE("what is wrong on one rank ends all, and is said once") {
  const TemporaryFolder folder;
  const std::string mpiexec = "timeout 240 '" DVD_TEST_MPIEXEC "' ";
  const auto one = run_command(folder.path(), mpiexec + "-n 1 " + program + uneven + "--out run : -n 1 " + program +
                                                  uneven + "--out run --data nowhere");
  CHECK(one.status != 0);
  CHECK(count(one.errors, "train_ucf101: rank 1: --data nowhere") == 1);
  CHECK(count(one.errors, "train_ucf101: ") == 1);
  CHECK(!std::filesystem::exists(folder.path() / "run"));

  const auto other = run_command(folder.path(), mpiexec + "-n 1 " + program + uneven + "--out run : -n 1 " + program +
                                                    uneven + "--out run --lr-g 1");
  CHECK(other.status != 0);
  CHECK(count(other.errors, "train_ucf101: rank 1: was started with other flags than rank 0: lr_g is 1.0") == 1);

  const auto start = run_command(folder.path(), mpiexec + "-n 1 " + program + uneven + "--out run : -n 1 " + program +
                                                    uneven + "--out run --dry-run");
  CHECK(start.status != 0);
  CHECK(count(start.errors, "train_ucf101: rank 1: was started with other flags than rank 0: dry_run is true") == 1);

  const auto all = train_on(3, folder, uneven + "--out run --resolution 7");
  CHECK(all.status != 0);
  CHECK(count(all.errors, "train_ucf101: ") == 1);

  const auto many = train_on(3, folder, tiny + "--out run");
  CHECK(many.status != 0);
  CHECK(count(many.errors, "train_ucf101: 2 shards cannot be shared by 3 ranks") == 1);

  const auto device = train_on(2, folder, uneven + "--out run --device abacus");
  CHECK(device.status != 0);
  CHECK(count(device.errors, "train_ucf101: --device abacus") == 1);

  // There is no dvd::cuda, or no dvd::nccl, or else each rank takes a GPU of its own.
  const auto gpu = train_on(2, folder, uneven + "--out run --device cuda:4096");
  CHECK(gpu.status != 0);
  CHECK(count(gpu.errors, "train_ucf101: --device cuda:4096") == 1);
}

TEST_CASE("help and what a run would be are printed once") {
  const TemporaryFolder folder;
  const auto help = train_on(2, folder, "--help");
  CHECK(help.status == 0);
  CHECK(count(help.output, "--rank-timeout") == 1);
  const auto dry = train_on(2, folder, uneven + "--dry-run --out run");
  CHECK(dry.status == 0);
  CHECK(count(dry.output, "\"reduce\": \"ordered\"") == 1);
  CHECK(!std::filesystem::exists(folder.path() / "run"));
}

#else

TEST_CASE("ranks") { MESSAGE("not run: this build has no dvd::mpi, or no launcher"); }

#endif
