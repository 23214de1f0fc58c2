// A curve through labelled points, drawn as SVG and as PNG.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace examples {

struct CurvePoint {
  double x = 0, y = 0;
  std::string label;
};

struct Curve {
  std::string title, x_label, y_label;
  std::vector<CurvePoint> points;  ///< joined in this order
};

/// Throws FileError where a file cannot be written.
void draw_curve(const Curve& curve, const std::filesystem::path& svg, const std::filesystem::path& png);

}  // namespace examples
