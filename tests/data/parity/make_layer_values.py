"""Writes reference values of the layers that DVD-GAN does not use, computed by PyTorch in float64.

    make_layer_values.py FOLDER        needs torch and safetensors

Names in the files and layouts are those that tests/support/parity.hpp reads: inputs `in.X`, parameters `param.X`,
buffers `buffer.X`, `upstream.y` = dL/dy, and of every run `RUN.out.y`, `RUN.grad.X`, `RUN.after.X`. Spectral
normalisation, ConvGRU and ConvLSTM are written down here as their papers have them.
"""
import json
import sys

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import nn

torch.set_default_dtype(torch.float64)


def write(name, tensors, attributes=None, zero_gradients=()):
    tensors = {key: value.detach().clone().contiguous() for key, value in tensors.items()}
    save_file(tensors, f"{sys.argv[1]}/{name}.safetensors",
              {"case": name, "attributes": json.dumps(attributes or {}),
               "zero_gradients": json.dumps(list(zero_gradients))})


def run(results, name, y, upstream, leaves, after=None):
    """A result, the gradients of sum(y * upstream), and the buffers afterwards."""
    results[f"{name}.out.y"] = y
    gradients = torch.autograd.grad((y * upstream).sum(), list(leaves.values()), retain_graph=True)
    results.update({f"{name}.grad.{key}": value for key, value in zip(leaves, gradients)})
    results.update({f"{name}.after.{key}": value.clone() for key, value in (after or {}).items()})


def activations():
    x, upstream = (3 * torch.randn(6, 7)).requires_grad_(), torch.randn(6, 7)
    results = {"in.x": x, "upstream.y": upstream}
    for name, y in {"leaky_relu": F.leaky_relu(x, 0.2), "elu": F.elu(x, 0.7), "gelu": F.gelu(x),
                    "softplus": F.softplus(x, threshold=1e9)}.items():
        run(results, name, y, upstream, {"in.x": x})
    write("activations", results, {"slope": 0.2, "alpha": 0.7})


