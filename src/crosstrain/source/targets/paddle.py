"""PaddlePaddle: layers, channels first inside."""

from __future__ import annotations

from crosstrain.graph.graph import Node
from crosstrain.source.objects import Style, classes, named_layers
from crosstrain.source.skeleton import (
    LOAD,
    SAVE,
    Kind,
    loss_of,
    main,
    named_weights,
    schedule_and_update,
    train,
)
from crosstrain.source.target import Draft, Target, Template
from crosstrain.source.targets.limits import pictures_only
from crosstrain.source.targets.torch import CALLS as TORCH_CALLS
from crosstrain.source.targets.torch import TRAINED, global_axes
from crosstrain.source.view.layout import channels_first
from crosstrain.source.view.step import Step


def _conv(step: Step) -> str:
    s = step.settings
    text = "nn.Conv2D({in_channels}, {filters}, {kernel_size}"
    text += ", stride={stride}" if s["stride"] != 1 else ""
    text += ', padding="SAME"' if s["padding"] == "same" else ""
    return text + (")" if "bias" in step.roles else ", bias_attr=False)")


def _pool(step: Step) -> str:
    s = step.settings
    text = ("F.max_pool2d" if step.kind == "max_pool" else "F.avg_pool2d") + "({0}, {size}"
    text += ", {stride}" if s["stride"] != s["size"] else ""
    return text + (', padding="SAME")' if s["padding"] == "same" else ")")


def _axes(step: Step) -> str:
    return global_axes(step).replace("(", "[").replace(")", "]")


ALIKE = (
    "dense", "conv", "batch_norm", "layer_norm", "flatten", "subsample", "pad_channels", "add", "subtract",
    "multiply",
    "relu", "relu6", "elu", "selu", "silu", "softplus", "softsign", "leaky_relu", "number",
)  # fmt: skip
"""What PyTorch and Paddle write alike."""

CALLS: dict[str, Template] = {
    **{kind: TORCH_CALLS[kind] for kind in ALIKE},
    "lstm": lambda s: "{layer}({0})" + ("" if s.settings["sequences"] else "[:, -1]"),
    "embedding": '{layer}({0}.astype("int64"))',
    "max_pool": _pool,
    "average_pool": _pool,
    "global_mean": lambda s: "{0}.mean(" + _axes(s) + ")",
    "global_max": lambda s: "{0}.max(" + _axes(s) + ")",
    "reshape": lambda s: "{0}.reshape([-1, " + ", ".join(map(str, s.settings["to"])) + "])",
    "to_first": "{0}.transpose([0, 3, 1, 2])",
    "to_last": "{0}.transpose([0, 2, 3, 1])",
    "zero_pad": "F.pad({0}, [{left}, {right}, {top}, {bottom}])",
    "maximum": "paddle.maximum({0}, {1})",
    "concatenate": lambda s: (
        "paddle.concat([{all}], axis=" + ("1" if s.settings["rank"] == 4 else "-1") + ")"
    ),
    "dropout": "F.dropout({0}, {rate}, training=self.training)",
    "tanh": "F.tanh({0})",
    "sigmoid": "F.sigmoid({0})",
    "softmax": "F.softmax({0})",
    "gelu": "F.gelu({0}, approximate={approximate})",
}

DECLARES: dict[str, Template] = {
    "conv": _conv,
    "dense": lambda s: "nn.Linear({inputs}, {units}" + (")" if "bias" in s.roles else ", bias_attr=False)"),
    "batch_norm": lambda s: (
        f"nn.BatchNorm{2 if s.settings['rank'] == 4 else 1}D("
        "{channels}, momentum={momentum}, epsilon={epsilon})"
    ),
    "layer_norm": "nn.LayerNorm({features}, epsilon={epsilon})",
    "embedding": "nn.Embedding({vocabulary}, {features})",
    "lstm": "LSTM({features}, {units})",
}

