// DVD-GAN: the model, its training, the embedded data set, and pictures of samples. What needs more than Eigen, oneTBB
// and stb has headers of its own: <dvd/training/checkpoint.hpp>, <dvd/io/video_file.hpp>, <dvd/data/video_folder.hpp>,
// ...
//
//     #include <dvd/dvdgan.hpp>
//     int main() {
//       dvd::DvdGan<float, dvd::Cpu> gan({.frames = 8, .resolution = 32, .channels = 8, .classes = 12});
//       dvd::Trainer trainer(gan, {.batch = 8, .seed = 1});
//       dvd::MovingShapes data({.frames = 8, .resolution = 32});
//       for (int step = 0; step < 100; ++step) trainer.step(data);
//       dvd::write_png_grid("samples.png", gan.sample({.label = 3, .count = 4}));
//     }
#pragma once

#include "dvd/core/macros_begin.hpp"

#include "dvd/data/function_source.hpp"
#include "dvd/data/memory_clips.hpp"
#include "dvd/data/moving_shapes.hpp"
#include "dvd/device/cpu.hpp"
#include "dvd/io/videos.hpp"
#include "dvd/layers/sequential.hpp"
#include "dvd/layers/tsru.hpp"
#include "dvd/models/dvd_gan.hpp"
#include "dvd/models/prediction.hpp"
#include "dvd/models/recorded_generator.hpp"
#include "dvd/models/served_generator.hpp"
#include "dvd/training/trainer.hpp"
#include "dvd/version.hpp"

#include "dvd/core/macros_end.hpp"
