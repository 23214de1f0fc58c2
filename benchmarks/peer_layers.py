"""The layers of peer_networks.py: convolutions, norms, recurrent units, attention.

Videos are [N * T, C, H, W], so that their layout is that of images. `use` says how all compute, once, before any is made.
"""
import argparse
import contextlib

import torch
import torch.nn.functional as F
from torch import nn

options = argparse.Namespace(channels_last=False, amp=False, graph=False, device="cpu", model="dvd-gan")


def use(given):
    """Takes over what layers heed of the options of peer_torch.py: those that are listed above."""
    vars(options).update({name: getattr(given, name) for name in vars(options)})


def unit(x):
    return x / x.norm().clamp_min(1e-12)


def autocast(enabled):
    """The precision of what is inside, with --amp."""
    if not options.amp:
        return contextlib.nullcontext()
    # What a graph has captured must not read a cache that was filled outside.
    return torch.autocast("cuda" if options.device != "cpu" else "cpu", dtype=torch.bfloat16, enabled=enabled,
                          cache_enabled=not options.graph)


# Some functions know dense tensors only and would
# drop channels last: they are given the dimensions in the order in which they lie in memory.

def in_layout(x):
    """x, dense in the layout asked for."""
    if not options.channels_last:
        return x.contiguous()
    return x.contiguous(memory_format=torch.channels_last if x.dim() == 4 else torch.channels_last_3d)


def as_stored(x):
    return x.movedim(1, -1) if options.channels_last else x


def from_stored(x):
    return x.movedim(-1, 1) if options.channels_last else x


def frames_of(x, n, frames):
    """The frames of n videos one by one; one that stands for all is there as often."""
    parts = [from_stored(frame) for frame in as_stored(x).unflatten(0, (n, -1)).unbind(1)]
    return parts * frames if len(parts) == 1 else parts


def video_of(frames):
    return from_stored(torch.stack([as_stored(frame) for frame in frames], 1).flatten(0, 1))


class VolumeConvolution(torch.autograd.Function):
    """F.conv3d in bfloat16, but for the gradient of the weight, which is computed in float32: on a CPU, oneDNN's in PyTorch
    2.15 is wrong for some sizes (3x3x3 to 16 channels of two frames of 8x8 pixels), and often not finite."""

    @staticmethod
    def forward(context, x, weight, bias, padding):
        context.save_for_backward(x, weight)
        context.padding = padding
        return F.conv3d(x, weight, bias, padding=padding)

    @staticmethod
    def backward(context, dy):
        def gradients(*tensors, wanted):
            return torch.ops.aten.convolution_backward(*tensors, [len(dy[0])], [1] * 3, [context.padding] * 3, [1] * 3, False,
                                                       [0] * 3, 1, wanted)
        x, weight = context.saved_tensors
        dx = dweight = dbias = None
        if context.needs_input_grad[0]:
            dx = gradients(dy, x, weight, wanted=[True, False, False])[0]
        if context.needs_input_grad[1]:
            _, dweight, dbias = gradients(dy.float(), x.float(), weight.float(), wanted=[False, True, True])
        return dx, dweight, dbias, None


class Spectral(nn.Module):
    """A weight [out, ...] divided by its largest singular value, estimated by one power iteration a pass."""

    def __init__(self, *shape, bias=True):
        super().__init__()
        self.weight = nn.Parameter(nn.init.orthogonal_(torch.empty(shape)))
        self.bias = nn.Parameter(torch.zeros(shape[0])) if bias else None
        self.register_buffer("u", unit(torch.randn(shape[0])))

    def normalized(self):
        matrix = as_stored(self.weight).flatten(1)  # a view; the order of columns changes no singular value
        with autocast(False):
            with torch.no_grad():
                v = unit(matrix.t() @ self.u)
                if self.training:
                    self.u.copy_(unit(matrix @ v))
                u = self.u.clone()
            return self.weight / torch.dot(u, matrix @ v)

    def forward(self, x):
        weight = self.normalized()
        if weight.dim() == 2:
            return F.linear(x, weight, self.bias)
        padding = weight.shape[-1] // 2
        if weight.dim() == 4:
            return F.conv2d(x, weight, self.bias, padding=padding)
        if options.amp and options.device == "cpu" and not torch.__version__.startswith("1."):
            return VolumeConvolution.apply(*(each.to(torch.bfloat16) for each in (x, weight, self.bias)), padding)
        return F.conv3d(x, weight, self.bias, padding=padding)