HELPERS = {
    "pad_channels": '''
def pad_channels(x, channels):
    """Zero channels before and after, for ``channels`` in all."""
    missing = channels - x.shape[1]
    return F.pad(x, [0, 0, missing // 2, missing - missing // 2, 0, 0, 0, 0])
''',
    "LSTM": '''
class LSTM(nn.Layer):
    """x (N, time, features) to (N, time, units); gates in the order input, forget, cell, output.

    With one bias, as in Keras; Paddle's own layer (3.3) has two, and fails on a CPU with one.
    """

    def __init__(self, features, units):
        super().__init__()
        self.units = units
        self.kernel = self.create_parameter((features, 4 * units))
        self.recurrent_kernel = self.create_parameter((units, 4 * units))
        self.bias = self.create_parameter((4 * units,), is_bias=True)

    def forward(self, x):
        projected = x @ self.kernel + self.bias
        h = c = paddle.zeros((x.shape[0], self.units), x.dtype)
        outputs = []
        for now in projected.unbind(1):
            i, f, g, o = (now + h @ self.recurrent_kernel).split(4, axis=-1)
            c = F.sigmoid(f) * c + F.sigmoid(i) * F.tanh(g)
            h = F.sigmoid(o) * F.tanh(c)
            outputs.append(h)
        return paddle.stack(outputs, axis=1)
''',
    "cross_entropy": '''
def cross_entropy(logits, classes):
    """The mean over a batch. Paddle's own (3.3) bounds it: on a CPU no example costs more than 64."""
    picked = paddle.take_along_axis(logits, classes.unsqueeze(-1), axis=-1).squeeze(-1)
    return (paddle.logsumexp(logits, axis=-1) - picked).mean()
''',
    "soft_cross_entropy": '''
def soft_cross_entropy(logits, shares):
    """The mean over a batch. Paddle's own (3.3) bounds it: on a CPU no example costs more than 64."""
    log_p = logits - paddle.logsumexp(logits, axis=-1, keepdim=True)
    return -(shares * log_p).sum(-1).mean()
''',
    "probabilities": '''
def probabilities(p):
    """Scaled to sum to 1 and clipped away from 0 and 1, as in Keras."""
    return (p / p.sum(-1, keepdim=True)).clip(1e-7, 1 - 1e-7)
''',
}

LOSSES = {
    ("sparse_categorical_crossentropy", True): "cross_entropy({output}, {target})",
    ("sparse_categorical_crossentropy", False): "F.nll_loss(probabilities({output}).log(), {target})",
    ("categorical_crossentropy", True): "soft_cross_entropy({output}, {target})",
    ("categorical_crossentropy", False): "-({target} * probabilities({output}).log()).sum(-1).mean()",
    ("binary_crossentropy", True): "F.binary_cross_entropy_with_logits({output}, {target})",
    ("mean_squared_error", False): "F.mse_loss({output}, {target})",
    ("mean_absolute_error", False): "F.l1_loss({output}, {target})",
}

STYLE = Style(
    base="nn.Layer",
    method="def forward(self, {inputs}):",
    begin=("super().__init__()",),
    keep=(
        "self.{blocks} = nn.LayerDict()",
        "for {unpacked} in {generator}():",
        "    self.{blocks}[{key}] = {cls}({settings})",
    ),
    go=("for block in self.{blocks}.values():", "    {x} = block({x})"),
)

_NORM = (
    ("gamma", "layer.weight", "(0,)", ""), ("beta", "layer.bias", "(0,)", ""), ("moving_mean",
    "layer._mean", "(0,)", ""),
    ("moving_variance", "layer._variance", "(0,)", ""),
)  # fmt: skip
WEIGHTS = (
    Kind("conv", "nn.Conv2D", (
        ("kernel", "layer.weight", "(3, 2, 0, 1)", "from (height, width, in, out)"), ("bias", "layer.bias",
        "(0,)", ""),
    )),
    Kind("dense", "nn.Linear", (("kernel", "layer.weight", "(0, 1)", ""), ("bias", "layer.bias", "(0,)",
    ""))),
    Kind("batch_norm", "(nn.BatchNorm1D, nn.BatchNorm2D)", _NORM),
    Kind("layer_norm", "nn.LayerNorm", (("gamma", "layer.weight", "(0,)", ""), ("beta", "layer.bias",
    "(0,)", ""))),
    Kind("embedding", "nn.Embedding", (("embeddings", "layer.weight", "(0, 1)", ""),)),
    Kind("lstm", "LSTM", (
        ("kernel", "layer.kernel", "(0, 1)", ""), ("recurrent_kernel", "layer.recurrent_kernel", "(0, 1)",
        ""),
        ("bias", "layer.bias", "(0,)", ""),
    )),
)  # fmt: skip

