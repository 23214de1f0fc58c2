// The recurrent units that the programs know, by name.
#pragma once

#include <dvd/layers/tsru.hpp>
#include <dvd/models/dvd_gan.hpp>
#include <string>

namespace examples {

/// A DVD-GAN with a TSRU in the place of every ConvGRU.
template <dvd::Scalar T, dvd::Device D>
struct TsruParts : dvd::DvdGanParts<T, D> {
  using Recurrent = dvd::TSRU<T, D>;
};

/// Calls `f` with the parts of a DVD-GAN with this recurrent unit: `f.template operator()<Parts>()`. Throws
/// ArgumentError for a name that is none.
template <dvd::Scalar T = float, dvd::Device D = dvd::Cpu, class F>
int with_recurrent_unit(const std::string& name, const F& f) {
  if (name == "convgru") return f.template operator()<dvd::DvdGanParts<T, D>>();
  if (name == "tsru") return f.template operator()<TsruParts<T, D>>();
  throw dvd::ArgumentError(dvd::concat("the recurrent unit ", name, " is neither convgru nor tsru"));
}

}  // namespace examples
