// From a checkpoint to clips.
#pragma once

#include <fmt/core.h>

#include <algorithm>
#include <dvd/models/dvd_gan.hpp>
#include <dvd/models/recorded_generator.hpp>
#include <dvd/training/checkpoint.hpp>

#include "../common/checkpoints.hpp"
#include "../common/recurrent.hpp"
#include "../common/sizes.hpp"
#include "clip_maker.hpp"

namespace examples {

template <class Gan>
class Generator final : public ClipMaker {
 public:
  using T = typename Gan::scalar_type;
  using D = typename Gan::device_type;

  Generator(const ClipMakerOptions& options, const std::filesystem::path& path, const dvd::SafetensorsFile& file)
      : options_(options), networks_(dvd::read_config(file, path), dvd::Random::none()), recorded_(networks_) {
    config = networks_.generator.config();
    dvd::load_generator(file, path, networks_, options.live);
    for (const std::string& name : examples::class_names(file, config.classes)) class_names.push_back(name);
    const dvd::Json run = run_config(file);
    if (run.contains("stride") && run["stride"].is_number_integer())
      stride = std::clamp<dvd::Index>(run["stride"].get<dvd::Index>(), 1, 1000);
    description = fmt::format("{}, {} frames of {}", path.string(), config.frames, pixels_text(config));
    identity = checksum(file);
    collect_statistics();
  }

  dvd::Tensor<float> make(dvd::Index repeat, dvd::Index first, dvd::Index count, const dvd::Labels& labels,
                          const dvd::ConstTensorView<float>& condition) override {
    const dvd::Random random =
        dvd::Random(options_.seed).stream("evaluation").stream(static_cast<std::uint64_t>(repeat));
    std::vector<T> latents;
    for (dvd::Index i = 0; i < count; ++i) {
      const std::vector<T> z =
          dvd::draw_latents<T>(config.latent_dim, {.count = 1,
                                                   .seed = random.bits(static_cast<std::uint64_t>(first + i)),
                                                   .truncation = options_.truncation,
                                                   .threshold = options_.threshold})
              .to_vector();
      latents.insert(latents.end(), z.begin(), z.end());
    }
    const dvd::Tensor<T, D> z(dvd::Shape{count, config.latent_dim}, latents);
    dvd::ConstTensorView<T, D> given;
    if (condition) given = dvd::cast<T>(dvd::Tensor<float, D>(condition.shape(), condition.to_vector()));
    const auto videos = dvd::cast<float>(recorded_.generate(z, labels, given));
    return dvd::Tensor<float>(videos.shape(), videos.to_vector());
  }

  void set_truncation(double truncation) override {
    options_.truncation = truncation;
    collect_statistics();
  }

 private:
  static std::string checksum(const dvd::SafetensorsFile& file) {
    dvd::detail::ContentHash hash;
    for (const std::string& name : file.names()) {
      hash.add(name);
      if (name.starts_with("optimizer.")) continue;
      const std::vector<float> values = file.read<float>(name);
      hash.add(std::as_bytes(std::span(values)));
    }
    return hash.text();
  }

  void collect_statistics() {
    if (options_.standing > 0)
      dvd::collect_standing_statistics(networks_.generator, options_.standing, 8, options_.seed, options_.truncation,
                                       options_.threshold);
  }

  ClipMakerOptions options_;
  typename Gan::Networks networks_;
  dvd::RecordedGenerator<typename Gan::Networks> recorded_;
};

template <class T, class D>
std::unique_ptr<ClipMaker> open_generator(const ClipMakerOptions& options) {
  const std::filesystem::path path = find_checkpoint(options.checkpoint);
  const dvd::SafetensorsFile file(path);
  std::unique_ptr<ClipMaker> maker;
  with_recurrent_unit<T, D>(recurrent_of(file), [&]<class Parts>() {
    maker = std::make_unique<Generator<dvd::DvdGan<T, D, Parts>>>(options, path, file);
    return 0;
  });
  return maker;
}

}  // namespace examples
