#include "curve.hpp"

#include <cairo-svg.h>
#include <cairo.h>
#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <dvd/io/atomic_file.hpp>
#include <memory>

namespace examples {
namespace {

constexpr double width = 720, height = 480, left = 84, right = 28, top = 52, bottom = 60;

struct Range {
  double low, high, step;

  /// Round numbers around all values.
  Range(double least, double most) {
    double span = most - least;
    if (!(span > 0)) span = std::max(std::abs(most), 1.0) * 0.1;
    const double rough = span / 5, power = std::pow(10, std::floor(std::log10(rough)));
    step = power * (rough / power <= 1 ? 1 : rough / power <= 2 ? 2 : rough / power <= 5 ? 5 : 10);
    low = std::floor((least - 0.06 * span) / step) * step;
    high = std::ceil((most + 0.06 * span) / step) * step;
  }
};

void text(cairo_t* cairo, double x, double y, double along, const std::string& words) {
  cairo_text_extents_t size;
  cairo_text_extents(cairo, words.c_str(), &size);
  cairo_move_to(cairo, x - along * size.x_advance, y);
  cairo_show_text(cairo, words.c_str());
}

void draw(cairo_t* cairo, const Curve& curve) {
  const auto by_x = [](const CurvePoint& a, const CurvePoint& b) { return a.x < b.x; };
  const auto by_y = [](const CurvePoint& a, const CurvePoint& b) { return a.y < b.y; };
  const auto [first_x, last_x] = std::ranges::minmax_element(curve.points, by_x);
  const auto [first_y, last_y] = std::ranges::minmax_element(curve.points, by_y);
  const Range xs(first_x->x, last_x->x), ys(first_y->y, last_y->y);
  const auto x_of = [&](double x) { return left + (x - xs.low) / (xs.high - xs.low) * (width - left - right); };
  const auto y_of = [&](double y) {
    return height - bottom - (y - ys.low) / (ys.high - ys.low) * (height - top - bottom);
  };

  cairo_set_source_rgb(cairo, 1, 1, 1);
  cairo_paint(cairo);
  cairo_select_font_face(cairo, "sans-serif", CAIRO_FONT_SLANT_NORMAL, CAIRO_FONT_WEIGHT_NORMAL);
  cairo_set_font_size(cairo, 13);
  cairo_set_line_width(cairo, 1);
  for (double x = xs.low; x < xs.high + xs.step / 2; x += xs.step) {
    cairo_set_source_rgb(cairo, 0.9, 0.9, 0.92);
    cairo_move_to(cairo, x_of(x), top);
    cairo_line_to(cairo, x_of(x), height - bottom);
    cairo_stroke(cairo);
    cairo_set_source_rgb(cairo, 0.35, 0.35, 0.4);
    text(cairo, x_of(x), height - bottom + 19, 0.5, fmt::format("{:.6g}", std::abs(x) < xs.step / 2 ? 0 : x));
  }
  for (double y = ys.low; y < ys.high + ys.step / 2; y += ys.step) {
    cairo_set_source_rgb(cairo, 0.9, 0.9, 0.92);
    cairo_move_to(cairo, left, y_of(y));
    cairo_line_to(cairo, width - right, y_of(y));
    cairo_stroke(cairo);
    cairo_set_source_rgb(cairo, 0.35, 0.35, 0.4);
    text(cairo, left - 8, y_of(y) + 4, 1, fmt::format("{:.6g}", std::abs(y) < ys.step / 2 ? 0 : y));
  }
  cairo_set_source_rgb(cairo, 0.1, 0.1, 0.12);
  text(cairo, (left + width - right) / 2, height - 16, 0.5, curve.x_label);
  cairo_save(cairo);
  cairo_translate(cairo, 20, (top + height - bottom) / 2);
  cairo_rotate(cairo, -std::acos(0.0));
  text(cairo, 0, 0, 0.5, curve.y_label);
  cairo_restore(cairo);
  cairo_set_font_size(cairo, 16);
  text(cairo, left, 30, 0, curve.title);

  cairo_set_source_rgb(cairo, 0.16, 0.42, 0.72);
  cairo_set_line_width(cairo, 2);
  cairo_new_path(cairo);  // text leaves a point behind
  for (const CurvePoint& point : curve.points) cairo_line_to(cairo, x_of(point.x), y_of(point.y));
  cairo_stroke(cairo);
  cairo_set_font_size(cairo, 12);
  for (const CurvePoint& point : curve.points) {
    cairo_new_path(cairo);
    cairo_arc(cairo, x_of(point.x), y_of(point.y), 4, 0, 4 * std::acos(0.0));
    cairo_fill(cairo);
    text(cairo, x_of(point.x) + 8, y_of(point.y) - 7, 0, point.label);
  }
}

cairo_status_t append(void* text, const unsigned char* data, unsigned int length) {
  static_cast<std::string*>(text)->append(reinterpret_cast<const char*>(data), length);
  return CAIRO_STATUS_SUCCESS;
}

using Surface = std::unique_ptr<cairo_surface_t, void (*)(cairo_surface_t*)>;

void draw_on(const Surface& surface, const Curve& curve, double scale) {
  const std::unique_ptr<cairo_t, void (*)(cairo_t*)> cairo(cairo_create(surface.get()), cairo_destroy);
  cairo_scale(cairo.get(), scale, scale);
  draw(cairo.get(), curve);
  cairo_show_page(cairo.get());
  const cairo_status_t status = cairo_status(cairo.get());
  if (status != CAIRO_STATUS_SUCCESS) throw dvd::Error(std::string("cannot draw: ") + cairo_status_to_string(status));
}

}  // namespace

void draw_curve(const Curve& curve, const std::filesystem::path& svg, const std::filesystem::path& png) {
  std::string vector, pixels;
  {
    const Surface surface(cairo_svg_surface_create_for_stream(append, &vector, width, height), cairo_surface_destroy);
    draw_on(surface, curve, 1);
    cairo_surface_finish(surface.get());
  }
  constexpr int scale = 2;
  const Surface surface(
      cairo_image_surface_create(CAIRO_FORMAT_RGB24, scale * static_cast<int>(width), scale * static_cast<int>(height)),
      cairo_surface_destroy);
  draw_on(surface, curve, scale);
  cairo_surface_write_to_png_stream(surface.get(), append, &pixels);
  dvd::write_file_atomically(svg, vector);
  dvd::write_file_atomically(png, pixels);
}

}  // namespace examples
