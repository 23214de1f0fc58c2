#!/usr/bin/env python3
"""Compares the speed of the networks behind the scores, I3D and C3D, with PyTorch's on the same cores.

    benchmarks/feature_networks_torch.py                          both networks, clips of 16 frames
    benchmarks/feature_networks_torch.py --python PYTHON          another interpreter, which has PyTorch
    benchmarks/feature_networks_torch.py --network i3d --rounds 9

Both run in turns, round after round, in float32, a clip at a time: first build/release/bin/feature_networks, then PyTorch in
every mode: both memory layouts, eager and (unless --no-compile) through torch.compile, also with weights that it may take for
constants ("frozen"), always with norms folded into convolutions.
Prints medians over the rounds and, of the rounds' ratios to PyTorch's fastest mode, the median, smallest and largest; the same
of the time that the cores spent on either, which others on the machine disturb less.
"""
import argparse
import copy
import json
import os
import statistics
import subprocess
import sys
import time

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")    # threads that wait do not take cores from the other side
here = os.path.dirname(os.path.abspath(__file__))
parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--network", choices=["i3d", "c3d"], help="one of them; by default both")
parser.add_argument("--program", default=os.path.join(here, "..", "build", "release", "bin", "feature_networks"))
parser.add_argument("--python", help="interpreter that has PyTorch; by default this one")
parser.add_argument("--rounds", type=int, default=5)
parser.add_argument("--clips", type=int, default=5, help="in a round, of which the median counts")
parser.add_argument("--frames", type=int, default=16, help="of a clip of I3D's")
parser.add_argument("--batch", type=int, default=1, help="PyTorch's; ours is a clip at a time")
parser.add_argument("--threads", type=int, default=0, help="of both sides; 0: all cores")
parser.add_argument("--no-compile", action="store_true", help="leave out torch.compile")
options = parser.parse_args()
if options.python and os.path.realpath(options.python) != os.path.realpath(sys.executable):
    os.execv(options.python, [options.python, os.path.abspath(__file__), *sys.argv[1:]])
if not os.access(options.program, os.X_OK):
    sys.exit(f"feature_networks_torch.py: there is no program {options.program}; build it: "
             "cmake --build build/release --target feature_networks")
try:
    import torch
    import torch.nn.functional as F
    from torch import nn
except ImportError as error:
    sys.exit(f"feature_networks_torch.py: {error} (name an interpreter that has PyTorch with --python)")

torch.set_grad_enabled(False)
threads = options.threads or len(os.sched_getaffinity(0))
torch.set_num_threads(threads)


