// A video GAN of your own, from the parts of dvd: a recurrent unit, a loss and a frame sampler that the library does
// not have, trained for a minute on moving shapes.
//
//     custom_gan --out runs/custom
//
// Read from here to the end; it is about as long as it looks.

#include <dvd/dvdgan.hpp>

#include "../common/program.hpp"

// 1. What does the generator remember from frame to frame?
//
// DVD-GAN puts a ConvGRU at every resolution. Any type can stand in its place that the concept dvd::RecurrentUnit
// accepts: it is made from a width and a stream of random numbers, maps features x [T, N, H, W, C] to states of the
// same shape, and knows its own gradient. Ours is Elman's network of 1990, as a convolution:
//
//     h_t = tanh(W * h_{t-1} + b + x_t)
//
// Tensors are row-major with channels last; frames come first, so that h[t] is one frame of the whole batch. A Tensor
// owns its elements, and a copy has elements of its own; a view refers to those of a tensor, keeps them alive, and may
// be of a part of it. What a layer reads it takes as views, what it makes it returns as tensors. Kernels are functions
// of the device D, which is what lets the same code run elsewhere. Layers hold their weights and nothing else: what a
// backward pass needs is put into a cache that the caller owns, if there is one. As it is not changed any more, views
// of it will do.

template <dvd::Scalar T, dvd::Device D = dvd::Cpu>
class ElmanUnit {
 public:
  using scalar_type = T;
  using device_type = D;
  using Tensor = dvd::Tensor<T, D>;
  using View = dvd::ConstTensorView<T, D>;  // for reading

  struct Cache {
    dvd::Shape x;
    View states;
    std::vector<typename dvd::Conv2D<T, D>::Cache> steps;
  };
  struct InputGradients {
    Tensor x, state;
  };

  ElmanUnit(dvd::Index width, const dvd::Random& random) : conv(width, width, 3, random) {}

  Tensor forward(const View& x, dvd::Index frames, const View& state, dvd::Pass pass, Cache* cache = nullptr) {
    const dvd::Shape frame = x.shape().tail();  // x may be one frame that stands for all: T is 1, or `frames`
    Tensor states(x.shape().with_first(frames));
    if (cache) *cache = {x.shape(), states, std::vector<typename dvd::Conv2D<T, D>::Cache>(frames)};
    View h = state ? state : View(Tensor::zeros(frame));
    for (dvd::Index t = 0; t < frames; ++t) {
      Tensor next = conv.forward(h, pass, cache ? &cache->steps[t] : nullptr);
      D::add(next.size(), x[x.extent(0) == 1 ? 0 : t].data(), next.data());
      D::tanh(next.size(), next.data(), next.data());
      states[t].copy_from(next);  // writing to a view writes into `states`
      h = states[t];
    }
    return states;
  }

  InputGradients backward(const View& dy, const Cache& cache, dvd::Gradients gradients) {
    const auto inner = dvd::wants_parameters(gradients) ? dvd::Gradients::all : dvd::Gradients::inputs;
    Tensor dx = Tensor::zeros(cache.x), dh = Tensor::zeros(dy.shape().tail());
    for (dvd::Index t = dy.extent(0) - 1; t >= 0; --t) {
      D::add(dh.size(), dy[t].data(), dh.data());
      D::tanh_backward(dh.size(), cache.states[t].data(), dh.data(), dh.data());
      D::add(dh.size(), dh.data(), dx[cache.x[0] == 1 ? 0 : t].data());
      dh = conv.backward(dh, cache.steps[t], inner);  // adds to the gradients of W and b
    }
    return {std::move(dx), std::move(dh)};
  }

  // Optimizer, moving average and checkpoints find weights through this, under these names.
  template <class F>
  void visit(const std::string& prefix, F& f) {
    conv.visit(prefix + "conv.", f);
  }

 private:
  dvd::Conv2D<T, D> conv;
};

// 2. What do generator and discriminators minimise?
//
// A loss says, for one score, its value and its slope: what the discriminator makes of the score of a real and of a
// generated video, and the generator of its own. The library has the hinge, the least-squares, the Wasserstein and the
// non-saturating loss; this is least squares with a target for real videos that is not quite 1, which keeps a
// discriminator from being too sure of itself.

