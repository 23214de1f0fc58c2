// Continues a video file with a DVD-GAN that predicts (DVD-GAN-FP).
//
//     predict_frames                                              # moving shapes, with the model that comes along
//     train_ucf101 --preset demo-prediction --out runs/prediction
//     predict_frames --checkpoint runs/prediction --input clip.mp4 --start 1.5 --count 4 --out predictions
//
// Read on in options.hpp (what is asked for), input.hpp (what is continued), predict.hpp (the work, compiled for
// each device in a predict_*.cpp) and files.hpp (what is said and written).

#include "../common/program_on_ranks.hpp"
#include "options.hpp"

int main(int argc, char** argv) {
  examples::PredictOptions options;
  options.common.out = "predictions";
  CLI::App app("Continues a video file with a DVD-GAN that predicts (DVD-GAN-FP).", "predict_frames");
  examples::add_options(app, options);
  return examples::run_on_ranks(app, argc, argv, options.common, [&](examples::Ranks& ranks) {
    return examples::on_device(options.common.device, options.common.precision,
                               [&]<class T, class D>() { return examples::predict<T, D>(options, ranks); });
  });
}
