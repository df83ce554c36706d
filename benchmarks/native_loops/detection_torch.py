"""YOLO's small network and its loss in PyTorch by hand: only the cells with an object are gathered."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

PREDICTORS, OF_PREDICTOR = 2, 5
COORD, NOOBJ = 5.0, 0.5
"""Weights of places and of the confidence where there is no object (Redmon et al. 2016, equation 3)."""


class YoloTiny(nn.Sequential):
    """darknet's ``yolov1-tiny.cfg`` with a quarter of its maps, four of its six poolings, and a 1×1
    convolution in place of the dense layer: (batch, 10 + classes, height / 16, width / 16)."""

    def __init__(self, classes: int) -> None:
        maps = (3, 4, 8, 16, 32, 64, 128, 256, 64)
        parts: list[nn.Module] = []
        for number, (before, after) in enumerate(itertools.pairwise(maps), 1):
            parts += [
                nn.Conv2d(before, after, 3, padding=1, bias=False), nn.BatchNorm2d(after),
                nn.LeakyReLU(0.1, inplace=True), *([nn.MaxPool2d(2)] if number <= 4 else []),
            ]  # fmt: skip
        super().__init__(*parts, nn.Conv2d(maps[-1], PREDICTORS * OF_PREDICTOR + classes, 1))


def yolo_loss(outputs: Tensor, truths: Tensor, *, size: Sequence[int]) -> Tensor:
    """Redmon et al. 2016, equation 3, the mean over pictures of ``size`` (height, width). ``truths`` are
    (batch, most, 5): ymin, xmin, ymax, xmax in pixels and the class, -1 in rows that stand for nothing."""
    grid = outputs.permute(0, 2, 3, 1)
    count, rows, columns, numbers = grid.shape
    pixels = torch.tensor([size[0], size[1]], dtype=truths.dtype)
    cells = torch.tensor([rows, columns], dtype=truths.dtype)

    picture, place = (truths[..., 4] >= 0).nonzero(as_tuple=True)
    own = truths[picture, place]
    middle = (own[:, :2] + own[:, 2:4]) / 2 * (cells / pixels)
    down, right = middle[:, 0].long(), middle[:, 1].long()
    _, inverse = torch.unique((picture * rows + down) * columns + right, return_inverse=True)
    first = torch.full((int(inverse.max()) + 1,), len(own)).scatter_reduce_(
        0, inverse, torch.arange(len(own)), "amin"
    )  # of several objects in a cell
    picture, down, right, own, middle = (x[first] for x in (picture, down, right, own, middle))

    chosen = grid[picture, down, right]
    boxes = chosen[:, : PREDICTORS * OF_PREDICTOR].view(-1, PREDICTORS, OF_PREDICTOR)
    corner = torch.stack([down, right], dim=1)
    with torch.no_grad():
        centre = (boxes[..., [1, 0]] + corner[:, None]) * (pixels / cells)
        sides = boxes[..., [3, 2]].square() * pixels
        low, high = centre - sides / 2, centre + sides / 2
        target = own[:, None, :4]
        both = (torch.minimum(high, target[..., 2:]) - torch.maximum(low, target[..., :2])).clamp(min=0)
        both = both.prod(dim=2)
        overlap = both / (sides.prod(dim=2) + (target[..., 2:] - target[..., :2]).prod(dim=2) - both)
        distance = (torch.cat([low, high], dim=2) - target).square().sum(dim=2)
        fits = torch.where(overlap.amax(dim=1, keepdim=True) > 0, overlap, -distance)
        best = fits.argmax(dim=1)
    each = torch.arange(len(own))
    box, overlap = boxes[each, best], overlap[each, best]
    wanted = torch.cat(
        [(middle - corner).flip(1), ((own[:, 2:4] - own[:, :2]) / pixels).sqrt().flip(1)], dim=1
    )
    kinds = F.one_hot(own[:, 4].long(), numbers - PREDICTORS * OF_PREDICTOR)
    total = (
        NOOBJ * grid[..., 4 : PREDICTORS * OF_PREDICTOR : OF_PREDICTOR].square().sum()
        - NOOBJ * box[:, 4].square().sum()
        + COORD * (box[:, :4] - wanted).square().sum()
        + (box[:, 4] - overlap).square().sum()
        + (chosen[:, PREDICTORS * OF_PREDICTOR :] - kinds).square().sum()
    )
    return total / count
