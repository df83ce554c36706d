"""MXNet: hybridized Gluon blocks, channels first inside."""

from __future__ import annotations

from crosstrain.errors import CrosstrainError
from crosstrain.source.objects import Style, classes, named_layers
from crosstrain.source.skeleton import LOAD, SAVE, Kind, loss_of, main, named_weights, train
from crosstrain.source.target import Draft, Target, Template
from crosstrain.source.targets.limits import pictures_only
from crosstrain.source.targets.torch import TRAINED
from crosstrain.source.view.layout import channels_first
from crosstrain.source.view.step import Step


def _conv(step: Step) -> str:
    s = step.settings
    same = s["padding"] == "same" and s["even"] is None
    if same and not s["divides"]:
        raise CrosstrainError(
            f"crosstrain code cannot write the layer {step.name!r} for MXNet: its 'same' padding depends "
            "on the size of the picture, which symbols do not know; choose a size that the stride divides"
        )
    text = ("SameConv" if same else "nn.Conv2D") + "({filters}, {kernel_size}"
    text += ", strides={stride}" if s["stride"] != 1 else ""
    text += ", padding={even}" if s["even"] else ""
    text += "" if "bias" in step.roles else ", use_bias=False"
    return text + ", in_channels={in_channels})"


def _pool(step: Step) -> str:
    s = step.settings
    if s["even"] is None:
        raise CrosstrainError("crosstrain code has no pooling with uneven padding for MXNet")
    pad = ", {even}" if s["even"] else ""
    return f"{step.kind}(F, {{0}}, {{size}}, {{stride}}{pad})"


def _axes(step: Step) -> str:
    return "(2, 3)" if step.settings["rank"] == 4 else "1"


CALLS: dict[str, Template] = {
    "conv": "{layer}({0})",
    "dense": "{layer}({0})",
    "batch_norm": "{layer}({0})",
    "layer_norm": "{layer}({0})",
    "embedding": "{layer}({0})",
    "lstm": lambda s: "{layer}({0})" if s.settings["sequences"] else "last(F, {layer}({0}))",
    "max_pool": _pool,
    "average_pool": _pool,
    "global_mean": lambda s: "F.mean({0}, axis=" + _axes(s) + ")",
    "global_max": lambda s: "F.max({0}, axis=" + _axes(s) + ")",
    "flatten": "F.flatten({0})",
    "reshape": lambda s: "F.reshape({0}, shape=(-1, " + ", ".join(map(str, s.settings["to"])) + "))",
    "subsample": "subsample(F, {0}, {stride})",
    "pad_channels": "pad_channels(F, {0}, {channels} - {in_channels})",
    "zero_pad": ('F.pad({0}, mode="constant", pad_width=(0, 0, 0, 0, {top}, {bottom}, {left}, {right}))'),
    "to_first": "F.transpose({0}, axes=(0, 3, 1, 2))",
    "to_last": "F.transpose({0}, axes=(0, 2, 3, 1))",
    "add": "{0} + {1}",
    "subtract": "{0} - {1}",
    "multiply": "{0} * {1}",
    "maximum": "F.broadcast_maximum({0}, {1})",
    "concatenate": lambda s: "F.concat({all}, dim=" + ("1" if s.settings["rank"] == 4 else "-1") + ")",
    "dropout": "F.Dropout({0}, p={rate})",
    "relu": "F.relu({0})",
    "tanh": "F.tanh({0})",
    "sigmoid": "F.sigmoid({0})",
    "softmax": "F.softmax({0})",
    "softplus": 'F.Activation({0}, act_type="softrelu")',
    "softsign": "F.softsign({0})",
    "elu": lambda s: f'F.LeakyReLU({{0}}, act_type="elu", slope={s.settings.get("alpha", 1.0)!r})',
    "leaky_relu": 'F.LeakyReLU({0}, act_type="leaky", slope={negative_slope})',
}

DECLARES: dict[str, Template] = {
    "conv": _conv,
    "dense": lambda s: (
        "nn.Dense({units}, flatten=False, "
        + ("" if "bias" in s.roles else "use_bias=False, ")
        + "in_units={inputs})"
    ),
    "batch_norm": "nn.BatchNorm(momentum={momentum}, epsilon={epsilon}, in_channels={channels})",
    "layer_norm": "nn.LayerNorm(epsilon={epsilon}, in_channels={features})",
    "embedding": "nn.Embedding({vocabulary}, {features})",
    "lstm": "make_lstm({features}, {units})",
}

