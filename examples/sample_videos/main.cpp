// Samples videos from a checkpoint of a DVD-GAN.
//
//     sample_videos                                      from the small model that comes with this program
//     sample_videos --checkpoint runs/demo --class disc-left --count 4 --format gif
//
// Read on in options.hpp (what is asked for), request.hpp (which latents and classes), sample.hpp (the work, compiled
// for each device in a sample_*.cpp) and files.hpp (what is written).

#include "../common/program_on_ranks.hpp"
#include "options.hpp"

int main(int argc, char** argv) {
  examples::SampleProgramOptions options;
  options.common.out = "samples";
  CLI::App app("Samples videos from a checkpoint of a DVD-GAN.", "sample_videos");
  examples::add_options(app, options);
  return examples::run_on_ranks(app, argc, argv, options.common, [&](examples::Ranks& ranks) {
    return examples::on_device(options.common.device, options.common.precision,
                               [&]<class T, class D>() { return examples::sample<T, D>(options, ranks); });
  });
}
