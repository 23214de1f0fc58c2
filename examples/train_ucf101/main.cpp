// Trains a DVD-GAN (arXiv 1907.06571) on moving shapes, on UCF-101, or on any folder of videos or of class folders of
// them.
//
//     train_ucf101 --preset demo --out runs/demo
//     train_ucf101 --data UCF101 --split trainlist01.txt --frames 16 --resolution 64 --out runs/ucf101
//     mpirun -np 4 train_ucf101 --preset demo --out runs/demo    # four processes that share each batch
//     mpirun -np 4 train_ucf101 --device cuda --out runs/demo    # and have a GPU each
//
// Read in this order: options.hpp (what a run is asked for; augment.hpp is a part of it), data.hpp (where clips come
// from), sharing.hpp (what several ranks have in common), resume.hpp (going on), train.hpp (a run from its beginning to
// its end, compiled for each device in a train_*.cpp), run.hpp (the loop), recovery.hpp (numbers that are not finite),
// record.hpp (what a run leaves in its folder and says), pictures.hpp and report.hpp (what one sees).

#include "../common/gpu_ranks.hpp"
#include "memory.hpp"
#include "resume.hpp"

int main(int argc, char** argv) {
  examples::return_freed_memory();
  examples::TrainOptions options;
  options.common.out = "runs/dvdgan";
  CLI::App app("Trains a DVD-GAN on moving shapes, UCF-101, or any folder of videos or of class folders of them.",
               "train_ucf101");
  return examples::on_ranks(app.get_name(), [&](examples::Ranks& ranks) {
    return examples::run_with_defaults(app, argc, argv, options, ranks, [&] {
      examples::take_device(options.common.device, options.common.precision, ranks);
      return examples::on_used_device(options.common.device, options.common.precision,
                                      [&]<class T, class D>() { return examples::train<T, D>(options, ranks); });
    });
  });
}