HELPERS = {
    "SameConv": '''
class SameConv(nn.Conv2D):
    """padding="same" as in Keras, for sizes that the stride divides: the larger part comes last."""

    def hybrid_forward(self, F, x, weight, bias=None):
        total = max(self._kwargs["kernel"][0] - self._kwargs["stride"][0], 0)
        pads = (total // 2, total - total // 2) * 2
        padded = F.pad(x, mode="constant", pad_width=(0, 0, 0, 0, *pads), constant_value=0)
        return super().hybrid_forward(F, padded, weight, bias)
''',
    "max_pool": """
def max_pool(F, x, size, stride, padding=0):
    kernel, pad = (size, size), (padding, padding)
    return F.Pooling(x, kernel=kernel, stride=(stride, stride), pad=pad, pool_type="max")
""",
    "average_pool": '''
def average_pool(F, x, size, stride, padding=0):
    """The mean of the cells that are not padding."""
    settings = {"kernel": (size, size), "stride": (stride, stride), "pad": (padding, padding)}
    return F.Pooling(x, pool_type="avg", count_include_pad=False, **settings)
''',
    "subsample": '''
def subsample(F, x, stride):
    """Every n-th pixel."""
    return F.slice(x, begin=(None,) * 4, end=(None,) * 4, step=(None, None, stride, stride))
''',
    "pad_channels": '''
def pad_channels(F, x, missing):
    """``missing`` zero channels, half of them before and half after."""
    zeros = F.zeros_like(F.slice_axis(x, axis=1, begin=0, end=1))
    before, after = missing // 2, missing - missing // 2
    return F.concat(F.tile(zeros, (1, before, 1, 1)), x, F.tile(zeros, (1, after, 1, 1)), dim=1)
''',
    "make_lstm": '''
def make_lstm(features, units):
    """With one bias, as in Keras: MXNet's second one stays zero. The gates have the same order."""
    lstm = rnn.LSTM(units, layout="NTC", input_size=features)
    lstm.l0_h2h_bias.grad_req = "null"
    return lstm
''',
    "last": '''
def last(F, x):
    """The last step of a sequence (N, time, units)."""
    return F.squeeze(F.slice_axis(x, axis=1, begin=-1, end=None), axis=1)
''',
    "probabilities": '''
def probabilities(p):
    """Scaled to sum to 1 and clipped away from 0 and 1, as in Keras."""
    return nd.clip(p / p.sum(axis=-1, keepdims=True), 1e-7, 1 - 1e-7)
''',
}

LOSSES = {
    ("sparse_categorical_crossentropy", True): "-nd.pick(nd.log_softmax({output}), {target}).mean()",
    ("sparse_categorical_crossentropy", False): "-nd.pick(nd.log(probabilities({output})), {target}).mean()",
    ("categorical_crossentropy", True): "-({target} * nd.log_softmax({output})).sum(axis=-1).mean()",
    ("categorical_crossentropy", False): "-({target} * nd.log(probabilities({output}))).sum(axis=-1).mean()",
    ("mean_squared_error", False): "nd.square({output} - {target}).mean()",
    ("mean_absolute_error", False): "nd.abs({output} - {target}).mean()",
}

STYLE = Style(
    base="nn.HybridBlock",
    method="def hybrid_forward(self, F, {inputs}):",
    begin=("super().__init__()",),
    keep=(
        "self.{blocks} = nn.HybridSequential()",
        "for {loop} in {generator}():",
        "    self.{blocks}.add({cls}({settings}))",
    ),
    go=("{x} = self.{blocks}({x})",),
    keys=False,
)

WEIGHTS = (
    Kind("conv", "nn.Conv2D", (
        ("kernel", "layer.weight", "(3, 2, 0, 1)", "from (height, width, in, out)"), ("bias", "layer.bias",
        "(0,)", ""),
    )),
    Kind("dense", "nn.Dense", (("kernel", "layer.weight", "(1, 0)", "from (in, out)"), ("bias",
    "layer.bias", "(0,)", ""))),
    Kind("batch_norm", "nn.BatchNorm", (
        ("gamma", "layer.gamma", "(0,)", ""), ("beta", "layer.beta", "(0,)", ""),
        ("moving_mean", "layer.running_mean", "(0,)", ""), ("moving_variance", "layer.running_var", "(0,)",
        ""),
    )),
    Kind("layer_norm", "nn.LayerNorm", (("gamma", "layer.gamma", "(0,)", ""), ("beta", "layer.beta", "(0,)",
    ""))),
    Kind("embedding", "nn.Embedding", (("embeddings", "layer.weight", "(0, 1)", ""),)),
    Kind("lstm", "rnn.LSTM", (
        ("kernel", "layer.l0_i2h_weight", "(1, 0)", "from (in, gates)"),
        ("recurrent_kernel", "layer.l0_h2h_weight", "(1, 0)", ""), ("bias", "layer.l0_i2h_bias", "(0,)", ""),
    )),
)  # fmt: skip