def norm(name, module, x, attributes):
    """A norm in training and in evaluation, with generic parameters and buffers."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.randn_like(parameter))
        for key, buffer in module.named_buffers():
            if key == "running_mean":
                buffer.copy_(0.3 * torch.randn_like(buffer))
            elif key == "running_var":
                buffer.copy_(0.5 + 1.5 * torch.rand_like(buffer))
    buffers = {key: value for key, value in module.named_buffers() if key.startswith("running_")}
    x = x.requires_grad_()
    upstream = torch.randn(x.shape)
    results = {"in.x": x, "upstream.y": upstream}
    results.update({f"param.{key}": value for key, value in module.named_parameters()})
    results.update({f"buffer.{key}": value.clone() for key, value in buffers.items()})
    leaves = {"in.x": x, **{f"param.{key}": value for key, value in module.named_parameters()}}
    module.eval()
    run(results, "eval", module(x), upstream, leaves)
    module.train()
    run(results, "train", module(x), upstream, leaves, buffers)
    write(name, results, attributes)


def global_average_pool():
    x = torch.randn(2, 3, 5, 4, 3).requires_grad_()  # [N, T, C, H, W]
    upstream = torch.randn(2, 5)
    results = {"in.x": x, "upstream.y": upstream}
    run(results, "train", x.mean((1, 3, 4)), upstream, {"in.x": x})
    write("global_average_pool", results)


def losses():
    x, target = torch.randn(3, 2, 7).requires_grad_(), torch.randn(3, 2, 7)
    results = {"in.x": x, "in.target": target}
    for name, loss in {"mse": F.mse_loss(x, target), "mae": F.l1_loss(x, target)}.items():
        results[f"{name}.out.loss"] = loss
        results[f"{name}.grad.in.x"] = torch.autograd.grad(loss, x)[0]
    write("tensor_losses", results)


class Gate(nn.Module):
    """A 3x3 convolution of [h; x] and, if asked for, its spectral normalisation (Miyato et al. 2018)."""

    def __init__(self, width, spectral):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(width, 2 * width, 3, 3) * 1.5 / (18 * width) ** 0.5)
        self.bias = nn.Parameter(0.2 * torch.randn(width))
        self.register_buffer("u", F.normalize(torch.randn(width), dim=0) if spectral else None)

    def prepare(self):
        if self.u is None:
            self.sigma = 1
            return
        matrix = self.weight.flatten(1)
        with torch.no_grad():
            v = F.normalize(matrix.T @ self.u, dim=0)
            u = F.normalize(matrix @ v, dim=0) if self.training else self.u.clone()
            self.u.copy_(u)
        self.sigma = u @ matrix @ v

    def forward(self, h, x):
        return F.conv2d(torch.cat([h, x], 1), self.weight / self.sigma, self.bias, padding=1)


class ConvGRU(nn.Module):
    """Ballas, Yao, Pal, Courville 2016: u keeps the state, and the candidate is a tanh."""

    def __init__(self, width, spectral):
        super().__init__()
        self.reset, self.update, self.candidate = (Gate(width, spectral) for _ in range(3))

    def forward(self, x, state):
        h, states = state, []
        for frame in x.unbind(1):
            reset, update = torch.sigmoid(self.reset(h, frame)), torch.sigmoid(self.update(h, frame))
            candidate = torch.tanh(self.candidate(reset * h, frame))
            h = update * h + (1 - update) * candidate
            states.append(h)
        return torch.stack(states, 1)


class ConvLSTM(nn.Module):
    """Shi et al. 2015 without peepholes; the given state is the first hidden state and the first cell."""

    def __init__(self, width, spectral):
        super().__init__()
        self.input, self.forget, self.candidate, self.output = (Gate(width, spectral) for _ in range(4))

    def forward(self, x, state):
        h, cell, states = state, state, []
        for frame in x.unbind(1):
            write, keep = torch.sigmoid(self.input(h, frame)), torch.sigmoid(self.forget(h, frame))
            show = torch.sigmoid(self.output(h, frame))
            cell = keep * cell + write * torch.tanh(self.candidate(h, frame))
            h = show * torch.tanh(cell)
            states.append(h)
        return torch.stack(states, 1)


def recurrent(name, kind, spectral):
    width, frames = 3, 3
    module = kind(width, spectral)
    x = torch.randn(2, frames, width, 3, 4).requires_grad_()
    state = torch.randn(2, width, 3, 4).requires_grad_()
    upstream = torch.randn(x.shape)
    results = {"in.x": x, "in.state": state, "upstream.y": upstream}
    results.update({f"param.{key}": value for key, value in module.named_parameters()})
    before = {key: value.clone() for key, value in module.named_buffers()}
    results.update({f"buffer.{key}": value for key, value in before.items()})
    parameters = {f"param.{key}": value for key, value in module.named_parameters()}
    for run_name, training, given in (("zero_state", True, False), ("given_state", True, True), ("eval", False, True)):
        module.load_state_dict(before, strict=False)
        module.train(training)
        for gate in module.children():
            gate.prepare()
        y = module(x, state if given else torch.zeros_like(state))
        leaves = {"in.x": x, **({"in.state": state} if given else {}), **parameters}
        run(results, run_name, y, upstream, leaves, dict(module.named_buffers()) if training else None)
        results = {key: value.detach().clone() if value.grad_fn else value for key, value in results.items()}
    write(name, results, {"width": width, "frames": frames})


def main():
    for number, make in enumerate([
            activations,
            lambda: norm("batchnorm", nn.BatchNorm2d(5), 2 + 3 * torch.randn(3, 5, 4, 3), {"channels": 5}),
            lambda: norm("groupnorm", nn.GroupNorm(3, 6), 2 + 3 * torch.randn(3, 6, 4, 3), {"groups": 3, "channels": 6}),
            lambda: norm("layernorm", nn.LayerNorm(7), 2 + 3 * torch.randn(3, 4, 7), {"channels": 7}),
            global_average_pool, losses,
            lambda: recurrent("convgru_plain", ConvGRU, False),
            lambda: recurrent("convgru_tanh", ConvGRU, True),
            lambda: recurrent("convlstm", ConvLSTM, True),
            lambda: recurrent("convlstm_plain", ConvLSTM, False)]):
        torch.manual_seed(number + 1)
        make()


main()