class Norm(nn.Module):
    """Class-conditional batch norm, statistics of every frame on its own."""

    def __init__(self, frames, width, condition):
        super().__init__()
        self.gain = Spectral(width, condition, bias=False)
        self.bias = Spectral(width, condition, bias=False)
        self.register_buffer("mean", torch.zeros(frames, width))
        self.register_buffer("variance", torch.ones(frames, width))

    def moments(self, x):
        """Mean and variance of every frame, and of how many values."""
        # As precise as the averages, whatever x is: sums are, only their results are rounded.
        variance, mean = (each.to(self.mean.dtype) for each in torch.var_mean(x, dim=(0, 3, 4), unbiased=False))
        return mean, variance, x.numel() / mean.numel()

    def forward(self, x, c):
        x = x.unflatten(0, (len(c), -1))
        if self.training:
            mean, variance, count = self.moments(x)
            with torch.no_grad():
                self.mean.lerp_(mean, 0.1)
                self.variance.lerp_(variance * (count / (count - 1)), 0.1)
        else:
            mean, variance = self.mean, self.variance
        scale = (1 + self.gain(c))[:, None] * (variance + 1e-5).rsqrt()
        shift = self.bias(c)[:, None] - mean * scale
        shift, scale = (each.to(x.dtype)[..., None, None] for each in (shift, scale))
        return torch.addcmul(shift, x, scale).flatten(0, 1)