def _trainer(draft: Draft) -> str:
    o = draft.training.optimizer
    if o.weight_decay or o.name not in ("sgd", "adam"):
        raise CrosstrainError(
            f"crosstrain code cannot write {o.name}{' with weight decay' if o.weight_decay else ''} for "
            "MXNet, whose own differs from Keras's; it writes sgd and adam"
        )
    if o.name == "adam":
        values = {"beta1": o.beta_1, "beta2": o.beta_2, "epsilon": o.epsilon}
        name = "adam"
    else:
        values = {"momentum": o.momentum} if o.momentum else {}
        name = "nag" if o.nesterov and o.momentum else "sgd"
    settings = ", ".join(['"learning_rate": LEARNING_RATE', *[f'"{k}": {v!r}' for k, v in values.items()]])
    return f'gluon.Trainer(model.collect_params(), "{name}", {{{settings}}})'


STEP = '''def train_step(model, trainer, {arrays}):
    """One step on a batch of arrays; the loss before it."""
{rate}    with autograd.record():
        loss = loss_of({called}model({inputs}), {targets})
    loss.backward()
    trainer.step(1)
    return loss.detach()'''


def write(draft: Draft) -> None:
    training = draft.training
    classes(draft, STYLE)
    draft.add(
        "def make_model():",
        f"    model = {draft.class_name}()",
        "    model.initialize(mx.init.MSRAPrelu())",
        "    model.hybridize()",
        "    return model",
    )
    loss_of(draft, LOSSES, "MXNet")
    draft.add(
        "def make_optimizer(model):",
        f"    settings = {_settings(_trainer(draft))}",
        f"    {_return_trainer(draft)}",
    )
    rate = ""
    if not training.constant:
        draft.add(*training.rate())
        rate = "    trainer.set_learning_rate(learning_rate(trainer.optimizer.num_update))\n"
    names = ", ".join([*draft.inputs, *draft.targets])
    draft.add(
        STEP.format(
            arrays=names, called="*" if len(draft.outputs) > 1 else "", inputs=", ".join(draft.inputs),
            targets=", ".join(draft.targets), rate=rate,
        )
    )  # fmt: skip
    train(
        draft,
        "model, ",
        "batch = [nd.array(array[index], dtype=array.dtype) for array in arrays]\n"
        "losses.append(train_step(model, trainer, *batch))",
        "nd.stack(*losses).mean().asscalar()",
        ("trainer = make_optimizer(model)",),
    )
    draft.add(*named_layers(draft, STYLE))
    named_weights(draft, WEIGHTS)
    draft.add(LOAD.format(load="tensor.set_data(stored[name].transpose(axes).astype(tensor.dtype))"))
    draft.add(SAVE.format(save="tensor.data().asnumpy()"))
    main(
        draft, create="model = make_model()", load="load_weights(model, {path})",
        trained=TRAINED, save="save_weights(model, {path})",
    )  # fmt: skip


def _settings(trainer: str) -> str:
    return trainer[trainer.index("{") : -1]


def _return_trainer(draft: Draft) -> str:
    return "return " + _trainer(draft).split("{")[0] + "settings)"


MXNET = Target(
    "mxnet", "MXNet",
    ("import argparse", "import math", "", "import mxnet as mx", "import numpy as np",
     "from mxnet import autograd, gluon, nd", "from mxnet.gluon import nn, rnn"),
    CALLS, DECLARES, HELPERS, LOSSES, write, prepare=channels_first, lacks=pictures_only, engines=("mxnet",),
    packages=("mxnet", "numpy"),
    single_settings=True, double_settings=(("batch_norm", "epsilon"),),
    asks={
        "axes": "channels stand first: pictures are transposed on the way in",
        "training and inference": "autograd.record() is training; outside of it is inference",
        "random numbers": "one global generator for each device, mx.random.seed",
        "gradients": "backward() inside a record; the trainer divides by the batch size",
        "weights": "initialized by name, some at the first call; kernels are (out, in, height, width)",
        "compilation": "none unless hybridize() is called",
    },
)  # fmt: skip
