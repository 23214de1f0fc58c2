// A function of the outside project's own.
#pragma once

template <class P>
struct Cube {
  static constexpr const char* name = "a cube";
  static constexpr bool from_value = false;

  template <class X>
  constexpr X operator()(X x) const {
    return x * x * x;
  }
  template <class X>
  constexpr X operator()(X x, X dy) const {
    return 3 * x * x * dy;
  }
};
