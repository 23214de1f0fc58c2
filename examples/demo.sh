#!/bin/bash
# Trains a small DVD-GAN on the embedded data set and samples from it: a few minutes on two cores, from a bare machine.
# Installs what is missing, builds, trains, and says which files to look at. A second run continues where the first one
# stopped, and is quick where that was the end.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source cmake/packages.sh

case ${1:-} in
  "") ;;
  --help | -h) echo "usage: bash examples/demo.sh [--no-install]" && exit 0 ;;
  --no-install) ;;
  *) fail "unknown option $1 (expected none, or --no-install)" ;;
esac
run=runs/demo

[ "${1:-}" = --no-install ] || install_packages "${library_packages[@]}" "${program_packages[@]}"
echo "Building in build/release"
configure_and_build release train_ucf101 sample_videos

# Less than half of the preset's 5000 steps: motion is right by then, and shapes are told apart.
build/release/bin/train_ucf101 --preset demo --steps 2000 --lr-decay-from 1000 --out $run --resume
build/release/bin/sample_videos --checkpoint $run --out $run/videos
# The same model after the whole preset, and one of 64 pixels and 16 frames.
build/release/bin/sample_videos --checkpoint examples/sample_videos/demo.safetensors --out $run/trained-longer
build/release/bin/sample_videos --out $run/larger

picture=$(find $run/samples -name 'step-*.png' | sort | tail -n 1)
echo
echo "Done in $SECONDS s. Look at"
for file in "$picture" "${picture%.png}.gif" $run/videos/all.gif $run/videos/videos.png $run/report.html \
  $run/trained-longer/all.gif $run/trained-longer/videos.png $run/larger/all.gif $run/larger/videos.png; do
  [ ! -e "$file" ] || echo "  $PWD/$file"
done
