"""Files from MXNet's own exporter, and MXNet's outputs: ``python make_mxnet.py`` (mxnet 1.9.1, NumPy 1.23,
onnx 1.14)."""

from __future__ import annotations

import tempfile
from pathlib import Path

import mxnet as mx
import numpy as np
from mxnet.gluon import nn

HERE = Path(__file__).parent


class Residual(nn.HybridBlock):
    """A residual block, global pooling, a dense layer."""

    def __init__(self, **settings: object) -> None:
        super().__init__(**settings)
        with self.name_scope():
            self.stem = nn.HybridSequential()
            self.stem.add(nn.Conv2D(8, 3, padding=1, use_bias=False), nn.BatchNorm(), nn.Activation("relu"))
            self.body = nn.HybridSequential()
            self.body.add(nn.Conv2D(8, 3, padding=1), nn.BatchNorm(), nn.LeakyReLU(0.1))
            self.tail = nn.HybridSequential()
            self.tail.add(nn.MaxPool2D(2), nn.Conv2D(12, 3, strides=2), nn.GlobalAvgPool2D(), nn.Dense(5))

    def hybrid_forward(self, F: object, x: object) -> object:
        x = self.stem(x)
        return self.tail(x + self.body(x))


def lenet() -> nn.HybridBlock:
    """Convolutions, average pooling, a flatten behind them, tanh, dropout."""
    net = nn.HybridSequential()
    net.add(
        nn.Conv2D(4, 5, activation="tanh"), nn.AvgPool2D(2),
        nn.Conv2D(6, 3, activation="sigmoid"), nn.AvgPool2D(2), nn.Flatten(),
        nn.Dense(10, activation="tanh"), nn.Dropout(0.3), nn.Dense(4),
    )  # fmt: skip
    return net


def main() -> None:
    mx.random.seed(0)
    np.random.seed(0)
    for name, net, shape in (("residual", Residual(), (4, 3, 16, 16)), ("lenet", lenet(), (4, 1, 18, 18))):
        net.initialize(mx.init.Xavier(magnitude=2.5))
        x = mx.nd.array(np.random.standard_normal(shape))
        with mx.autograd.record():
            for _ in range(3):
                net(x * 1.5 + 0.3)
        net.hybridize()
        y = net(x)
        with tempfile.TemporaryDirectory() as folder:
            net.export(f"{folder}/net")
            mx.onnx.export_model(
                f"{folder}/net-symbol.json", f"{folder}/net-0000.params", [(1, *shape[1:])], [np.float32],
                str(HERE / f"mxnet_{name}.onnx"),
            )  # fmt: skip
        np.savez(HERE / f"mxnet_{name}.npz", x=x.asnumpy(), y=y.asnumpy())


if __name__ == "__main__":
    main()
