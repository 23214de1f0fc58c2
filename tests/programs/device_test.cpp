// --device and --precision as a user meets them where they ask for what is not to be had, with dvd::cuda in the build
// and without, with a GPU in the machine and without.
#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "../../examples/train_ucf101/out_of_memory.hpp"
#include "support/train_program.hpp"

namespace {

const std::vector<std::string> programs =
    with_video_files ? std::vector<std::string>{"train_ucf101", "sample_videos", "predict_frames"}
                     : std::vector<std::string>{"train_ucf101", "sample_videos"};

/// Runs one of them, with what it cannot do without.
ProgramResult run_in(const TemporaryFolder& folder, const std::string& program, const std::string& arguments) {
  const std::string needed = program == "predict_frames" ? "--checkpoint none --input none " : "";
  return run_program(folder.path(), program, needed + "--out run " + arguments);
}

/// Without the program's name, which comes first.
std::string message_of(const ProgramResult& result) { return result.errors.substr(result.errors.find(": ") + 2); }

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

/// While it lives, programs find no GPU.
struct HiddenGpus {
  HiddenGpus() { setenv("CUDA_VISIBLE_DEVICES", "", 1); }
  ~HiddenGpus() { unsetenv("CUDA_VISIBLE_DEVICES"); }
};

}  // namespace

TEST_CASE("wrong names, and a precision that the CPU has not, end with one line and status 2") {
  const std::pair<std::string, std::string> wrong[] = {
      {"--device gpu", "--device gpu is neither cpu nor cuda nor cuda:N"},
      {"--device cuda:x", "--device cuda:x is neither cpu nor cuda nor cuda:N"},
      {"--device cuda:", "--device cuda: is neither cpu nor cuda nor cuda:N"},
      {"--device cuda:-1", "--device cuda:-1 is neither cpu nor cuda nor cuda:N"},
      {"--device cuda:99999999999", "--device cuda:99999999999 is neither cpu nor cuda nor cuda:N"},
      {"--device CPU", "--device CPU is neither cpu nor cuda nor cuda:N"},
      {"--precision half", "--precision half is neither float32 nor tf32 nor bfloat16"},
      {"--device cuda --precision float64", "--precision float64 is neither float32 nor tf32 nor bfloat16"},
      {"--precision bfloat16", "--precision bfloat16 needs a GPU (--device cuda)"},
      {"--device cpu --precision tf32", "--precision tf32 needs a GPU (--device cuda)"},
  };
  const TemporaryFolder folder;
  for (const auto& [arguments, text] : wrong)
    for (const std::string& program : programs) {
      CAPTURE(program);
      CAPTURE(arguments);
      const auto result = run_in(folder, program, arguments);
      CAPTURE(result.errors);
      CHECK(failed_with(result, 2, text));
    }
  CHECK(failed_with(run_program(folder.path(), "custom_gan", "--device cuda"), 2, "computes on the CPU"));
  CHECK(failed_with(run_program(folder.path(), "custom_gan", "--device gpu"), 2, "neither cpu nor cuda"));
  CHECK(std::filesystem::is_empty(folder.path()));
}

TEST_CASE("a GPU that is not there ends with one line and status 2, the same from every program") {
  const TemporaryFolder folder;
  const HiddenGpus hidden;
  for (const std::string arguments : {"--device cuda", "--device cuda:7 --precision bfloat16", "--device=cuda:0"}) {
    const std::string first = message_of(run_in(folder, programs[0], arguments));
    CAPTURE(first);
    const bool no_build = has(first, ": this build has no dvd::cuda; build with CUDA 12 and cuDNN 9");
    const bool no_gpu = first.starts_with("no NVIDIA ") || first.starts_with("the NVIDIA driver is too old");
    CHECK(no_build != no_gpu);
    CHECK(has(first, "--device cpu"));  // what to do
    for (const std::string& program : programs) {
      CAPTURE(program);
      CHECK(failed_with(run_in(folder, program, arguments), 2, first));
    }
  }
  CHECK(std::filesystem::is_empty(folder.path()));
}

