// Any text as a run's config.json, and as the configuration in a checkpoint.
#include "../../examples/train_ucf101/resume.hpp"
#include "fuzz_input.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(fuzz::text_of(data, size));
  fuzz::succeeds([&] {
    const dvd::DvdGanConfig config = dvd::config_from_json(dvd::Json::parse(text, nullptr, false));
    const dvd::Json json = dvd::to_json(config);
    fuzz::expect(dvd::to_json(dvd::config_from_json(json)) == json, "a configuration goes through JSON");
  });
  fuzz::succeeds([&] {
    examples::TrainOptions options;
    examples::take_config_text(options, text, "run");
  });
  return 0;
}
