#!/usr/bin/env python3
"""Goes on in PyTorch with a network of dvd, and gives it back.

    exchange_weights.py NETWORK BATCH STEPS TRAINED

NETWORK holds the weights of two convolutions with a ReLU between them, a dvd::Sequential; BATCH x and target, images
[N, C, H, W]. TRAINED will hold the weights after STEPS steps of Adam.
"""
import sys

import torch
import torch.nn.functional as F
from torch import nn

import plain_safetensors


def train(net, x, target, steps):
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-2)
    for step in range(steps):
        y = net(x)
        loss = F.mse_loss(y, target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def read(path):
    return {name: torch.tensor(value) for name, value in plain_safetensors.load(path)[0].items()}


if __name__ == "__main__":
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    net = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 3, 3, padding=1))
    net.load_state_dict(read(sys.argv[1]))  # the names and the layouts are the same
    train(net, **read(sys.argv[2]), steps=int(sys.argv[3]))
    plain_safetensors.save(sys.argv[4], {name: value.numpy() for name, value in net.state_dict().items()})
