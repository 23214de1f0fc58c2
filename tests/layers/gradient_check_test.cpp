// The check of gradients, for tests of one's own layers: it passes what is right and tells what is wrong.
#include "dvd/testing/gradient_check.hpp"

#include <doctest/doctest.h>

#include <functional>
#include <string>

namespace {

using namespace dvd;
using View = ConstTensorView<double>;

// y = g x, and what can be wrong with that.
enum class Mistake {
  none,
  sign,           // of the gradient of x
  assigned,       // the gradient of g, instead of being added
  unwanted,       // gradients that were not asked for
  unasked,        // of parameters
  any_shape,      // dy is not checked
  unwritten,      // an element of the gradient of x is left as it was
  changes_input,  // in the backward pass
  forgets,        // a pass without a cache gives another result
  any_cache,      // the cache is not checked
  no_gradient     // of g
};

class Gain {
 public:
  using scalar_type = double;
  using device_type = Cpu;
  struct Cache {
    View x;
  };

  Parameter<double> gain{Shape{1}};

  explicit Gain(Mistake mistake) : mistake_(mistake) { gain.value.fill(1.5); }

  Tensor<double> forward(const View& x, Pass, Cache* cache = nullptr) const {
    Tensor<double> y(x.shape());
    Cpu::scale(x.size(), gain.value.item() + (mistake_ == Mistake::forgets && !cache), x.data(), y.data());
    if (cache) cache->x = x;
    return y;
  }

  Tensor<double> backward(const View& dy, const Cache& cache, Gradients gradients) {
    if (mistake_ != Mistake::any_cache)
      check_filled("a gain", cache.x);
    else if (!cache.x)
      return {};
    const View x = cache.x;
    if (mistake_ != Mistake::any_shape) check_gradient("a gain", dy, x.shape());
    if ((wants_parameters(gradients) || mistake_ == Mistake::unasked) && mistake_ != Mistake::no_gradient) {
      Tensor<double> sum(Shape{1});
      Cpu::dot(x.size(), x.data(), dy.data(), sum.data());
      if (mistake_ == Mistake::assigned)
        gain.accumulator() = sum;
      else
        Cpu::add(1, sum.data(), gain.accumulator().data());
    }
    if (mistake_ == Mistake::changes_input) const_cast<double*>(x.data())[0] += 1e-3;
    if (!wants_inputs(gradients) && mistake_ != Mistake::unwanted) return {};
    Tensor<double> dx(x.shape());
    const bool skips = mistake_ == Mistake::unwritten;
    Cpu::scale(x.size() - skips, (mistake_ == Mistake::sign ? -1 : 1) * gain.value.item(), dy.data(), dx.data());
    return dx;
  }

  template <class F>
  void visit(const std::string& prefix, F& f) {
    f(prefix + "gain", gain);
  }

 private:
  Mistake mistake_;
};

// What the check says of a layer with this mistake; nothing if it is content.
std::string findings(Mistake mistake) {
  const Gain layer(mistake);
  try {
    dvd::testing::check_gradients("a gain", layer, dvd::testing::random_tensor({3, 4}, Random(2)));
  } catch (const Error& error) {
    CHECK(layer.gain.value.item() == 1.5);
    return error.what();
  }
  CHECK(layer.gain.value.item() == 1.5);  // it stays as it is
  CHECK(!layer.gain.gradient);
  return "";
}

TEST_CASE("what is right passes") { CHECK(findings(Mistake::none).empty()); }

TEST_CASE("what is wrong is told") {
  const auto tells = [](Mistake mistake, const std::string& text) {
    const std::string found = findings(mistake);
    CHECK_MESSAGE(found.find(text) != std::string::npos, text, " is not in:\n", found);
    for (std::size_t at = 0; at < found.size(); at = found.find('\n', at) + 1) {
      CHECK_MESSAGE(found.compare(at, 6, "a gain") == 0, found);  // every line says what it is about
      if (found.find('\n', at) == std::string::npos) break;
    }
  };
  tells(Mistake::sign, "a gain, evaluating: the gradient of input 0[0] is ");
  tells(Mistake::sign, "a gain, training: the gradient of input 0[11] is ");
  tells(Mistake::assigned, "the gradient of gain is not added");
  tells(Mistake::unwanted, "an input's gradient though only the parameters' were asked for");
  tells(Mistake::unasked, "the gradient of gain changed though only the inputs' were asked for");
  tells(Mistake::any_shape, "a gradient of another shape than the result's [3, 4] is not refused");
  tells(Mistake::unwritten, "the gradient of input 0[11] is ");
  tells(Mistake::changes_input, "input 0 changed");
  tells(Mistake::forgets, "a pass without a cache gives another result");
  tells(Mistake::any_cache, "a backward pass with a cache that no forward pass has filled is not refused");
  tells(Mistake::no_gradient, "the gradient of gain is missing");
}

}  // namespace
