"""What frameworks were seen to do otherwise than they say, or than Keras means, and what stands in its place.

These are faults of frameworks, not of engines: an engine goes around them, and ``crosstrain ops`` shows that
it does. Most can be reported as they are: a few lines of the framework's own, what they gave, what is right.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Fault:
    """A fault of a ``framework`` at a ``version``, about the vocabulary's ``op``. ``around`` says what the
    engine does instead, ``where`` in which module of ``crosstrain/``. ``code``, where there is some, prints
    ``got`` and should print ``right``."""

    engine: str
    framework: str
    version: str
    op: str
    what: str
    around: str
    where: str
    code: str = ""
    got: str = ""
    right: str = ""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def faults(engines: Iterable[str] = ()) -> tuple[Fault, ...]:
    """The faults of these engines' frameworks; of all where none is named."""
    wanted = set(engines)
    return tuple(fault for fault in FAULTS if not wanted or fault.engine in wanted)


_KERAS = "graph/keras_export/forms.py"
_OF_KERAS = "import keras, numpy as np\n"
_OF_MLX = "import math, mlx.core as mx\nmx.set_default_device(mx.cpu)\n"
_OF_MINDSPORE = "import numpy as np, mindspore as ms\nx = ms.Tensor(np.array([[0.1, 0.7]]))\n"

