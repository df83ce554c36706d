"""PyTorch by hand for a GPU: eager, or the whole step captured in one CUDA graph; IEEE float32."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from native_loops.expert_torch import resnet20
from native_loops.gpu_tasks import LEARNING_RATE, MOMENTUM, TOKENS, GpuTask, batches


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.lstm = nn.Embedding(TOKENS, 64), nn.LSTM(64, 128, batch_first=True)
        self.head = nn.Linear(128, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.lstm(self.embedding(x))[1][0][0])


class Attention(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads, self.qkv, self.out = heads, nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        n, t, c = x.shape
        q, k, v = self.qkv(x).view(n, t, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4)
        return self.out(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(n, t, c))


class Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.attention, self.norm1 = Attention(width, 4), nn.LayerNorm(width)
        self.feed = nn.Sequential(nn.Linear(width, 512), nn.GELU(), nn.Linear(512, width))
        self.norm2 = nn.LayerNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm1(x + self.attention(x))
        return self.norm2(x + self.feed(x))


class Transformer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.positions = nn.Embedding(TOKENS, 128), nn.Parameter(torch.randn(64, 128) * 0.02)
        self.blocks, self.head = nn.Sequential(Block(128), Block(128)), nn.Linear(128, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.blocks(self.embedding(x) + self.positions).mean(1))


class Inverted(nn.Module):
    def __init__(self, inner: int, outer: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide, parts = inner * expansion, []
        if expansion != 1:
            parts += _normed(inner, wide, 1)
        parts += _normed(wide, wide, 3, stride, wide)
        parts += [nn.Conv2d(wide, outer, 1, bias=False), nn.BatchNorm2d(outer)]
        self.layers, self.residual = nn.Sequential(*parts), stride == 1 and inner == outer

    def forward(self, x: Tensor) -> Tensor:
        y = self.layers(x)
        return x + y if self.residual else y


def _normed(inner: int, outer: int, size: int, stride: int = 1, groups: int = 1) -> list[nn.Module]:
    conv = nn.Conv2d(inner, outer, size, stride, size // 2, groups=groups, bias=False)
    return [conv, nn.BatchNorm2d(outer), nn.ReLU6(inplace=True)]


def mobilenetv2() -> nn.Module:
    """Sandler et al. 2018, table 2."""
    parts: list[nn.Module] = _normed(3, 32, 3, 2)
    inner = 32
    for expansion, outer, count, stride in (
        (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2),
        (6, 320, 1, 1),
    ):  # fmt: skip
        for index in range(count):
            parts.append(Inverted(inner, outer, 1 if index else stride, expansion))
            inner = outer
    parts += [*_normed(320, 1280, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1280, 10)]
    return nn.Sequential(*parts)


def mlp() -> nn.Module:
    return nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 3))


MODELS: dict[str, Callable[[], nn.Module]] = {
    "resnet20": lambda: resnet20(10),
    "lstm": Recurrent,
    "transformer": Transformer,
    "mlp": mlp,
    "mobilenetv2": mobilenetv2,
}


def contender(task: GpuTask, batch_size: int, device: str, captured: bool) -> Callable[[int], float]:
    """``run(steps)``: the seconds of so many steps on batches out of host memory."""
    place = torch.device(device)
    cuda = place.type == "cuda"
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.benchmark = True
    images = len(task.shape) == 3
    model = MODELS[task.name]().to(place)
    if images:
        model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer: Any
    if task.optimizer == "sgd":
        optimizer = torch.optim.SGD(model.parameters(), lr=LEARNING_RATE, momentum=MOMENTUM, fused=cuda)
    else:
        optimizer = torch.optim.Adam(
            model.parameters(), lr=LEARNING_RATE, fused=cuda or None, capturable=cuda and captured
        )
    x, y = task.data()

    def step(a: Tensor, b: Tensor) -> Tensor:
        optimizer.zero_grad(set_to_none=True)
        loss = F.cross_entropy(model(a.permute(0, 3, 1, 2) if images else a), b)
        loss.backward()
        optimizer.step()
        return loss.detach()

    def placed(array: Any) -> Tensor:
        tensor = torch.from_numpy(array)
        return tensor.pin_memory().to(place, non_blocking=True) if cuda else tensor

    advance = _captured(step, placed(x[:batch_size]), placed(y[:batch_size])) if captured and cuda else step

    def run(steps: int) -> float:
        begin = time.perf_counter()
        for a, b in batches(x, y, steps, batch_size):
            advance(placed(a), placed(b))
        if cuda:
            torch.cuda.synchronize()
        return time.perf_counter() - begin

    return run


def _captured(
    step: Callable[[Tensor, Tensor], Tensor], a: Tensor, b: Tensor
) -> Callable[[Tensor, Tensor], Tensor]:
    """The step as one CUDA graph on buffers of its own, captured as PyTorch's manual shows it."""
    buffers = a.clone(), b.clone()
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            step(*buffers)
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        loss = step(*buffers)

    def replay(a: Tensor, b: Tensor) -> Tensor:
        buffers[0].copy_(a, non_blocking=True)
        buffers[1].copy_(b, non_blocking=True)
        graph.replay()
        return loss

    return replay
