// Decodes a folder of videos once, into a set that train_ucf101 and others map into memory; or says what is wrong with
// the videos.
//
//     prepare_videos --data UCF101 --split trainlist01.txt --split testlist01.txt --resolution 64 --out ucf-64
//     prepare_videos --check --data UCF101 --frames 16 --stride 2 --json report.json
//     prepare_videos --data kinetics --shard 2/8 --out part-2        # on each of eight machines its own number
//     prepare_videos --merge part-1 part-2 part-3 --out kinetics-64
//
// Read on in options.hpp (what is asked for), prepare.hpp (making a set), check_report.hpp (what the doctor says) and
// in dvd/data/prepare_set.hpp (the work).

#include "check.hpp"
#include "prepare.hpp"

int main(int argc, char** argv) {
  examples::PrepareVideosOptions options;
  CLI::App app("Decodes a folder of videos once, into a set for training, or says what is wrong with them.",
               "prepare_videos");
  examples::add_options(app, options);
  return examples::run(app, argc, argv, [&] {
    examples::finish_options(options);
    if (options.check) return examples::check(options);
    return options.merge.empty() ? examples::prepare(options) : examples::merge(options);
  });
}