TEST_CASE("a GPU beyond those that there are ends with one line and status 2") {
  const TemporaryFolder folder;
  for (const std::string& program : programs) {
    const auto result = run_in(folder, program, "--device cuda:4096");
    CAPTURE(result.errors);
    const std::string message = message_of(result);
    CHECK((has(message, "this build has no dvd::cuda") || message.starts_with("no NVIDIA ") ||
           message.starts_with("the NVIDIA driver is too old") || message.starts_with("there is no GPU 4096")));
    CHECK(failed_with(result, 2, message));
  }
  CHECK(std::filesystem::is_empty(folder.path()));
}

TEST_CASE("a run remembers its device and precision, and moves where it is told to") {
  const TemporaryFolder folder;
  const HiddenGpus hidden;
  REQUIRE(train(folder, tiny + "--seed 2 --steps 4 --out whole").status == 0);
  const auto begun = train(folder, tiny + "--seed 2 --steps 2 --threads 1 --out moved");
  REQUIRE(begun.status == 0);
  CHECK(has(begun.output, "device     CPU, 1 thread, float32\n"));

  // As if it had been trained on a GPU so far.
  const auto path = folder.path() / "moved/config.json";
  auto config = nlohmann::json::parse(read_text(path));
  CHECK(config["device"] == "cpu");
  CHECK(config["precision"] == "float32");
  config["device"] = "cuda:1";
  config["precision"] = "bfloat16";
  std::ofstream(path) << config.dump();

  const auto stays = train(folder, "--resume --out moved --steps 4");
  CAPTURE(stays.errors);
  CHECK(failed_with(stays, 2, "--device cpu"));
  CHECK(
      failed_with(train(folder, "--resume --out moved --steps 4 --device cpu --precision bfloat16"), 2, "needs a GPU"));
  CHECK(nlohmann::json::parse(read_text(path))["device"] == "cuda:1");
  const auto dry = train(folder, "--resume --out moved --steps 4 --device=cpu --dry-run");
  CHECK(dry.status == 0);
  CHECK(has(dry.output, "\"device\": \"cpu\""));
  CHECK(has(dry.output, "\"precision\": \"float32\""));

  const auto moves = train(folder, "--resume --out moved --steps 4 --device cpu");
  CAPTURE(moves.errors);
  REQUIRE(moves.status == 0);
  CHECK(nlohmann::json::parse(read_text(path))["device"] == "cpu");
  const std::string last = "checkpoints/step-00000004.safetensors";
  CHECK(read_text(folder.path() / "moved" / last) == read_text(folder.path() / "whole" / last));
}

TEST_CASE("where memory runs out, a smaller batch is named that may fit") {
  const auto after = [](std::size_t needed, std::size_t available, dvd::Index batch, dvd::Index micro_batch) {
    return examples::smaller_batch(dvd::cuda::OutOfMemory("", needed, available), batch, micro_batch);
  };
  CHECK(has(after(200, 100, 32, 0), "at most 16 would fit"));
  CHECK(has(after(200, 100, 32, 0), "--batch 16 or --micro-batch 16"));
  CHECK(has(after(101, 100, 32, 0), "at most 31 would fit"));
  CHECK(has(after(101, 100, 32, 0), "--batch 16 or --micro-batch 16"));
  CHECK(has(after(300, 100, 32, 0), "at most 10 would fit"));
  CHECK(has(after(200, 100, 32, 8), "at most 4 would fit"));
  CHECK(has(after(200, 100, 4, 8), "at most 2 would fit"));
  CHECK(has(after(100'000, 1, 32, 0), "at most 1 would fit"));
  CHECK(after(100'000, 1, 1, 0).empty());
  CHECK(after(100, 100, 32, 0).empty());
  CHECK(after(100, 200, 32, 0).empty());
}
