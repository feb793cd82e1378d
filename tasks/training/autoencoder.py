"""A small convolutional autoencoder that fills in what is masked: the first example of something to train."""

import torch
from torch import Tensor, nn
from torch.nn import functional

_STEP = 8
"""Pixels of the input a side that one position of the code stands for: three halvings."""


class Autoencoder(nn.Module):
    """Bands with holes, and where they are, to all bands: (sample, channel, y, x) of any size."""

    def __init__(self, channels: int, width: int = 32) -> None:
        """`width`: channels after the first convolution; the code has four times as many."""
        super().__init__()
        self.encoder = nn.Sequential(
            _down(channels + 1, width), _down(width, 2 * width), _down(2 * width, 4 * width),
        )  # fmt: skip
        self.decoder = nn.Sequential(
            _up(4 * width, 2 * width), _up(2 * width, width), _up(width, width), nn.Conv2d(width, channels, 1),
        )  # fmt: skip

    def forward(self, image: Tensor, hidden: Tensor) -> Tensor:
        """`hidden`: bool (sample, 1, y, x), what is not shown; the image is 0 there and where it has no data."""
        height, width = image.shape[-2:]
        seen = torch.cat([image.masked_fill(hidden, 0.0), hidden.to(image.dtype)], 1)
        padded = functional.pad(seen, (0, -width % _STEP, 0, -height % _STEP))
        return self.decoder(self.encoder(padded))[..., :height, :width]


def _down(before: int, after: int) -> nn.Module:
    return nn.Sequential(nn.Conv2d(before, after, 3, stride=2, padding=1), nn.GroupNorm(4, after), nn.GELU())


def _up(before: int, after: int) -> nn.Module:
    return nn.Sequential(
        nn.Upsample(scale_factor=2), nn.Conv2d(before, after, 3, padding=1), nn.GroupNorm(4, after), nn.GELU()
    )


def hide(samples: int, height: int, width: int, share: float, generator: torch.Generator, side: int = 16) -> Tensor:
    """Squares of `side` pixels that are not shown, a `share` of them: bool (sample, 1, y, x), on the CPU."""
    rows, columns = -(-height // side), -(-width // side)
    squares = torch.rand((samples, 1, rows, columns), generator=generator) < share
    return squares.repeat_interleave(side, -2).repeat_interleave(side, -1)[..., :height, :width]


def masked_loss(made: Tensor, image: Tensor, hidden: Tensor) -> Tensor:
    """Mean squared error where the image was hidden and has data: NaN pixels have none. 0 where there are none such."""
    counts = hidden & ~image.isnan()
    error = (made - image.nan_to_num(0.0)).square()
    return (error * counts).sum() / counts.sum().clamp(min=1)
