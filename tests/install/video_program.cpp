// Writes a video file and reads it back.
#include <dvd/data/moving_shapes.hpp>
#include <dvd/io/video_file.hpp>
#include <dvd/io/video_writer.hpp>

int main() {
  const dvd::Clip clip = dvd::MovingShapes({.frames = 4, .resolution = 32}).draw(dvd::Random(1)).clip;
  dvd::write_gif("shape.gif", clip, 8);
  return dvd::VideoFile("shape.gif").read(0, 4).frames == 4 ? 0 : 1;
}
