// The element types of tensors in files, and half-precision numbers.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <array>
#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <type_traits>

#include "dvd/core/instruction_set.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

static_assert(std::endian::native == std::endian::little,
              "safetensors files are read and written as they lie in memory");

/// The element types a file can hold; BOOL is a byte that is 0 or 1.
enum class DataType { F64, F32, F16, BF16, I64, I32, I16, I8, U64, U32, U16, U8, BOOL };

namespace detail {

inline constexpr std::array<std::string_view, 13> data_type_names = {"F64", "F32", "F16", "BF16", "I64", "I32", "I16",
                                                                     "I8",  "U64", "U32", "U16",  "U8",  "BOOL"};
inline constexpr std::array<std::size_t, 13> data_type_sizes = {8, 4, 2, 2, 8, 4, 2, 1, 8, 4, 2, 1, 1};

template <class T, class... Choices>
concept OneOf = (std::same_as<T, Choices> || ...);

}  // namespace detail

/// Bytes per element.
constexpr std::size_t size_of(DataType type) { return detail::data_type_sizes[static_cast<std::size_t>(type)]; }

/// The name the file format uses: "F32".
constexpr std::string_view name_of(DataType type) { return detail::data_type_names[static_cast<std::size_t>(type)]; }

/// What tensors can be read as: float, double and the integers, without bool and the character types.
template <class T>
concept TensorNumber = detail::OneOf<T, double, float, signed char, short, int, long, long long, unsigned char,
                                     unsigned short, unsigned, unsigned long, unsigned long long>;

/// What tensors can be written from.
template <class T>
concept TensorElement = TensorNumber<T> || std::same_as<T, bool>;

/// The type that stores a T exactly.
template <TensorElement T>
constexpr DataType data_type_of() {
  if constexpr (std::same_as<T, bool>) return DataType::BOOL;
  if constexpr (std::floating_point<T>) return sizeof(T) == 8 ? DataType::F64 : DataType::F32;
  const DataType widest = std::is_signed_v<T> ? DataType::I64 : DataType::U64;  // the next have half its size each
  return static_cast<DataType>(static_cast<int>(widest) + std::countr_zero(8 / sizeof(T)));
}

/// The value of an IEEE 754 half-precision number given by its bits. Exact.
constexpr float half_to_float(std::uint16_t half) {
  const std::uint32_t sign = std::uint32_t{half & 0x8000u} << 16;
  const std::uint32_t exponent = half >> 10 & 0x1F;
  const std::uint32_t fraction = half & 0x3FF;
  if (exponent == 0) {  // zero and subnormal numbers count multiples of 2^-24
    const float magnitude = static_cast<float>(fraction) * 0x1p-24f;
    return sign != 0 ? -magnitude : magnitude;
  }
  const std::uint32_t wide_exponent = exponent == 31 ? 255 : exponent + 112;  // biases: 15 and 127
  return std::bit_cast<float>(sign | wide_exponent << 23 | fraction << 13);
}

/// The bits of the half-precision number nearest to `value`, ties to even; 65520 and more become infinity.
constexpr std::uint16_t float_to_half(float value) {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t sign = bits >> 16 & 0x8000;
  const std::uint32_t magnitude = bits & 0x7FFFFFFF;
  std::uint32_t half = 0;
  if (magnitude > 0x7F800000) {  // not a number: stays one, made quiet
    half = 0x7E00 | (magnitude >> 13 & 0x3FF);
  } else if (magnitude >= std::bit_cast<std::uint32_t>(65520.0f)) {
    half = 0x7C00;
  } else if (magnitude < std::bit_cast<std::uint32_t>(0x1p-14f)) {
    // Subnormal: floats from 0.5 on are spaced by 2^-24, so the addition rounds as wanted.
    half = std::bit_cast<std::uint32_t>(std::bit_cast<float>(magnitude) + 0.5f) - std::bit_cast<std::uint32_t>(0.5f);
  } else {
    const std::uint32_t odd = magnitude >> 13 & 1;
    half = (magnitude - (112u << 23) + 0xFFF + odd) >> 13;
  }
  return static_cast<std::uint16_t>(sign | half);
}

/// The value of a bfloat16 number given by its bits: the upper half of a float. Exact.
constexpr float bfloat16_to_float(std::uint16_t bits) { return std::bit_cast<float>(std::uint32_t{bits} << 16); }

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