class ConvGRU(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.width = width
        self.reset, self.update, self.candidate = (Spectral(width, 2 * width, 3, 3) for _ in range(3))

    def forward(self, x, n, frames, state=None):
        """x: a frame at a time or, as input of all, one frame; state: the initial one, without which it is 0."""
        width, parts = self.width, (self.reset, self.update, self.candidate)
        # Split and unbound, not sliced: the gradient of a slice is as large as all of it.
        of_state, of_input = zip(*(part.normalized().split(width, 1) for part in parts))  # inputs ordered [h; x]
        given = F.conv2d(x, torch.cat(of_input), torch.cat([part.bias for part in parts]), padding=1)
        gates, candidates = (frames_of(part, n, frames) for part in given.split([2 * width, width], 1))
        # In the type of the frames once, not for every frame.
        gates_weight, candidate_weight = torch.cat(of_state[:2]).to(given.dtype), in_layout(of_state[2]).to(given.dtype)
        states = []
        for gate, candidate in zip(gates, candidates):
            if state is None:
                c = torch.relu(candidate)
                state = c - torch.sigmoid(gate.chunk(2, 1)[1]) * c
            else:
                r, u = torch.sigmoid(gate + F.conv2d(state, gates_weight, padding=1)).chunk(2, 1)
                c = torch.relu(candidate + F.conv2d(r * state, candidate_weight, padding=1))
                state = torch.lerp(c, state, u)
            states.append(state)
        return video_of(states)


def warp(x, offsets):
    """x [N, C, H, W] sampled bilinearly at every pixel's place plus offsets [N, 2, H, W] (down, right; in pixels)."""
    places = []
    for axis, move in ((3, offsets[:, 1]), (2, offsets[:, 0])):  # as grid_sample wants them: right first, from -1 to 1
        shape = [1, 1, 1]
        shape[axis - 1] = x.shape[axis]
        place = torch.arange(x.shape[axis], device=x.device, dtype=torch.get_default_dtype()).view(shape)
        places.append((place + move) * (2 / (x.shape[axis] - 1)) - 1)
    grid = torch.stack(places, -1)
    return in_layout(F.grid_sample(x.to(grid.dtype), grid, padding_mode="border", align_corners=True).to(x.dtype))


class TSRU(nn.Module):
    """The unit of TrIVD-GAN; the update gate sees the state and the input or, `sequential`, the warped state and the
    candidate. Convolutions of one array are one, and those of the input are of all frames."""

    def __init__(self, width, sequential=False):
        super().__init__()
        self.width, self.sequential = width, sequential
        self.offset = Spectral(2, 2 * width, 3, 3)
        self.candidate, self.update = (Spectral(width, 2 * width, 3, 3) for _ in range(2))

    def forward(self, x, n, frames, state=None):
        width, sequential = self.width, self.sequential
        of_state, of_input = zip(*(part.normalized().split(width, 1)  # inputs ordered [h; x], the last ones [h^; c]
                                   for part in (self.offset, self.candidate, self.update)))
        parts = [0, 1] if sequential else [0, 2, 1]  # offset, update, candidate
        biases = [self.offset.bias, self.candidate.bias, self.update.bias]
        given = F.conv2d(x, torch.cat([of_input[i] for i in parts]), torch.cat([biases[i] for i in parts]), padding=1)
        given = [frames_of(part, n, frames) for part in given.split([given.shape[1] - width, width], 1)]

        def weight(*those):
            return in_layout(torch.cat(those)).to(given[0][0].dtype)

        of_before = weight(of_state[0]) if sequential else weight(of_state[0], of_state[2])
        of_warped = weight(of_state[1], of_state[2]) if sequential else weight(of_state[1])
        of_candidate = weight(of_input[2]) if sequential else None
        if state is None:
            state = torch.zeros_like(given[1][0])
        states = []
        for seen, candidate in zip(*given):
            seen = seen + F.conv2d(state, of_before, padding=1)
            offsets, update = seen.split([2, seen.shape[1] - 2], 1)
            from_warped = F.conv2d(warp(state, offsets), of_warped, padding=1)
            if sequential:
                from_warped, update = from_warped.chunk(2, 1)
            c = torch.relu(candidate + from_warped)
            if sequential:
                update = update + F.conv2d(c, of_candidate, self.update.bias.to(c.dtype), padding=1)
            state = torch.lerp(c, state, torch.sigmoid(update))
            states.append(state)
        return video_of(states)


class Attention(nn.Module):
    """Over the pixels of a frame, with keys and values pooled, or along an axis of [N, T, C, H, W]."""

    def __init__(self, width, axis=None):
        super().__init__()
        self.axis, narrow, half = axis, max(width // 8, 1), max(width // 2, 1)
        self.query, self.key = (Spectral(narrow, width, 1, 1, bias=False) for _ in range(2))
        self.value, self.output = Spectral(half, width, 1, 1, bias=False), Spectral(width, half, 1, 1, bias=False)
        self.scale = nn.Parameter(torch.zeros(1))

    def forward(self, x, n):
        """x: images, a video's frames one after another, of n videos."""
        query, key, value = self.query(x), self.key(x), self.value(x)
        if self.axis is None:
            key, value = (F.max_pool2d(each, 2).flatten(2).transpose(1, 2) for each in (key, value))
            weights = torch.softmax(query.flatten(2).transpose(1, 2) @ key.transpose(1, 2), -1).to(value.dtype)
            mixed = (weights @ value).transpose(1, 2).unflatten(2, x.shape[2:])
        else:
            query, key, value = (each.unflatten(0, (n, -1)).movedim((self.axis, 2), (3, 4)) for each in (query, key, value))
            weights = torch.softmax(query @ key.transpose(3, 4), -1).to(value.dtype)
            mixed = (weights @ value).movedim((3, 4), (self.axis, 2)).flatten(0, 1)
        return x + self.scale.to(x.dtype) * self.output(in_layout(mixed))


class SeparableAttention(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.height, self.width, self.time = (Attention(width, axis) for axis in (3, 4, 1))

    def forward(self, x, n):
        return self.time(self.width(self.height(x, n), n), n)


def recurrent_unit(width):
    return ConvGRU(width) if not options.model.startswith("tsru") else TSRU(width, options.model == "tsrus")


def attention(width):
    """None where the model has none."""
    kinds = {"self-attention": Attention, "separable-attention": SeparableAttention}
    return kinds[options.model](width) if options.model in kinds else None
