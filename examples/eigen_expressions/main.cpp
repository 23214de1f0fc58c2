// Tensors in Eigen's hands: arithmetic, reductions, shuffles and contractions of one's own, and a loss that the library
// does not have, with which a small network learns to remove noise.
//
//     eigen_expressions
//
// Read from here to the end; it is about as long as it looks.

#include <fmt/ranges.h>

#include <dvd/eigen.hpp>
#include <dvd/layers/activation.hpp>
#include <dvd/layers/convolution.hpp>
#include <dvd/layers/sequential.hpp>
#include <dvd/training/adam.hpp>
#include <vector>

#include "../common/program.hpp"

using dvd::assign;
using dvd::eigen;
using dvd::evaluate;
using dvd::Index;
using dvd::Shape;
using dvd::Tensor;

// 1. What is an expression?
//
// `eigen<Rank>(x)` is x as a tensor of Eigen's: the same elements, nothing is copied, and x must outlive it. What is
// written with such tensors is computed when `evaluate` makes a tensor of it or `assign` puts it into one, in a single
// pass over the elements, on all threads, and to the same bits on any number of them.

void arithmetic() {
  const std::vector<float> numbers{1, 2, 3, 4, 5, 6};
  Tensor<float> x(Shape{2, 3}, numbers);
  const auto a = eigen<2>(x);

  const Tensor<float> y = evaluate(a * a - 2.0f * a + 0.5f);
  fmt::print("x^2 - 2x + 0.5        {}\n", fmt::join(y.to_vector(), " "));

  assign(x[1], eigen<1>(x[0]).sqrt() + eigen<1>(x[1]));  // into one row of x
  fmt::print("second row, changed   {:.2f}\n", fmt::join(x[1].to_vector(), " "));
}

// 2. How are axes summed, exchanged and multiplied?
//
// Axes are counted from 0. A reduction removes those that it is given, all of them if none; a contraction multiplies
// along pairs of axes, first of the left, then of the right tensor, as a product of matrices does along {1, 0}.

void axes() {
  // Two frames of a batch of three images, 4 x 4 pixels of 2 channels.
  Tensor<float> video(Shape{2, 3, 4, 4, 2});
  dvd::Cpu::random_normal(video.size(), dvd::Random(1), 1.0f, video.data());
  const auto v = eigen<5>(video);

  const Tensor<float> channel_means = evaluate(v.mean(Eigen::array<int, 4>{0, 1, 2, 3}));
  fmt::print("means of channels     {:.3f}\n", fmt::join(channel_means.to_vector(), " "));
  fmt::print("largest of all        {:.3f}\n", evaluate(v.maximum()).item());

  // One video after the other, channels before pixels: [N, T, C, H, W].
  const Tensor<float> other_order = evaluate(v.shuffle(Eigen::array<int, 5>{1, 0, 4, 2, 3}));
  fmt::print("shuffled              {}\n", dvd::concat(other_order.shape()));

  // How alike the channels are, over all pixels: [2, pixels] times [pixels, 2].
  const auto pixels = v.reshape(Eigen::array<Index, 2>{video.size() / 2, 2});
  const Eigen::array<Eigen::IndexPair<int>, 1> along_pixels{Eigen::IndexPair<int>(0, 0)};
  const Tensor<float> moments = evaluate(pixels.contract(pixels, along_pixels) / static_cast<float>(video.size() / 2));
  fmt::print("second moments        {:.3f}\n", fmt::join(moments.to_vector(), " "));
}

// 3. A loss of one's own
//
// The Charbonnier loss is the mean of sqrt(d^2 + e^2), d being the difference and e a small number: an absolute error
// that has a slope at 0 (Charbonnier et al. 1994). A network's backward pass asks for the slope alone, d / sqrt(d^2 +
// e^2) / n.

constexpr float smooth = 1e-3f;

float charbonnier(const dvd::ConstTensorView<float>& y, const dvd::ConstTensorView<float>& target) {
  const auto d = eigen<4>(y) - eigen<4>(target);
  return evaluate((d.square() + smooth * smooth).sqrt().mean()).item();
}

Tensor<float> charbonnier_gradient(const dvd::ConstTensorView<float>& y, const dvd::ConstTensorView<float>& target) {
  const auto d = eigen<4>(y) - eigen<4>(target);
  return evaluate(d / (d.square() + smooth * smooth).sqrt() / static_cast<float>(y.size()));
}

// 4. Pictures by a formula, and a network that cleans them
//
// `generate` computes every element from its place. The pictures are discs, each at its own place and of its own size.

Tensor<float> discs(Index count, Index size) {
  Tensor<float> images(Shape{count, size, size, 1});
  const auto disc = [size](const Eigen::array<Index, 4>& place) {
    const auto [image, row, column, channel] = place;
    const float down = static_cast<float>(row - size / 3 - image % 6),
                right = static_cast<float>(column - size / 3 - image % 5);
    const float radius = static_cast<float>(3 + image % 4);
    return down * down + right * right < radius * radius ? 1.0f : -1.0f;
  };
  assign(images, eigen<4>(images).generate(disc));
  return images;
}

void denoise(int steps, std::uint64_t seed) {
  const dvd::Random random(seed);
  const Tensor<float> clean = discs(16, 24);
  Tensor<float> noise(clean.shape());
  dvd::Sequential network(dvd::Conv2D<float>(1, 8, 3, random.stream("first")), dvd::ReLU<float>(),
                          dvd::Conv2D<float>(8, 8, 3, random.stream("second")), dvd::ReLU<float>(),
                          dvd::Conv2D<float>(8, 1, 3, random.stream("third")));
  auto parameters = dvd::contents(network);
  dvd::Adam<float> optimizer(parameters, {.learning_rate = 0.005, .beta1 = 0.9});
  const auto always = Tensor<float>::full({1}, 1);
  for (int step = 0; step <= steps; ++step) {
    dvd::Cpu::random_normal(noise.size(), random.stream("noise").stream(static_cast<std::uint64_t>(step)), 0.7f,
                            noise.data());
    const Tensor<float> noisy = evaluate(eigen<4>(clean) + eigen<4>(noise));
    decltype(network)::Cache cache;
    const Tensor<float> y = network.forward(noisy, dvd::Pass::train(), &cache);
    if (step % (steps / 4 + 1) == 0 || step == steps)
      fmt::print("step {:4}             loss {:.4f}, of the noisy pictures {:.4f}\n", step, charbonnier(y, clean),
                 charbonnier(noisy, clean));
    parameters.clear_gradients();
    network.backward(charbonnier_gradient(y, clean), cache, dvd::Gradients::parameters);
    optimizer.advance();
    optimizer.step(always);
  }
}

int main(int argc, char** argv) {
  int steps = 100;
  std::int64_t threads = 0;
  std::uint64_t seed = 0;
  CLI::App app("Computes with expressions of Eigen's, and trains a network with a loss written as one.",
               "eigen_expressions");
  app.add_option("--steps", steps, "steps to train")->check(CLI::Range(1, 1'000'000))->capture_default_str();
  app.add_option("--seed", seed, "seed of all random choices")->capture_default_str();
  app.add_option("--threads", threads, "threads to compute on; 0 means all cores")
      ->check(CLI::Range(0, 4096))
      ->capture_default_str();
  return examples::run(app, argc, argv, [&] {
    const dvd::ThreadLimit limit(threads);
    examples::running = true;
    arithmetic();
    axes();
    denoise(steps, seed);
    return 0;
  });
}
