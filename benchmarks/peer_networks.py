"""The networks of peer_torch.py: DVD-GAN and its variants, in PyTorch."""
import torch
import torch.nn.functional as F
from torch import nn

from peer_layers import (Norm, Spectral, as_stored, attention, from_stored, in_layout, options, recurrent_unit)

WIDTHS = {16: ([8, 4, 2], [2, 4, 8]), 32: ([8, 8, 4, 2], [2, 4, 8, 16]), 64: ([8, 8, 8, 4, 2], [2, 4, 8, 16, 16]),
          128: ([8, 8, 8, 4, 2, 1], [1, 2, 4, 8, 16, 16])}


class GeneratorBlock(nn.Module):
    def __init__(self, inputs, outputs, frames, condition, up):
        super().__init__()
        self.up = up
        self.norm1, self.conv1 = Norm(frames, inputs, condition), Spectral(outputs, inputs, 3, 3)
        self.norm2, self.conv2 = Norm(frames, outputs, condition), Spectral(outputs, outputs, 3, 3)
        self.skip = Spectral(outputs, inputs, 1, 1) if up or inputs != outputs else None

    def enlarge(self, x):
        if not self.up:
            return x
        if options.model == "nearest":
            return F.interpolate(x, scale_factor=2, mode="nearest")
        return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)

    def forward(self, x, c):
        h = self.conv1(self.enlarge(torch.relu(self.norm1(x, c))))
        h = self.conv2(torch.relu(self.norm2(h, c)))
        return h + (self.enlarge(self.skip(x)) if self.skip else x)


def images(x):
    """Of volumes [N, C, T, H, W]."""
    return x.transpose(1, 2).flatten(0, 1)


def volumes(x, n):
    return x.unflatten(0, (n, -1)).transpose(1, 2)


class Block(nn.Module):
    def __init__(self, inputs, outputs, dims, first, down):
        super().__init__()
        self.dims, self.first, self.down = dims, first, down
        self.conv1, self.conv2 = Spectral(outputs, inputs, *[3] * dims), Spectral(outputs, outputs, *[3] * dims)
        self.skip = Spectral(outputs, inputs, *[1] * dims) if down or inputs != outputs else None

    def pool(self, x):
        if not self.down:
            return x
        if self.dims == 2:
            return F.avg_pool2d(x, 2)
        if not options.channels_last:
            return F.avg_pool3d(x, (2 if x.shape[2] > 1 else 1, 2, 2))
        # On a GPU, avg_pool3d knows no channels last: first images, then pairs of them.
        x = as_stored(F.avg_pool2d(images(x), 2)).unflatten(0, (len(x), -1))
        if x.shape[1] > 1:
            x = torch.lerp(x[:, 0:-1:2], x[:, 1::2], 0.5)
        return from_stored(x)

    def forward(self, x):
        h = self.conv2(torch.relu(self.conv1(x if self.first else torch.relu(x))))
        shortcut = self.pool(x)
        return self.pool(h) + (self.skip(shortcut) if self.skip else shortcut)


def discriminator_blocks(widths, volumes):
    """Of which the first `volumes` are of videos."""
    inputs = [3] + widths
    return nn.ModuleList(Block(inputs[i], widths[i], 3 if i < volumes else 2, i == 0, i + 1 < len(widths))
                         for i in range(len(widths)))


class Conditioning(nn.Module):
    """The initial states of recurrent units, from frames that are given; blocks as D_S's."""

    def __init__(self, frames, widths, d_widths):
        super().__init__()
        self.blocks = discriminator_blocks(d_widths, 0)
        stages = len(widths) - 1
        self.sources = [stages if stage == 0 else stages - 1 - stage for stage in range(stages)]
        self.projections = nn.ModuleList(Spectral(widths[stage], frames * d_widths[source], 3, 3)
                                         for stage, source in enumerate(self.sources))

    def forward(self, x, n):
        features = []
        for block in self.blocks:
            x = block(x)
            features.append(x)
        states = []
        for source, projection in zip(self.sources, self.projections):
            x = features[source].unflatten(0, (n, -1))
            if options.channels_last:
                x = from_stored(x.permute(0, 3, 4, 1, 2).flatten(3))
            else:
                x = x.flatten(1, 2)
            states.append(torch.relu(projection(x)))
        return states


class Generator(nn.Module):
    def __init__(self, frames, widths, classes, latent=120, embed=120, given=0, d_widths=()):
        """given: frames to be continued, which are looked at by blocks of the widths of a discriminator."""
        super().__init__()
        self.frames, condition = frames, latent + embed
        self.embedding = nn.Embedding(classes, embed)
        self.input = Spectral(16 * widths[0], condition)
        self.stages = nn.ModuleList(
            nn.ModuleList([recurrent_unit(a), GeneratorBlock(a, a, frames, condition, False),
                           GeneratorBlock(a, b, frames, condition, True)]) for a, b in zip(widths, widths[1:]))
        self.attention = attention(widths[-2])
        self.conditioning = Conditioning(given, widths, d_widths) if given else None
        self.norm, self.conv = Norm(frames, widths[-1], condition), Spectral(3, widths[-1], 3, 3)

    def forward(self, z, y, given=None):
        """given: frames of each video, to be continued."""
        n = len(z)
        states = self.conditioning(given, n) if self.conditioning else [None] * len(self.stages)
        c = torch.cat([z, self.embedding(y)], 1)
        x = in_layout(self.input(c).view(n, -1, 4, 4))
        for i, (gru, block0, block1) in enumerate(self.stages):
            if self.attention and i + 1 == len(self.stages):
                x = self.attention(x, n)
            x = block1(block0(gru(x, n, self.frames, states[i]), c), c)
        return torch.tanh(self.conv(torch.relu(self.norm(x, c))))


class Discriminator(nn.Module):
    def __init__(self, widths, classes, volumes):
        super().__init__()
        self.volumes = volumes
        self.blocks = discriminator_blocks(widths, volumes)
        self.attention = attention(widths[0])
        self.linear, self.embedding = Spectral(1, widths[-1]), Spectral(classes, widths[-1], bias=False)

    def forward(self, video, y, frames=None):
        """frames [N, k]: those to look at; without them, all."""
        n = len(y)
        if self.volumes:
            x = in_layout(F.avg_pool2d(video, 2).unflatten(0, (n, -1)).transpose(1, 2))
        else:
            first = torch.arange(0, len(video), len(video) // n, device=video.device)
            x = from_stored(as_stored(video).index_select(0, (first[:, None] + frames).flatten()))
        for i, block in enumerate(self.blocks):
            x = block(x)
            if i == 0 and self.attention:
                x = self.attention(x, n) if not self.volumes else volumes(self.attention(images(x), n), n)
            if i + 1 == self.volumes:
                x = images(x)
        phi = torch.relu(x).sum((2, 3)).unflatten(0, (n, -1)).sum(1)
        direction = self.linear.normalized() + F.embedding(y, self.embedding.normalized())
        return (direction * phi).sum(1) + len(x) // n * self.linear.bias
