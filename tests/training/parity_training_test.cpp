// Losses, optimizer, moving average and two whole training steps against reference values of another implementation.
#include "support/devices.hpp"

#include <doctest/doctest.h>

#include <map>
#include <string>

#include "dvd/training/relativistic_loss.hpp"
#include "dvd/training/sgd.hpp"
#include "dvd/training/trainer.hpp"
#include "support/parity.hpp"

namespace {

using namespace dvd;
using dvd::testing::Reference;

// Value and gradient of the mean of a loss's terms.
template <class P, class D, class Term>
P mean(const Tensor<P, D>& scores, Term term, Tensor<P, D>& dscores) {
  auto loss = Tensor<P, D>::zeros(Shape{1});
  dscores = Tensor<P, D>(scores.shape());
  D::mean_loss(scores.size(), scores.data(), term, loss.data(), dscores.data());
  return loss.item();
}

template <class Loss, class T, class D>
void check_loss(Reference<T, D>& reference, const std::string& name) {
  using P = FullPrecision<T>;
  const Tensor<P, D> real = reference.precise_tensor("in.real"), fake = reference.precise_tensor("in.fake");
  Tensor<P, D> dreal, dfake, dgenerator;
  const P of_real = mean(real, RealTerm<Loss>(), dreal);
  const P of_fake = mean(fake, FakeTerm<Loss>(), dfake);
  const P of_generator = mean(fake, GeneratorTerm<Loss>(), dgenerator);
  reference.check(name + ".out.d", static_cast<double>(of_real + of_fake));
  reference.check(name + ".out.g", static_cast<double>(of_generator));
  reference.check(name + ".grad.d.real", dreal);
  reference.check(name + ".grad.d.fake", dfake);
  reference.check(name + ".grad.g.fake", dgenerator);
}

TEST_CASE_TEMPLATE("losses", O, DVD_DEVICES) {
  using T = typename O::T;
  using D = typename O::D;
  Reference<T, D> reference("losses");
  reference.expect_full_precision();
  check_loss<HingeLoss>(reference, "hinge");
  check_loss<NonSaturatingLoss>(reference, "non_saturating");
  check_loss<LeastSquaresLoss>(reference, "least_squares");
  check_loss<WassersteinLoss>(reference, "wasserstein");
  reference.finish();
}

// One parameter, as contents.
template <class P, class D>
Contents<P, D> alone(Parameter<P, D>& parameter) {
  Contents<P, D> result;
  result("w", parameter);
  return result;
}

TEST_CASE_TEMPLATE("Adam", O, DVD_DEVICES) {
  using T = typename O::T;
  using D = typename O::D;
  using P = FullPrecision<T>;
  Reference<T, D> reference("adam");
  reference.expect_full_precision();
  const Tensor<P, D> gradients = reference.precise_tensor("in.grad");
  for (const auto& [name, options] : reference.attributes().at("runs").items()) {
    Parameter<P, D> parameter(Shape{gradients.extent(1)});
    parameter.value.copy_from(reference.precise_tensor("in.w"));
    Adam<P, D> adam(alone(parameter), {options.at("lr"), options.at("beta1"), options.at("beta2"), options.at("eps")});
    Tensor<P, D> w(gradients.shape()), average(gradients.shape()), average_square(gradients.shape());
    for (Index i = 0; i < gradients.extent(0); ++i) {
      parameter.accumulator().copy_from(gradients[i]);
      adam.advance();
      adam.step(Tensor<P, D>::full(Shape{1}, 1));
      w[i].copy_from(parameter.value);
      average[i].copy_from(adam.moments()[0].average);
      average_square[i].copy_from(adam.moments()[0].average_square);
    }
    CHECK(adam.steps() == gradients.extent(0));
    reference.check(name + ".out.w", w);
    reference.check(name + ".out.exp_avg", average);
    reference.check(name + ".out.exp_avg_sq", average_square);
  }
  reference.finish();
}

// What an optimizer makes of one parameter under the gradients of a reference file, update by update: the parameter
// and, under the names that its `visit` shows, what it remembers.
template <class Optimizer, class O, class OptionsOf>
void check_optimizer(const char* file, const OptionsOf& options_of) {
  using T = typename O::T;
  using D = typename O::D;
  using P = FullPrecision<T>;
  Reference<T, D> reference(file);
  reference.expect_full_precision();
  const Tensor<P, D> gradients = reference.precise_tensor("in.grad");
  for (const auto& [name, options] : reference.attributes().at("runs").items()) {
    Parameter<P, D> parameter(Shape{gradients.extent(1)});
    parameter.value.copy_from(reference.precise_tensor("in.w"));
    Optimizer optimizer(alone(parameter), options_of(options));
    std::map<std::string, Tensor<P, D>> results;
    const auto note = [&](Index update, const std::string& what, const Tensor<P, D>& value) {
      Tensor<P, D>& result = results[what];
      if (!result) result = Tensor<P, D>(gradients.shape());
      result[update].copy_from(value);
    };
    for (Index i = 0; i < gradients.extent(0); ++i) {
      parameter.accumulator().copy_from(gradients[i]);
      optimizer.advance();
      optimizer.step(Tensor<P, D>::full(Shape{1}, 0));  // changes nothing
      optimizer.step(Tensor<P, D>::full(Shape{1}, 1));
      note(i, "w", parameter.value);
      optimizer.visit([&](const std::string& what, const Tensor<P, D>& value) { note(i, what.substr(2), value); });
    }
    for (const auto& [what, result] : results) reference.check(name + ".out." + what, result);
  }
  reference.finish();
}

TEST_CASE_TEMPLATE("stochastic gradient descent", O, DVD_DEVICES) {
  using D = typename O::D;
  check_optimizer<Sgd<FullPrecision<typename O::T>, D>, O>("sgd", [](const auto& options) {
    return SgdOptions{options.at("lr"), options.at("momentum"), options.at("nesterov"), options.at("weight_decay")};
  });
}

TEST_CASE_TEMPLATE("AdamW", O, DVD_DEVICES) {
  using D = typename O::D;
  check_optimizer<AdamW<FullPrecision<typename O::T>, D>, O>("adamw", [](const auto& options) {
    return AdamWOptions{options.at("lr"), options.at("beta1"), options.at("beta2"), options.at("eps"),
                        options.at("weight_decay")};
  });
}

TEST_CASE_TEMPLATE("the relativistic hinge", O, DVD_DEVICES) {
  using T = typename O::T;
  using D = typename O::D;
  using P = FullPrecision<T>;
  Reference<T, D> reference("relativistic_losses");
  reference.expect_full_precision();
  const Tensor<P, D> real = reference.precise_tensor("in.real"), fake = reference.precise_tensor("in.fake");
  const auto check = [&](const std::string& who, const PairedLoss<P, D>& loss) {
    reference.check("relativistic_hinge.out." + who, static_cast<double>(loss.loss.item()));
    reference.check("relativistic_hinge.grad." + who + ".real", loss.dreal);
    reference.check("relativistic_hinge.grad." + who + ".fake", loss.dfake);
  };
  check("d", RelativisticHingeLoss::template discriminator<P, D>(real, fake));
  check("g", RelativisticHingeLoss::template generator<P, D>(real, fake));
  reference.finish();
}

TEST_CASE_TEMPLATE("moving average", O, DVD_DEVICES) {
  using T = typename O::T;
  using D = typename O::D;
  using P = FullPrecision<T>;
  Reference<T, D> reference("ema");
  reference.expect_full_precision();
  const Tensor<P, D> weights = reference.precise_tensor("in.w");
  for (const auto& [name, options] : reference.attributes().at("runs").items()) {
    const Shape shape{weights.extent(1)};
    Parameter<P, D> live(shape), average(shape);
    average.value.copy_from(reference.precise_tensor("in.initial"));
    Tensor<P, D> averages(weights.shape());
    MovingAverage<P, D> follower(alone(live), alone(average), {options.at("decay"), options.at("start")});
    for (Index i = 0; i < weights.extent(0); ++i) {
      live.value.copy_from(weights[i]);
      follower.advance(i + 1);
      follower.step(Tensor<P, D>::full(Shape{1}, 1));
      averages[i].copy_from(average.value);
    }
    reference.check(name + ".out.average", averages);
  }
  reference.finish();
}

// The networks that are trained, without the average.
template <class T, class D>
Contents<T, D> trained(DvdGan<T, D>& gan) {
  Contents<T, D> result;
  gan.networks().visit("", result);
  gan.spatial.visit("spatial.", result);
  gan.temporal.visit("temporal.", result);
  return result;
}

// A weight after some steps, in float. Adam divides a gradient by its own size, so rounding noise in a tiny one moves a
// weight by up to the learning rate at every update: no weight may be further off than all its updates together could
// move it one way and the reference another, and where gradients are not zero in truth next to none may be off at all.
template <class T, class D>
struct SteppedWeights {
  Index elements = 0, beyond = 0;