FAULTS = (
    Fault(
        "keras-torch", "Keras on PyTorch", "3.15.1", "average_pool",
        "uneven 'same' padding repeats the edge and counts it in the average",
        "zero padding, valid pooling, and factors", _KERAS,
        _OF_KERAS + "x = np.array([0, 0, 0, 1.0]).reshape(1, 4, 1)\n"
        "print(keras.ops.average_pool(x, 3, 2, 'same').ravel().tolist())",
        "[0.0, 0.6666666666666666]", "[0.0, 0.5]",
    ),
    Fault(
        "keras-torch", "Keras on PyTorch", "3.15.1", "pad", "symmetric padding repeats the edge",
        "slices", _KERAS,
        _OF_KERAS + "print(keras.ops.pad(np.arange(3), [[2, 2]], mode='symmetric').tolist())",
        "[0, 0, 0, 1, 2, 2, 2]", "[1, 0, 0, 1, 2, 2, 1]",
    ),
    Fault(
        "keras-torch", "Keras on PyTorch", "3.15.1", "one_hot",
        "an index out of range is an error, not a row of zeros", "a comparison", _KERAS,
        _OF_KERAS + "try:\n    print(keras.ops.one_hot(np.array([5]), 3).tolist())\n"
        "except RuntimeError as error:\n    print(error)",
        "Class values must be smaller than num_classes.", "[[0.0, 0.0, 0.0]]",
    ),
    Fault(
        "keras-torch", "Keras on PyTorch", "3.15.1", "top_k", "equal values come in any order",
        "a stable sort", _KERAS,
        _OF_KERAS + "x = np.array([1.0, 3, 3, 0, 3, 3, 3, 1, 1, 1])\n"
        "print(keras.ops.top_k(x, 5)[1].tolist())",
        "[1, 6, 5, 4, 2]", "[1, 2, 4, 5, 6]",
    ),
    Fault(
        "keras-torch", "Keras on PyTorch", "3.15.1", "floor_divide",
        "int64 is narrowed to int32 and overflows", "a cast", _KERAS,
        _OF_KERAS + "print(keras.ops.floor_divide(np.array([2**40]), np.array([1])).tolist())",
        "[0]", "[1099511627776]",
    ),
    Fault(
        "keras-tensorflow", "Keras on TensorFlow", "3.15.1", "celu", "the slope at 0 is 2",
        "the formula", _KERAS,
        "import keras, tensorflow as tf\nx = tf.constant([0.0])\nwith tf.GradientTape() as tape:\n"
        "    tape.watch(x)\n    y = keras.ops.celu(x)\nprint(tape.gradient(y, x).numpy().tolist())",
        "[2.0]", "[1.0]",
    ),
    Fault(
        "keras-jax", "Keras on JAX", "3.15.1", "abs, leaky_relu", "the slope at 0 is 1, as is that of an L1 "
        "penalty; on the other backends 0, and the negative slope", "the formula", _KERAS,
        "import jax, keras\n"
        "print(jax.grad(keras.ops.abs)(0.0), jax.grad(lambda x: keras.ops.leaky_relu(x, 0.25))(0.0))",
        "1.0 1.0", "0.0 0.25",
    ),
    Fault(
        "keras-torch", "Keras", "3.15.1", "conv_transpose",
        "the functional node of keras.ops.conv_transpose mixes up its arguments (all backends)",
        "the layer, or an op layer", _KERAS,
    ),
    Fault(
        "tensorflow", "TensorFlow", "2.21.0", "conv",
        "conv3d of one channel in float32 gives memory that nothing wrote, for some windows and strides",
        "a second channel of zeros", "engines/tensorflow/windows.py",
        "import tensorflow as tf\nx, kernel = tf.ones((1, 3, 3, 3, 1)), tf.ones((3, 1, 2, 1, 1))\n"
        "x *= tf.reshape(tf.range(27.0), x.shape)\n"
        "y = tf.nn.conv3d(x, kernel, [1, 1, 1, 2, 1], 'VALID').numpy().ravel()\n"
        "print((y == [57, 75, 93]).tolist())",
        "[True, False, True]", "[True, True, True]",
    ),
    Fault(
        "tensorflow", "TensorFlow", "2.21.0", "conv",
        "conv3d in float64 with SAME begins too late where the last window ends before the picture does",
        "padding by hand", "engines/tensorflow/windows.py",
        "import tensorflow as tf\nx = tf.reshape(tf.range(3, dtype='float64'), (1, 3, 1, 1, 1))\n"
        "kernel = tf.ones((1, 1, 1, 1, 1), 'float64')\n"
        "print(tf.nn.conv3d(x, kernel, [1, 3, 1, 1, 1], 'SAME').numpy().ravel().tolist())",
        "[1.0]", "[0.0]",
    ),
    Fault(
        "torch", "PyTorch's Inductor", "2.13.0", "gru",
        "a GRU of which only the last state is read gets a wrong gradient for its recurrent kernel (CPU; up "
        "to 0.8 % off, aot_eager is right)",
        "recurrent layers stay eager under compile", "engines/torch/engine.py",
    ),
    Fault(
        "torch", "PyTorch", "2.13.0", "softplus", "softplus is x itself beyond 20 by default, in float64 too",
        "the threshold is 50", "engines/torch/ops.py",
        "import torch\nx = torch.tensor(21.0, dtype=torch.float64)\n"
        "print(torch.nn.functional.softplus(x).item())",
        "21.0", "21.00000000075826",
    ),
    Fault(
        "paddle", "PaddlePaddle", "3.3.1", "log_softmax", "log_softmax ends at -64 (CPU)",
        "x - logsumexp(x)", "engines/paddle/ops.py",
        "import paddle\nprint(paddle.nn.functional.log_softmax(paddle.to_tensor([0.0, 200.0])).tolist())",
        "[-64.0, 0.0]", "[-200.0, 0.0]",
    ),
    Fault(
        "paddle", "PaddlePaddle", "3.3.1", "layer_norm, batch_norm",
        "a frozen gamma gives layer_norm a wrong gradient for x; batch_norm gives 0 for gamma where beta has "
        "no gradient",
        "all gradients are asked for", "engines/paddle/layers.py",
    ),
    Fault(
        "paddle", "PaddlePaddle", "3.3.1", "max_pool",
        "over NaN, with noted places, the gradient writes outside of its memory (a crash)",
        "NaN takes the plain form", "engines/paddle/images.py",
    ),
    Fault(
        "paddle", "PaddlePaddle", "3.3.1", "normalize, leaky_relu, …",
        "attributes are float32 in float64 kernels: an epsilon of 0.001 is 0.001000000047",
        "the vocabulary's meaning", "engines/paddle/ops.py",
    ),
    Fault(
        "mindspore", "MindSpore", "2.10.0", "softplus, log_softmax, sort, layer_norm",
        "float64 is computed in float32 (1e-6 off)", "built of kernels that do not",
        "engines/mindspore/ops.py",
        _OF_MINDSPORE + "off = ms.ops.LogSoftmax()(x).asnumpy() + np.log1p(np.exp([[0.6, -0.6]]))\n"
        "print(abs(off).max() < 1e-9)",
        "False", "True",
    ),
    Fault(
        "mindspore", "MindSpore", "2.10.0", "max_pool",
        "gradients of MaxPool and MaxPool3D compare float64 in float32; MaxPoolWithArgmaxV2 loses infinities",
        "MaxPool3DWithArgmax", "engines/mindspore/windows.py",
    ),
    Fault(
        "mindspore", "MindSpore", "2.10.0", "pad",
        "PadV3's gradient in compiled code is right at the first call and wrong from then on",
        "Pad and Concat", "engines/mindspore/windows.py",
    ),
    Fault(
        "mindspore", "MindSpore", "2.10.0", "slice",
        "StridedSlice with strides over 1: its gradient fails (memory out of bounds)",
        "cells gathered by index", "engines/mindspore/ops.py",
    ),
    Fault(
        "mlx", "MLX", "0.32.4", "exp, sin, cos, erf, sigmoid, conv",
        "float64 is computed in float32 (8e-8 off)", "expm1, tan, log1p and products, which are exact",
        "engines/mlx/ops.py",
        _OF_MLX + "print(abs(mx.exp(mx.array(1.0, dtype=mx.float64)).item() - math.e) < 1e-12)",
        "False", "True",
    ),
    Fault(
        "tinygrad", "tinygrad", "0.14.0", "erf, arcsin, arctan",
        "polynomials right to 1e-7, in float64 too", "written for both precisions",
        "engines/tinygrad/math.py",
    ),
    Fault(
        "theano", "Theano", "1.0.5", "sigmoid, softplus",
        "sigmoid is exactly 1 from 19 on, softplus exactly x from 16 on", "written with a shift",
        "engines/theano/ops.py",
    ),
    Fault(
        "theano", "Theano", "1.0.5", "max_pool", "the gradient goes to every largest value under a window",
        "written cell by cell", "engines/theano/windows.py",
    ),
    Fault(
        "mxnet", "MXNet", "1.9.1", "conv",
        "in inference oneDNN reorders kernels in place, which a view of a larger array does not survive",
        "inference has copies of the weights", "engines/mxnet/weights.py",
    ),
    Fault(
        "mxnet", "MXNet", "1.9.1", "(Adam)",
        "the Adam kernel rounds 1 - 0.999 to float32: the second moment is 1.3e-5 off",
        "crosstrain's rule", "engines/mxnet/weights.py",
    ),
)  # fmt: skip
"""By framework. What a framework does differently by its own documentation (an unbiased variance, a second
bias) is no fault and stands in docs/frameworks.md."""
