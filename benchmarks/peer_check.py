"""What would slow peer_torch.py down: see there."""
import collections

import torch
from torch.utils._python_dispatch import TorchDispatchMode


class LayoutCheck(TorchDispatchMode):
    """Counts what changes the layout of an array, and what reads images in another than the one asked for."""

    def __init__(self, channels_last):
        super().__init__()
        self.channels_last = channels_last
        self.found = collections.Counter()

    def __torch_dispatch__(self, function, types, arguments=(), named=None):
        result = function(*arguments, **(named or {}))
        name = function.__name__.split(".")[0]
        images = [each for each in arguments if isinstance(each, torch.Tensor) and each.dim() in (4, 5)]

        def strides(x):  # of what has more than one element along each dimension
            return tuple(x.stride(i) for i in range(x.dim()) if x.shape[i] > 1)

        def order(x):
            return sorted(range(len(strides(x))), key=lambda i: -strides(x)[i])

        if name in ("clone", "_to_copy") and images and order(images[0]) != order(result):
            self.found[f"{name} of {tuple(images[0].shape)} from {images[0].stride()} to {result.stride()}"] += 1
        if name.startswith(("convolution", "avg_pool", "mkldnn_convolution", "upsample")):
            for each in images:
                wanted = each.movedim(1, -1) if self.channels_last else each
                if order(wanted) != sorted(order(wanted)):
                    self.found[f"{name} of {tuple(each.shape)} with strides {each.stride()}"] += 1
        return result


def check(options, *works):
    """Runs each work twice, and prints what the second time found."""
    on_gpu = options.device != "cpu"
    for work in works:
        work()  # what is made once is made
    if on_gpu:
        torch.cuda.set_sync_debug_mode("error")
    with LayoutCheck(options.channels_last) as layout:
        values = [work() for work in works]
    if on_gpu:
        torch.cuda.set_sync_debug_mode("default")
    for what, times in sorted(layout.found.items()):
        print(f"{times} x {what}")
    print("finite" if all(torch.isfinite(value).all() for value in values) else "NOT FINITE")