  void check(Reference<T, D>& reference, const std::string& tensor, const std::string& parameter,
             const Tensor<T, D>& actual, Index step) {
    const auto& attributes = reference.attributes();
    const bool of_generator = parameter.starts_with("generator.") || parameter.starts_with("conditioning.");
    const double rate =
        of_generator ? attributes.at("lr_g").template get<double>() : 2 * attributes.at("lr_d").template get<double>();
    const auto [expected, difference] = reference.difference_of(tensor, actual);
    CHECK_MESSAGE(difference <= 2 * static_cast<double>(step) * rate, tensor);
    if (reference.has_zero_gradient(parameter)) return;
    double largest = 0;
    for (const double value : expected) largest = std::max(largest, std::abs(value));
    const std::vector<T> values = actual.to_vector();
    for (std::size_t i = 0; i < values.size(); ++i)
      beyond += std::abs(static_cast<double>(values[i]) - expected[i]) > reference.tolerance() * largest;
    elements += actual.size();
  }
};

// In float, about two in a hundred sets of other values fail here, as they do in the reference implementation in float:
// an input of a ReLU lies within rounding of 0 and falls on the other side, and gradients jump. In double none does.
template <class T, class D>
void check_training(const char* file) {
  constexpr bool single = sizeof(T) == 4;
  constexpr double mean_slack = 10;  // in float, batch means follow biases that move on rounding noise

  Reference<T, D> reference(file);
  const auto& attributes = reference.attributes();
  REQUIRE(attributes.at("loss") == "hinge");
  DvdGan<T, D> gan(reference.config());
  reference.load(trained(gan), "before.", "before.");
  const auto adam = [&](const char* rate) {
    return AdamOptions{attributes.at(rate), attributes.at("beta1"), attributes.at("beta2"), attributes.at("eps")};
  };
  TrainerOptions options;
  options.generator_optimizer = adam("lr_g");
  options.discriminator_optimizer = adam("lr_d");
  Trainer trainer(gan, options);
  SteppedWeights<T, D> stepped;

  for (Index step = 1; step <= reference.size("steps"); ++step) {
    for (const char* update : {"d1", "d2", "g"}) {
      const std::string at = concat("step", step, ".", update, ".");
      StepReport report;
      const Tensor<T, D> z = reference.tensor(at + "in.z");
      const Labels labels = reference.labels(at + "in.labels");
      const FrameIndices frames = reference.frames(at + "in.frames");
      if (update == std::string("g")) {
        Tensor<T, D> condition;
        if (gan.config().condition_frames > 0)
          condition = reference.tensor(at + "in.condition", dvd::testing::videos_layout);
        trainer.generator_update({z, labels, frames, condition}, report);
        reference.check(at + "out.loss", report.generator_loss);
        if (step == 1) reference.check_gradients(at + "grad.", contents(gan.networks()));
      } else {
        trainer.discriminator_update(
            {reference.tensor(at + "in.real", dvd::testing::videos_layout), reference.labels(at + "in.real_labels"), z,
             labels, reference.frames(at + "in.real_frames"), frames},
            report);
        reference.check(at + "out.loss_spatial", report.discriminator("spatial").loss);
        reference.check(at + "out.loss_temporal", report.discriminator("temporal").loss);
        if (at == "step1.d1.") {
          reference.check_gradients(at + "grad.", contents(gan.spatial, "spatial."));
          reference.check_gradients(at + "grad.", contents(gan.temporal, "temporal."));
        }
      }
    }

    const std::string after = concat("step", step, ".after.");
    const Contents<T, D> now = trained(gan);
    for (const auto& [name, parameter] : now.parameters)
      if (single)
        stepped.check(reference, after + name, name, parameter->value, step);
      else
        reference.check(after + name, parameter->value);
    for (const auto& [name, buffer] : now.buffers)
      reference.check(after + name, buffer->value, dvd::testing::as_stored,
                      single && name.ends_with("running_mean") ? mean_slack : 1);
  }
  CHECK(stepped.beyond <= stepped.elements / 1000);
  reference.finish();
}

// Not in bfloat16: its rounding is noise in every gradient, which Adam turns into whole steps from the first update on,
// so no number after it could be compared. tests/cuda/training_test.cpp compares what can be.
template <class O>
void check_training_unless_coarse(const char* file) {
  if constexpr (!std::same_as<typename O::T, bfloat16>) check_training<typename O::T, typename O::D>(file);
}

TEST_CASE_TEMPLATE("two training steps", O, DVD_DEVICES) { check_training_unless_coarse<O>("train_step"); }

TEST_CASE_TEMPLATE("two training steps of a model of one stage, one channel and no classes", O, DVD_DEVICES) {
  check_training_unless_coarse<O>("train_step_general");
}

TEST_CASE_TEMPLATE("a training step of the model that predicts", O, DVD_DEVICES) {
  check_training_unless_coarse<O>("train_step_fp");
}

}  // namespace
