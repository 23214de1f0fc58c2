// A program that uses every part of the library, for compiling with other people's flags and macros.
#include <dvd/convert/convert_weights.hpp>
#include <dvd/data/check_videos.hpp>
#include <dvd/data/clip_loader.hpp>
#include <dvd/data/flipped_clips.hpp>
#include <dvd/data/function_source.hpp>
#include <dvd/data/memory_clips.hpp>
#include <dvd/data/merge_sets.hpp>
#include <dvd/data/prepare_set.hpp>
#include <dvd/data/set_estimate.hpp>
#include <dvd/data/video_folder.hpp>
#include <dvd/data/video_set.hpp>
#include <dvd/distributed/guard_ranks.hpp>
#include <dvd/distributed/mpi_communicator.hpp>
#include <dvd/distributed/thread_communicator.hpp>
#include <dvd/dvdgan.hpp>
#include <dvd/io/run_folder.hpp>
#include <dvd/io/tensorboard_writer.hpp>
#include <dvd/io/video_writer.hpp>
#include <dvd/layers/columns.hpp>
#include <dvd/layers/conv_lstm.hpp>
#include <dvd/layers/cross_entropy.hpp>
#include <dvd/layers/dropout.hpp>
#include <dvd/layers/flatten.hpp>
#include <dvd/layers/frame_differences.hpp>
#include <dvd/layers/general_convolution.hpp>
#include <dvd/layers/global_average_pool.hpp>
#include <dvd/layers/grid_cell_regularizer.hpp>
#include <dvd/layers/norms.hpp>
#include <dvd/layers/plain_conv_gru.hpp>
#include <dvd/layers/pointwise_layer.hpp>
#include <dvd/layers/pool.hpp>
#include <dvd/layers/tensor_losses.hpp>
#include <dvd/layers/transposed_convolution.hpp>
#include <dvd/metrics/c3d_features.hpp>
#include <dvd/metrics/class_accuracy.hpp>
#include <dvd/metrics/clip_choice.hpp>
#include <dvd/metrics/forecast_scores.hpp>
#include <dvd/metrics/frechet_distance.hpp>
#include <dvd/metrics/i3d_features.hpp>
#include <dvd/metrics/inception_score.hpp>
#include <dvd/metrics/kernel_distance.hpp>
#include <dvd/metrics/memorisation.hpp>
#include <dvd/metrics/nearest_neighbours.hpp>
#include <dvd/metrics/precision_recall.hpp>
#include <dvd/metrics/resize.hpp>
#include <dvd/metrics/scores.hpp>
#include <dvd/metrics/shapes_features.hpp>
#include <dvd/metrics/shapes_weights.hpp>
#include <dvd/metrics/statistics_cache.hpp>
#include <dvd/models/gan.hpp>
#include <dvd/models/layer_discriminator.hpp>
#include <dvd/training/checkpoint.hpp>
#include <dvd/training/r1.hpp>
#include <dvd/training/relativistic_loss.hpp>
#include <dvd/training/sgd.hpp>