struct SmoothedLeastSquares {
  template <dvd::Scalar T>
  static std::pair<T, T> towards(T target, T score) {
    return {(score - target) * (score - target) / 2, score - target};
  }
  template <dvd::Scalar T>
  static std::pair<T, T> real(T score) {
    return towards(T(0.9), score);
  }
  template <dvd::Scalar T>
  static std::pair<T, T> fake(T score) {
    return towards(T(0), score);
  }
  template <dvd::Scalar T>
  static std::pair<T, T> generator(T score) {
    return towards(T(0.9), score);
  }
};

// 3. Which frames does the spatial discriminator see?
//
// DVD-GAN draws k of them anew for every video. Ours always shows the ends of a clip and what lies evenly between.

struct EndsAndBetween {
  static dvd::FrameIndices draw(const dvd::Random&, dvd::Index videos, dvd::Index frames, dvd::Index count) {
    dvd::FrameIndices result{videos, count, {}};
    for (dvd::Index video = 0; video < videos; ++video)
      for (dvd::Index j = 0; j < count; ++j)
        result.values.push_back(count > 1 ? j * (frames - 1) / (count - 1) : frames / 2);
    return result;
  }
};

// 4. How do the parts become a GAN?
//
// Name those that are yours; the others stay DVD-GAN's. Had one of them lacked something, the compiler would say which
// concept it does not satisfy, and for want of what.

struct MyParts : dvd::DvdGanParts<float> {
  using Recurrent = ElmanUnit<float>;
  using Sampler = EndsAndBetween;
};
using MyGan = dvd::DvdGan<float, dvd::Cpu, MyParts>;

// 5. How is it trained, and what does it make?

int train(const examples::CommonOptions& options, int steps) {
  options.require_cpu();
  const dvd::ThreadLimit threads(options.threads);
  dvd::MovingShapes shapes({.frames = 8, .resolution = 32});
  MyGan gan({.frames = 8,
             .resolution = 32,
             .channels = 4,
             .classes = shapes.classes(),
             .latent_dim = 16,
             .embed_dim = 32,
             .spatial_frames = 2},
            options.seed);
  dvd::Trainer<MyGan, SmoothedLeastSquares> trainer(gan, {.batch = 16,
                                                          .seed = options.seed,
                                                          .generator_optimizer = {.learning_rate = 1e-3},
                                                          .discriminator_optimizer = {.learning_rate = 1e-3},
                                                          .average = {.decay = 0.98, .start = 50}});
  std::filesystem::create_directories(options.out);
  examples::running = true;
  for (int step = 1; step <= steps; ++step) {
    const dvd::StepReport report = trainer.step(shapes);
    if (step % 50 == 0 && !options.quiet)
      fmt::print("step {}/{}  D_S {:.3f}  D_T {:.3f}  G {:.3f}\n", step, steps, report.discriminator("spatial").loss,
                 report.discriminator("temporal").loss, report.generator_loss);
  }
  // A disc to the left, a square to the right, a triangle upwards: the frames of a sample of each, in a row.
  for (const auto& [name, label] :
       {std::pair("disc-left", 0), std::pair("square-right", 5), std::pair("triangle-up", 10)})
    dvd::write_png_grid(std::filesystem::path(options.out) / (std::string(name) + ".png"),
                        gan.sample({.label = label, .count = 4, .seed = options.seed}));
  if (!options.quiet) fmt::print("samples    {}\n", options.out);
  return 0;
}

// From here: checkpoints are in <dvd/training/checkpoint.hpp>, videos from files in <dvd/data/video_folder.hpp>; the
// other parts that can be exchanged are listed with dvd::DvdGanParts.

int main(int argc, char** argv) {
  examples::CommonOptions options;
  options.out = "runs/custom";
  int steps = 450;
  CLI::App app("Trains a video GAN with a recurrent unit, a loss and a frame sampler of its own.", "custom_gan");
  options.add_to(app);
  app.add_option("--steps", steps, "steps to train")->check(CLI::Range(1, 1'000'000))->capture_default_str();
  return examples::run(app, argc, argv, [&] { return train(options, steps); });
}
