"""Files from PyTorch's own exporters, and PyTorch's outputs: ``python make_torch.py --new`` (torch 2.13,
onnx; for ``--new``, the newer exporter, onnxscript too)."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import numpy as np
import onnx
import torch
from torch import nn

HERE = Path(__file__).parent


class Residual(nn.Module):
    """Convolutions with BatchNorm, a grouped and a strided one, squeeze and excitation, global pooling."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU())
        self.depthwise = nn.Sequential(
            nn.Conv2d(8, 8, 3, padding=1, groups=8), nn.BatchNorm2d(8), nn.Hardswish()
        )
        self.squeeze = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Conv2d(8, 4, 1), nn.SiLU(), nn.Conv2d(4, 8, 1)
        )
        self.down = nn.Conv2d(8, 12, 3, stride=2, padding=1)
        self.head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.2), nn.Linear(12, 5))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x)
        x = x + self.depthwise(x)
        x = x * torch.sigmoid(self.squeeze(x))
        return self.head(nn.functional.leaky_relu(self.down(nn.functional.max_pool2d(x, 3, 2, 1)), 0.1))


class Pooled(nn.Module):
    """Pooling that rounds up, a transposed convolution, concatenation, a flatten behind a convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.up = (
            nn.Conv2d(1, 4, 3),
            nn.ConvTranspose2d(4, 3, 3, stride=2, padding=1, output_padding=1),
        )
        self.norm, self.out = nn.GroupNorm(2, 4), nn.Linear(8 * 6 * 6, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.norm(torch.nn.functional.gelu(self.first(x)))
        y = nn.functional.avg_pool2d(y, 2, ceil_mode=True)
        z = nn.functional.max_pool2d(self.up(y), 2, ceil_mode=True)
        y = torch.cat([y, z, nn.functional.interpolate(y[:, :1, ::2, ::2], scale_factor=2)], dim=1)
        return torch.softmax(self.out(y.flatten(1)), dim=1)


class Words(nn.Module):
    """An embedding, a two-way LSTM, a GRU, and what is last of it."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(20, 6)
        self.lstm = nn.LSTM(6, 5, batch_first=True, bidirectional=True)
        self.gru, self.out = nn.GRU(10, 4, batch_first=True), nn.Linear(4, 3)

    def forward(self, words: torch.Tensor) -> torch.Tensor:
        y, _ = self.lstm(self.table(words))
        y, _ = self.gru(y)
        return self.out(y[:, -1])


class Attention(nn.Module):
    """A transformer's encoder layer over patches of a picture."""

    def __init__(self) -> None:
        super().__init__()
        self.patches, self.place = nn.Conv2d(3, 8, 4, stride=4), nn.Parameter(torch.randn(1, 16, 8) * 0.1)
        self.qkv, self.join, self.norm = nn.Linear(8, 24), nn.Linear(8, 8), nn.LayerNorm(8)
        self.out = nn.Linear(8, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.patches(x).flatten(2).transpose(1, 2) + self.place
        q, k, v = self.qkv(self.norm(y)).reshape(-1, 16, 3, 2, 4).permute(2, 0, 3, 1, 4)
        scores = torch.softmax(q @ k.transpose(-2, -1) / 2.0, dim=-1)
        y = y + self.join((scores @ v).transpose(1, 2).reshape(-1, 16, 8))
        return self.out(y.mean(1))


def settle(model: nn.Module, x: torch.Tensor) -> None:
    """BatchNorm's statistics away from 0 and 1."""
    model.train()
    with torch.no_grad():
        for _ in range(3):
            model(x if x.dtype != torch.float32 else x * 1.5 + 0.3)
    model.eval()


def without_places(path: Path) -> None:
    """Take the newer exporter's notes away: they hold the paths of the machine that ran it."""
    model = onnx.load(path)
    del model.graph.metadata_props[:]
    for part in (*model.graph.node, *model.graph.value_info, *model.graph.input, *model.graph.output):
        del part.metadata_props[:]
    onnx.save(model, path)


def main() -> None:
    warnings.simplefilter("ignore")
    torch.manual_seed(0)
    pictures = {
        "residual": (Residual(), torch.randn(4, 3, 16, 16)),
        "pooled": (Pooled(), torch.randn(4, 1, 14, 14)),
        "words": (Words(), torch.randint(0, 20, (4, 7))),
        "attention": (Attention(), torch.randn(4, 3, 16, 16)),
    }
    for name, (model, x) in pictures.items():
        settle(model, x)
        with torch.no_grad():
            expected = model(x).numpy()
        np.savez(HERE / f"torch_{name}.npz", x=x.numpy(), y=expected)
        shared = {"input_names": ["x"], "output_names": ["y"]}
        torch.onnx.export(
            model, (x,), str(HERE / f"torch_{name}.onnx"), dynamo=False, opset_version=17,
            dynamic_axes={"x": {0: "n"}, "y": {0: "n"}}, **shared,
        )  # fmt: skip
        # As many export: batches of one alone.
        torch.onnx.export(
            model, (x[:1],), str(HERE / f"torch_{name}_fixed.onnx"), dynamo=False, opset_version=12, **shared
        )
        if "--new" in sys.argv:
            torch.onnx.export(
                model, (x,), str(HERE / f"torch_{name}_new.onnx"), dynamo=True, external_data=False,
                dynamic_shapes=({0: torch.export.Dim("n")},), **shared,
            )  # fmt: skip
            without_places(HERE / f"torch_{name}_new.onnx")


if __name__ == "__main__":
    main()