// A GAN of other parts than DVD-GAN's.
void own_gan() {
  const dvd::Random random(1);
  const dvd::DvdGanConfig config{
      .frames = 4, .height = 16, .width = 24, .image_channels = 1, .channels = 1, .classes = 0};
  dvd::Gan gan(dvd::DvdGenerator<float>(config, random),
               dvd::NamedDiscriminator{
                   "all", dvd::Regularized(
                              dvd::LayerDiscriminator(dvd::Sequential(
                                  dvd::FrameDifferences<float>(),
                                  dvd::Conv3D<float>(1, 4, dvd::ConvolutionOptions{.kernel = 4, .padding = 2}, random),
                                  dvd::GroupNorm<float>(2, 4), dvd::GELU<float>(), dvd::Dropout<float>(0.1, 1),
                                  dvd::MaxPool3D<float>({.kernel = 2}),
                                  dvd::TransposedConv3D<float>(4, 4, {.kernel = 3}, random), dvd::LeakyReLU<float>(0.2),
                                  dvd::GlobalAveragePool<float>())),
                              dvd::R1{})});
  dvd::Trainer<decltype(gan), dvd::RelativisticHingeLoss, dvd::AdamW<float>, dvd::Sgd<float>> trainer(
      gan, {.batch = 2, .schedule = dvd::WarmUp{3, dvd::CosineFall{0, 9}}});
  dvd::FunctionSource data([](const dvd::Random&) { return dvd::FloatClip(4, 16, 24, 1); });
  dvd::FlippedClips flipped(data);
  trainer.step(flipped);
  const dvd::Tensor<float> truth = dvd::Tensor<float>::zeros({4, 1, 16, 24, 1});
  dvd::GridCellRegularizer<>{.samples_per_video = 1}(truth, truth);
  dvd::write_png_grid("samples.png", gan.sample({.count = 2}), dvd::ColorMap::viridis);
}

// Scores of features.
void scores() {
  dvd::FeatureRows rows;
  rows.append(std::vector<double>{0.25, 0.75});
  dvd::FeatureMoments moments;
  moments.add(rows);
  dvd::frechet_distance(moments, moments, dvd::CovarianceForm::biased);
  dvd::frechet_distance(rows, rows, dvd::CovarianceForm::biased);
  dvd::inception_score(dvd::softmax(rows), 1, dvd::LogGuard::tgan);
  dvd::kernel_distance(rows, rows);
  dvd::precision_recall(rows, rows);
  dvd::continuous_ranked_probability_score({1, 2}, 1.5f);
  dvd::nearest_neighbours(rows, rows, 1);
  dvd::resize(dvd::Tensor<float>::zeros(dvd::Shape{1, 1, 4, 4, 3}), 8, 8, dvd::ResizeRule::corner_origin);
}

// Several ranks.
template <class Scalar, class Ranks>
void all_calls(Ranks& ranks) {
  std::vector<Scalar> x(1), y(static_cast<std::size_t>(ranks.size()));
  ranks.sum(1, x.data());
  ranks.start_sum(1, x.data());
  ranks.finish_sums();
  ranks.all_gather(1, x.data(), y.data());
  ranks.all_to_all(1, y.data(), y.data());
  ranks.broadcast(std::as_writable_bytes(std::span(x)), 0);
}

void ranks() {
  dvd::run_ranks(2, [](dvd::ThreadCommunicator& threads) { all_calls<float>(threads); });
  dvd::MpiCommunicator processes({.timeout_seconds = 60});
  dvd::guard_ranks(processes, [&] { all_calls<double>(processes); });
}

int main() {
  dvd::DvdGan<float, dvd::Cpu> gan({.frames = 4, .resolution = 16, .channels = 1, .classes = 12});
  dvd::Trainer trainer(gan, {.batch = 2, .seed = 1});
  dvd::MovingShapes shapes({.frames = 4, .resolution = 16});
  trainer.step(shapes);
  dvd::ClipLoader loader(shapes, trainer.batch_schedule(), {.batch = 2});
  trainer.step(loader);
  dvd::save_checkpoint("run.safetensors", trainer);
  dvd::load_checkpoint("run.safetensors", trainer);
  const dvd::SafetensorsFile file("run.safetensors");
  file.read<double>("x");
  file.read<std::int64_t>("y");
  const dvd::VideoFolder folder("videos");
  folder.draw(dvd::Random(1));
  const dvd::RunFolder run("run");
  run.append_log("{}");
  const auto weights = dvd::open_foreign_file("weights.npz");
  const auto match = dvd::match_tensors("weights.npz", *weights, dvd::ClipNetwork::i3d);
  dvd::ConvertedWeights("weights.npz", *weights, match).write("i3d.safetensors");
  own_gan();
  scores();
  ranks();
  dvd::Cpu::release_memory();
}