OPTIMIZER = '''class Optimizer:
    """Applies ``update`` to every parameter."""

    def __init__(self, parameters):
        self.parameters = [p for p in parameters if not p.stop_gradient]
        self.slots = [[paddle.zeros_like(p) for _ in range({slots})] for p in self.parameters]
        self.steps = 0

    def clear_grad(self):
        for parameter in self.parameters:
            parameter.clear_gradient()

    @paddle.no_grad()
    def step(self):
        rate = learning_rate(self.steps)
        self.steps += 1
        for w, slots in zip(self.parameters, self.slots):
            new, *slots[:] = update(w, w.grad, *slots, rate, self.steps)
            w.set_value(new)'''

STEP = '''def train_step(model, optimizer, {arrays}):
    """One step on a batch of tensors. Returns the loss before it."""
    model.train()
    loss = loss_of({called}model({inputs}), {targets})
    loss.backward()
    optimizer.step()
    optimizer.clear_grad()
    return loss.detach()'''


def write(draft: Draft) -> None:
    training = draft.training
    classes(draft, STYLE)
    loss_of(draft, LOSSES, "PaddlePaddle")
    o = training.optimizer
    if training.plain and o.momentum:
        nesterov = ", use_nesterov=True" if o.nesterov else ""
        make = f"paddle.optimizer.Momentum(LEARNING_RATE, {o.momentum!r}, model.parameters(){nesterov})"
    elif training.plain:
        make = "paddle.optimizer.SGD(LEARNING_RATE, model.parameters())"
    else:
        schedule_and_update(draft, "paddle.sqrt")
        text = OPTIMIZER.format(slots=len(training.slots))
        if not training.slots:
            text = text.replace("new, *slots[:] = update(w, w.grad, *slots,", "new = update(w, w.grad,")
        draft.add(text)
        make = "Optimizer(model.parameters())"
    draft.add("def make_optimizer(model):", f"    return {make}")
    names = ", ".join([*draft.inputs, *draft.targets])
    draft.add(
        STEP.format(
            arrays=names, called="*" if len(draft.outputs) > 1 else "", inputs=", ".join(draft.inputs),
            targets=", ".join(draft.targets),
        )
    )  # fmt: skip
    train(
        draft,
        "model, ",
        "batch = [paddle.to_tensor(array[index]) for array in arrays]\n"
        "losses.append(train_step(model, optimizer, *batch))",
        "float(paddle.stack(losses).mean())",
        ("optimizer = make_optimizer(model)",),
    )
    draft.add(*named_layers(draft, STYLE))
    named_weights(draft, WEIGHTS)
    draft.add(LOAD.format(load="tensor.set_value(stored[name].transpose(axes).astype(tensor.numpy().dtype))"))
    draft.add(SAVE.format(save="tensor.numpy()"))
    main(
        draft, create=f"model = {draft.class_name}()", load="load_weights(model, {path})",
        trained=TRAINED, save="save_weights(model, {path})",
    )  # fmt: skip


def _single_gradient(node: Node) -> bool:
    """Average pooling multiplies by 1 / 9 in float32 (of a 3×3 window); 1 / 4 loses nothing there."""
    return node.op == "average_pool" and any(n & (n - 1) for n in node.attributes["window"])


PADDLE = Target(
    "paddle", "PaddlePaddle",
    ("import argparse", "import math", "", "import numpy as np", "import paddle",
     "import paddle.nn.functional as F", "from paddle import nn"),
    CALLS, DECLARES, HELPERS, LOSSES, write, prepare=channels_first, lacks=pictures_only, engines=("paddle",),
    packages=("numpy", "paddlepaddle"),
    single_settings=True,
    single_gradient=_single_gradient,
    asks={
        "axes": "channels stand first: pictures are transposed on the way in",
        "training and inference": "model.train() and model.eval() switch the layer, and it remembers",
        "random numbers": "one global generator, paddle.seed",
        "gradients": "backward() adds to each .grad; clear_grad() after the step",
        "weights": "attributes of layers; kernels are (out, in, height, width), but (in, out) in Linear",
        "compilation": "none unless paddle.jit.to_static is called",
    },
)  # fmt: skip
