#!/usr/bin/env python3
"""Compares single layers, forward and backward with all gradients, with PyTorch on the same cores, in turns.

    benchmarks/layers_torch.py                                       all layers, at sizes of the demo's and the paper's model
    benchmarks/layers_torch.py --python PYTHON,OTHER                 several PyTorchs, of which the best counts
    benchmarks/layers_torch.py --layers tsru,block --sizes 8/16/16/16     T/batch/pixels a side/channels

Layers are the recurrent units, both attentions, and blocks of the networks (`layers --help` says which); PyTorch's are those of
peer_layers.py and peer_networks.py. PyTorch counts with the fastest of all that are named, in float32 and by autocast in
bfloat16, eager, in both memory layouts, anew in every round. Prints a line a layer and size: milliseconds, medians over the
rounds, and of the rounds' ratios the median and, in brackets, the smallest and the largest.
"""
import argparse
import json
import os
import statistics
import sys
import time

from runs import PROGRAM, RunError, fail, print_table, run, say, spread

LAYERS = ["conv-gru", "tsru", "tsrus", "self-attention", "separable-attention", "block", "nearest-block", "block-2d", "block-3d"]
# T/batch/side/channels: two of 32/8/4/16, the demo's model, two of 64/12/8/4, and two of the paper's, ch 128, of single videos.
SIZES = "8/16/4/32,8/16/16/16,12/4/8/64,12/4/32/32,12/1/4/1024,6/1/32/256"

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--layers", default=",".join(LAYERS), help="separated by commas")
parser.add_argument("--sizes", default=SIZES, help="T/batch/side/channels, separated by commas")
parser.add_argument("--program", default=os.path.join(os.path.dirname(PROGRAM), "layers"))
parser.add_argument("--python", action="append", help="interpreters that have PyTorch, separated by commas; python3")
parser.add_argument("--precision", choices=["float32", "bfloat16"], help="PyTorch's; by default the better one")
parser.add_argument("--threads", type=int, default=0, help="of both sides; 0: all cores")
parser.add_argument("--rounds", type=int, default=5)
parser.add_argument("--steps", type=int, default=10, help="passes timed in a round, of which the median counts")
parser.add_argument("--process", help=argparse.SUPPRESS)  # one of PyTorch's, started by this script: the layer
options = parser.parse_args()
options.threads = options.threads or len(os.sched_getaffinity(0))


# PyTorch's side.

def make(layer, torch, frames, batch, channels, networks, layers):
    """The layer, and a function of x that is its forward pass."""
    if layer in ("conv-gru", "tsru", "tsrus"):
        made = layers.ConvGRU(channels) if layer == "conv-gru" else layers.TSRU(channels, layer == "tsrus")
        return made, lambda x: made(x, batch, frames)
    if layer.endswith("attention"):
        made = (layers.SeparableAttention if layer == "separable-attention" else layers.Attention)(channels)
        return made, lambda x: made(x, batch)
    if layer in ("block", "nearest-block"):
        c, made = torch.randn(batch, 240), networks.GeneratorBlock(channels, max(channels // 2, 1), frames, 240, True)
        return made, lambda x: made(x, c)
    made = networks.Block(channels, 2 * channels, 3 if layer == "block-3d" else 2, False, True)
    return made, made


def time_torch(layer, frames, batch, side, channels):
    """Milliseconds in every layout and precision: {"NCHW float32": ...}."""
    os.environ["OMP_NUM_THREADS"] = str(options.threads)
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    import torch

    import peer_layers as layers
    import peer_networks as networks
    torch.set_num_threads(options.threads)
    times = {}
    heeded = layers.options
    heeded.model = "nearest" if layer == "nearest-block" else "dvd-gan"
    made, forward = make(layer, torch, frames, batch, channels, networks, layers)
    for heeded.channels_last in (False, True):
        for parameter in made.parameters():
            if parameter.dim() >= 4:
                parameter.data = layers.in_layout(parameter.data)
        for heeded.amp in {"float32": [False], "bfloat16": [True], None: [False, True]}[options.precision]:
            x = torch.randn(frames * batch, channels, side, side)
            if layer == "block-3d":
                x = x.unflatten(0, (batch, frames)).transpose(1, 2)
            x = layers.in_layout(x.bfloat16() if heeded.amp else x).requires_grad_()
            dy, found = None, []
            for step in range(options.steps + 2):
                x.grad = None
                for parameter in made.parameters():
                    parameter.grad = None
                start = time.perf_counter()
                with layers.autocast(True):
                    y = forward(x)
                dy = torch.randn_like(y) if dy is None else dy
                y.backward(dy)
                found.append(1e3 * (time.perf_counter() - start))
            way = f"{'bfloat16' if heeded.amp else 'float32'}, {'NHWC' if heeded.channels_last else 'NCHW'}"
            times[f"{torch.__version__.split('+')[0]} {way}"] = statistics.median(found[2:])
    return times


# Both.

def numbers(size):
    parts = size.split("/")
    if len(parts) != 4 or not all(part.isdigit() and int(part) for part in parts):
        fail(f"--sizes wants T/batch/side/channels, such as 8/16/16/16, not '{size}'")
    return [int(part) for part in parts]


def compare(layer, size):
    """A line of the table."""
    shared = ["--threads", str(options.threads), "--steps", str(options.steps)]
    peer = [*shared, *(["--precision", options.precision] if options.precision else [])]
    sides = [word for pair in zip(("--frames", "--batch", "--side", "--channels"), map(str, numbers(size))) for word in pair]
    ours, theirs = [], []
    for turn in range(options.rounds):
        say(f"{layer} {size}: round {turn + 1} of {options.rounds}")
        ours.append(run([options.program, "--layer", layer, *sides, *shared])["ms"])
        theirs.append({})
        for python in options.python:
            theirs[-1].update(run([python, os.path.abspath(__file__), "--process", layer, "--sizes", size, *peer]))
    best = [min(turn.values()) for turn in theirs]
    way = min(theirs[0], key=lambda each: statistics.median(turn[each] for turn in theirs))
    row = [layer, size, f"{statistics.median(ours):.2f}", f"{statistics.median(best):.2f}",
           spread([other / own for own, other in zip(ours, best)]), way]
    say("")
    print(" | ".join(row), file=sys.stderr)  # the table comes at the end
    return row


def main():
    layers, all_sizes = options.layers.split(","), options.sizes.split(",")
    if options.process:
        return print(json.dumps(time_torch(options.process, *numbers(all_sizes[0]))))
    options.python = [name for names in options.python or ["python3"] for name in names.split(",")]
    if unknown := [layer for layer in layers if layer not in LAYERS]:
        fail(f"--layers: {unknown[0]} is none of {', '.join(LAYERS)}")
    if not os.access(options.program, os.X_OK):
        fail(f"there is no program {options.program}; build it: cmake --build build/release --target layers")
    try:
        rows = [compare(layer, size) for layer in layers for size in all_sizes]
    except RunError as error:
        fail(error)
    say("")
    print(f"{options.threads} threads; load {os.getloadavg()[0]:.1f}\n")
    print_table(["layer", "T/batch/side/ch", "ms", "PyTorch", "times as fast", "PyTorch's best"], rows)


if __name__ == "__main__":
    main()