class Same(nn.Module):
    """Zeros around x, as TensorFlow's SAME has them."""

    def __init__(self, kernel, stride):
        super().__init__()
        self.kernel, self.stride = kernel, stride

    def forward(self, x):
        sides = []
        for size, k, s in zip(x.shape[:1:-1], self.kernel[::-1], self.stride[::-1]):
            total = max((-(-size // s) - 1) * s + k - size, 0)
            sides += [total // 2, total - total // 2]
        return F.pad(x, sides) if any(sides) else x


class Unit(nn.Module):
    """A convolution with a folded norm, and ReLU. Symmetric padding is left to the convolution."""

    def __init__(self, inputs, outputs, kernel=(1, 1, 1), stride=(1, 1, 1)):
        super().__init__()
        self.pad = None if stride == (1, 1, 1) else Same(kernel, stride)
        self.conv = nn.Conv3d(inputs, outputs, kernel, stride, padding=0 if self.pad else tuple(k // 2 for k in kernel))

    def forward(self, x):
        return F.relu(self.conv(self.pad(x) if self.pad else x), inplace=True)


class Pool(nn.Module):
    def __init__(self, kernel, stride):
        super().__init__()
        self.pad, self.kernel, self.stride = Same(kernel, stride), kernel, stride

    def forward(self, x):
        if self.stride == (1, 1, 1):                   # symmetric: no copy
            return F.max_pool3d(x, self.kernel, self.stride, 1)
        return F.max_pool3d(self.pad(x), self.kernel, self.stride)


class Mixed(nn.Module):
    def __init__(self, inputs, b0, b1a, b1b, b2a, b2b, b3b):
        super().__init__()
        k3 = (3, 3, 3)
        self.branches = nn.ModuleList([Unit(inputs, b0), nn.Sequential(Unit(inputs, b1a), Unit(b1a, b1b, k3)),
                                       nn.Sequential(Unit(inputs, b2a), Unit(b2a, b2b, k3)),
                                       nn.Sequential(Pool(k3, (1, 1, 1)), Unit(inputs, b3b))])

    def forward(self, x):
        return torch.cat([branch(x) for branch in self.branches], 1)


class I3d(nn.Module):
    def __init__(self):
        super().__init__()
        layers = [Unit(3, 64, (7, 7, 7), (2, 2, 2)), Pool((1, 3, 3), (1, 2, 2)), Unit(64, 64), Unit(64, 192, (3, 3, 3)),
                  Pool((1, 3, 3), (1, 2, 2))]
        inputs = 192
        for widths in ((64, 96, 128, 16, 32, 32), (128, 128, 192, 32, 96, 64), "4a", (192, 96, 208, 16, 48, 64),
                       (160, 112, 224, 24, 64, 64), (128, 128, 256, 24, 64, 64), (112, 144, 288, 32, 64, 64),
                       (256, 160, 320, 32, 128, 128), "5a", (256, 160, 320, 32, 128, 128), (384, 192, 384, 48, 128, 128)):
            if isinstance(widths, str):
                layers.append(Pool((3, 3, 3) if widths == "4a" else (2, 2, 2), (2, 2, 2)))
                continue
            layers.append(Mixed(inputs, *widths))
            inputs = widths[0] + widths[2] + widths[4] + widths[5]
        self.layers, self.logits = nn.Sequential(*layers), nn.Conv3d(inputs, 400, 1)

    def forward(self, x):
        pooled = F.avg_pool3d(self.layers(x), (2, 7, 7), 1)
        return pooled.mean((2, 3, 4)), self.logits(pooled).mean((2, 3, 4))


class C3d(nn.Module):
    def __init__(self):
        super().__init__()
        layers = []
        for inputs, outputs, pool in ((3, 64, 1), (64, 128, 2), (128, 256, 0), (256, 256, 2), (256, 512, 0), (512, 512, 2),
                                      (512, 512, 0), (512, 512, 2)):
            layers += [nn.Conv3d(inputs, outputs, 3, padding=1), nn.ReLU(inplace=True)]
            if pool:
                layers.append(nn.MaxPool3d((pool, 2, 2), ceil_mode=True))
        self.convolutions = nn.Sequential(*layers)
        self.linear = nn.Sequential(nn.Linear(8192, 4096), nn.ReLU(inplace=True), nn.Linear(4096, 4096), nn.ReLU(inplace=True),
                                    nn.Linear(4096, 101))

    def forward(self, x):
        return self.linear(self.convolutions(x).flatten(1))


def median(values):
    return statistics.median(values)


def time_torch(model, x):
    """Milliseconds a clip, and of all cores."""
    wall, cores = [], []
    for _ in range(options.clips):
        start, of_cores = time.perf_counter(), time.process_time()
        model(x)
        wall.append(1000 * (time.perf_counter() - start) / options.batch)
        cores.append(1000 * (time.process_time() - of_cores) / options.batch)
    return median(wall), median(cores)


def time_ours(network):
    result = subprocess.run([options.program, "--network", network, "--clips", str(options.clips), "--threads",
                             str(options.threads), "--frames", str(options.frames)], capture_output=True, text=True)
    if result.returncode:
        sys.exit(f"feature_networks_torch.py: {options.program} failed: {result.stderr.strip()}")
    line = json.loads(result.stdout)
    return line["clip_ms"], line["core_ms"]


for network in [options.network] if options.network else ["i3d", "c3d"]:
    shape = (options.batch, 3, options.frames, 224, 224) if network == "i3d" else (options.batch, 3, 16, 112, 112)
    modes = {}
    for layout, name in ((torch.contiguous_format, "NCDHW"), (torch.channels_last_3d, "NDHWC")):
        model = (I3d() if network == "i3d" else C3d()).eval().to(memory_format=layout)
        x = torch.randn(shape).contiguous(memory_format=layout)
        modes[name] = (model, x)
        if not options.no_compile and hasattr(torch, "compile"):
            modes[name + ", compiled"] = (torch.compile(model), x)
            modes[name + ", frozen"] = (torch.compile(copy.deepcopy(model), options={"freezing": True}), x)
    for name, (model, x) in modes.items():
        print(f"\r{network}: warming up {name}          ", end="", file=sys.stderr, flush=True)
        for _ in range(2):
            model(x)
    ours, theirs = [], {name: [] for name in modes}
    for turn in range(options.rounds):
        print(f"\r{network}: round {turn + 1} of {options.rounds}                    ", end="", file=sys.stderr, flush=True)
        ours.append(time_ours(network))
        for name, (model, x) in modes.items():
            theirs[name].append(time_torch(model, x))
    print("\r" + " " * 60 + "\r", end="", file=sys.stderr)
    print(f"{network}, clips of {'x'.join(map(str, shape[2:]))}, {threads} threads, PyTorch {torch.__version__}; "
          f"load {os.getloadavg()[0]:.1f}")
    print(f"  {'':18} {'ms':>8} {'clips a second':>15} {'ms of cores':>12}")
    for name, times in (("dvd", ours), *theirs.items()):
        wall, cores = (median([time[i] for time in times]) for i in (0, 1))
        print(f"  {name:18} {wall:8.1f} {1000 / wall:15.2f} {cores:12.1f}")
    for what, i in (("times as fast as PyTorch's best", 0), ("the same by the cores' time", 1)):
        ratios = [min(theirs[name][turn][i] for name in modes) / ours[turn][i] for turn in range(options.rounds)]
        print(f"  {what}: {median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f})", flush=True)
