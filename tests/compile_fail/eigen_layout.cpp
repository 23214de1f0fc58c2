// A tensor of Eigen's own order of elements, columns first.
// expect: RowMajorExpression
#include "dvd/eigen.hpp"

#ifdef LEGAL
constexpr int order = Eigen::RowMajor;
#else
constexpr int order = Eigen::ColMajor;
#endif
auto values(const Eigen::Tensor<float, 2, order>& x) { return dvd::evaluate(x * 2.0f); }
