// Is compiled for another processor than dvd::compiled, so that it must not link.
#include <dvd/device/cpu.hpp>

int main() {
  float one[1];
  dvd::Cpu::fill(1, 1.0f, one);
}
