// Judges a clip by the weights that come with the library.
#include <dvd/io/clip_tensor.hpp>
#include <dvd/metrics/class_accuracy.hpp>
#include <dvd/metrics/shapes_features.hpp>
#include <dvd/metrics/shapes_weights.hpp>

int main() {
  const dvd::Clip clip = dvd::MovingShapes().draw(dvd::Random(1), 6).clip;
  dvd::ShapesFeatures<float> network(dvd::shapes_classifier());
  const dvd::ClipFeatures said = network(dvd::to_tensor<float>(std::span(&clip, 1)));
  return dvd::likeliest_class(said.logits.row(0)) == 6 ? 0 : 1;
}
