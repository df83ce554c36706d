"""Flax: NNX modules, channels last, trained by an Optax transformation under ``nnx.jit``."""

from __future__ import annotations

import re

from crosstrain.source.objects import Style, classes, named_layers
from crosstrain.source.operations.flax_layers import HELPERS
from crosstrain.source.operations.jax import CALLS as OPERATIONS
from crosstrain.source.operations.jax import HELPERS as FUNCTIONS
from crosstrain.source.operations.jax_layers import HELPERS as JAX_LAYERS
from crosstrain.source.operations.words import listed, tupled
from crosstrain.source.skeleton import (
    LOAD,
    SAVE,
    Kind,
    loss_of,
    main,
    momentum,
    named_weights,
    schedule_and_update,
    train,
)
from crosstrain.source.target import Draft, Target, Template
from crosstrain.source.targets.jax import CALLS as JAX
from crosstrain.source.targets.jax import LOSSES as JAX_LOSSES
from crosstrain.source.targets.torch import TRAINED
from crosstrain.source.training import LossTable
from crosstrain.source.view.step import Step


def _each(value: str, step: Step) -> str:
    """The setting ``value`` for every axis between the first and the last."""
    axes = int(step.settings["rank"]) - 2
    if isinstance(step.settings[value], tuple):
        return "{" + value + "}"
    return f"({', '.join(['{' + value + '}'] * axes)}{',' if axes == 1 else ''})"


def _padding(step: Step, usual: str) -> str:
    """The padding of a window where it is not the layer's ``usual`` one."""
    s = step.settings
    if s["padding"] == "explicit":
        sides = s["even"] if isinstance(s["even"], tuple) else (s["even"],) * (s["rank"] - 2)
        return f", padding={tuple((n, n) for n in sides)!r}"
    word = s["padding"].upper()
    return "" if word == usual else f', padding="{word}"'


def _conv(step: Step) -> str:
    s = step.settings
    if step.kind == "depthwise_conv":
        text = f"DepthwiseConv({{filters}}, {_each('kernel_size', step)}"
    else:
        text = f"nnx.Conv({{in_channels}}, {{filters}}, {_each('kernel_size', step)}"
    text += ", strides={stride}" if s["stride"] != 1 else ""
    text += _padding(step, "SAME")
    text += ", kernel_dilation={dilation}" if s["dilation"] != 1 else ""
    text += ", feature_group_count={groups}" if s["groups"] != 1 and step.kind == "conv" else ""
    return _ended(text, step)


def _conv_transpose(step: Step) -> str:
    s = step.settings
    text = f"ConvTranspose({{in_channels}}, {{filters}}, {_each('kernel_size', step)}, crop={{crop}}"
    text += f", strides={_each('stride', step)}" if s["stride"] != 1 else ""
    text += ", kernel_dilation={dilation}" if s["dilation"] != 1 else ""
    return _ended(text, step)


def _ended(text: str, step: Step) -> str:
    return text + ("" if "bias" in step.roles else ", use_bias=False") + ", rngs=rngs)"


def _norm(text: str) -> Template:
    def of(step: Step) -> str:
        more = ", axis={axis}" if step.kind == "batch_norm_axis" else ""
        more += "" if "gamma" in step.roles else ", use_scale=False"
        more += "" if "beta" in step.roles else ", use_bias=False"
        return f"{text}, epsilon={{epsilon}}{more}, rngs=rngs)"

    return of


def _pool(name: str, more: str = "") -> Template:
    def of(step: Step) -> str:
        size, stride = _each("size", step), _each("stride", step)
        padding = _padding(step, "VALID")
        return f"nnx.{name}({{0}}, {size}, {stride}{padding}{more if padding else ''})"

    return of


def _rnn(step: Step) -> str:
    turned = "{0}[:, ::-1]" if step.settings["backwards"] else "{0}"
    return f"{{layer}}({turned})" + ("" if step.settings["sequences"] else "[:, -1]")


def _weight(step: Step) -> str:
    shape, kind = tupled(step.settings["shape"]), step.settings["dtype"]
    if step.settings["trainable"]:
        how = "he_normal" if len(step.settings["shape"]) > 1 else "zeros"
        return f"nnx.Param(nnx.initializers.{how}()(rngs.params(), {shape}))".replace("zeros()", "zeros")
    return f"nnx.Variable(jnp.zeros({shape}{'' if kind == 'float32' else f', jnp.{kind}'}))"


def _in_nnx(template: Template) -> Template:
    """An activation of ``jax.nn`` by the name that NNX gives it too."""

    def renamed(text: str) -> str:
        return re.sub(r"^(jax\.nn|jnp)\.", "nnx.", text)

    return renamed(template) if isinstance(template, str) else lambda step: renamed(template(step))


ACTIVATIONS = (
    "relu", "relu6", "tanh", "sigmoid", "softmax", "gelu", "elu", "selu", "silu", "softplus", "softsign",
    "leaky_relu",
)  # fmt: skip

NOISE = ("gaussian_dropout", "gaussian_noise", "uniform_noise", "alpha_dropout")

CALLS: dict[str, Template] = {
    **JAX,
    **{name: _in_nnx(JAX[name]) for name in ACTIVATIONS},
    **{
        f"op_{name}": str(OPERATIONS[f"op_{name}"]).replace("(key,", "(noise(self),")
        for name in NOISE
    },
    **dict.fromkeys(
        ("conv", "depthwise_conv", "conv_transpose", "dense", "batch_norm", "batch_norm_axis", "layer_norm",
         "rms_norm"),
        "{layer}({0})",
    ),
    **dict.fromkeys(("lstm", "gru", "simple_rnn"), _rnn),
    "embedding": lambda s: "{layer}({0})" if s.settings["whole"] else "{layer}({0}.astype(int))",
    "max_pool": _pool("max_pool"),
    "average_pool": _pool("avg_pool", ", count_include_pad=False"),
    "dropout": "nnx.Dropout({rate})({0}, deterministic=self.deterministic, rngs=self.rngs)",
    "op_dropout": "dropout(noise(self), {0}, {rate}, {salt}, {noise_shape})",
    "op_random_uniform": "jax.random.uniform(self.rngs.noise(), {0}.shape, {0}.dtype)",
    "op_random_normal": "jax.random.normal(self.rngs.noise(), {0}.shape, {0}.dtype)",
    "phase_select": "{1} if self.deterministic else {0}",
    "augment_select": "{1} if self.deterministic else {0}",
    "weight": "{layer}[...]",
}  # fmt: skip

DECLARES: dict[str, Template] = {
    "conv": _conv,
    "depthwise_conv": _conv,
    "conv_transpose": _conv_transpose,
    "dense": lambda s: _ended("nnx.Linear({inputs}, {units}", s),
    "batch_norm": _norm("nnx.BatchNorm({channels}, momentum={momentum}"),
    "batch_norm_axis": _norm("nnx.BatchNorm({channels}, momentum={momentum}"),
    "layer_norm": _norm("nnx.LayerNorm({features}"),
    "rms_norm": "nnx.RMSNorm({features}, epsilon={epsilon}, rngs=rngs)",
    "embedding": "nnx.Embed({vocabulary}, {features}, rngs=rngs)",
    "lstm": "LSTM({features}, {units}, rngs=rngs)",
    "gru": "GRU({features}, {units}, rngs=rngs)",
    "simple_rnn": "SimpleRNN({features}, {units}, rngs=rngs)",
    "weight": _weight,
}

LOSSES: LossTable = {
    **JAX_LOSSES,
    ("sparse_categorical_crossentropy", True): (
        "optax.softmax_cross_entropy_with_integer_labels({output}, {target}).mean()"
    ),
    ("categorical_crossentropy", True): "optax.softmax_cross_entropy({output}, {target}).mean()",
    ("binary_crossentropy", True): "optax.sigmoid_binary_cross_entropy({output}, {target}).mean()",
    ("mean_squared_error", False): "optax.squared_error({output}, {target}).mean()",
}

STYLE = Style(
    base="nnx.Module",
    method="def __call__(self, {inputs}):",
    begin=(),
    keep=(
        "self.{blocks} = nnx.List([{cls}({passed}rngs=rngs) for {loop} in {generator}()])",
    ),
    go=("for block in self.{blocks}:", "    {x} = block({x})"),
    keys=False,
    also=("*", "rngs"),
    penalty="self.penalty[...]",
    stored={
        r"self\.deterministic|noise\(self\)": "self.deterministic = False  # model.eval() sets it",
        r"self\.rngs|noise\(self\)": "self.rngs = rngs",
        r"self\.penalty": "self.penalty = nnx.Intermediate(jnp.zeros(()))",
    },
)  # fmt: skip

_SAME = {rank: f"({listed(range(rank))})" for rank in (3, 4, 5)}
_TURNED = {3: "(0, 2, 1)", 4: "(0, 1, 3, 2)", 5: "(0, 1, 2, 4, 3)"}
_RECURRENT = (("kernel", "layer.kernel", "(0, 1)", ""), ("recurrent_kernel", "layer.recurrent", "(0, 1)", ""))
_BIAS = ("bias", "layer.bias", "(0,)", "")

WEIGHTS = (
    *(Kind("depthwise_conv", "DepthwiseConv", (
        ("kernel", "layer.kernel", axes, "from (…, in, 1)"), _BIAS,
    ), rank) for rank, axes in _TURNED.items()),
    *(Kind("conv_transpose", "ConvTranspose", (("kernel", "layer.kernel", axes, ""), _BIAS), rank)
      for rank, axes in _SAME.items()),
    *(Kind("conv", "nnx.Conv", (("kernel", "layer.kernel", axes, ""), _BIAS), rank)
      for rank, axes in _SAME.items()),
    Kind("dense", "nnx.Linear", (("kernel", "layer.kernel", "(0, 1)", ""), _BIAS)),
    Kind("batch_norm", "nnx.BatchNorm", (
        ("gamma", "layer.scale", "(0,)", ""), ("beta", "layer.bias", "(0,)", ""),
        ("moving_mean", "layer.mean", "(0,)", ""), ("moving_variance", "layer.var", "(0,)", ""),
    )),
    Kind("layer_norm", "nnx.LayerNorm", (
        ("gamma", "layer.scale", "(0,)", ""), ("beta", "layer.bias", "(0,)", ""),
    )),
    Kind("rms_norm", "nnx.RMSNorm", (("gamma", "layer.scale", "(0,)", ""), ("scale", "layer.scale", "(0,)",
    ""))),
    Kind("embedding", "nnx.Embed", (("embeddings", "layer.embedding", "(0, 1)", ""),)),
    Kind("lstm", "LSTM", (*_RECURRENT, _BIAS)),
    Kind("simple_rnn", "SimpleRNN", (*_RECURRENT, _BIAS)),
    Kind("gru", "GRU", (*_RECURRENT, ("bias", "layer.bias", "(0, 1)", ""))),
    Kind("weight", "nnx.Variable", (("weight", "layer", "range(layer.ndim)", ""),)),
)  # fmt: skip

BY_RULE = '''def by_rule():
    """``update`` as an Optax transformation; its state are the slots of every parameter."""

    def init(params):
        return [[jnp.zeros_like(w) for w in jax.tree.leaves(params)] for _ in range({slots})]

    def apply(gradients, state, params, *, rate, step):
        weights, structure = jax.tree.flatten(params)
        rows = zip(weights, jax.tree.leaves(gradients), *state)
        new, *state = zip(*[{row} for w, g, *slots in rows])
        moved = [after - before for before, after in zip(weights, new)]
        return jax.tree.unflatten(structure, moved), [list(slot) for slot in state]

    return optax.GradientTransformationExtraArgs(init, apply)'''

STEP = '''@nnx.jit
def train_step(model, optimizer, {arrays}{timed}):
    """One step on a batch{counted}. Returns the loss before it."""

    def loss(model):
        return loss_of({called}model({inputs}), {targets}){penalty}

    before, gradients = nnx.value_and_grad(loss)(model)
    optimizer.update(model, gradients{rate})
    return before'''


def write(draft: Draft) -> None:
    training = draft.training
    classes(draft, STYLE)
    loss_of(draft, LOSSES, "Flax")
    if training.plain:
        rule = f"optax.sgd(LEARNING_RATE{momentum(draft)})"
    else:
        schedule_and_update(draft, "jnp.sqrt")
        row = "update(w, g, *slots, rate, step)" if training.slots else "(update(w, g, rate, step),)"
        draft.add(BY_RULE.format(slots=len(training.slots), row=row))
        rule = "by_rule()"
    draft.add(
        "def make_optimizer(model):", f"    return nnx.Optimizer(model, {rule}, wrt=nnx.Param)"
    )  # fmt: skip
    draft.add(
        STEP.format(
            arrays=", ".join([*draft.inputs, *draft.targets]),
            called="*" if len(draft.outputs) > 1 else "",
            inputs=", ".join(draft.inputs), targets=", ".join(draft.targets),
            penalty=" + model.penalty[...]" if draft.network.penalty else "",
            timed="" if training.plain else ", rate, step",
            counted="" if training.plain else "; steps count from 1",
            rate="" if training.plain else ", rate=rate, step=step",
        )
    )  # fmt: skip
    timed = "" if training.plain else ", rate, step"
    train(
        draft,
        "model, ",
        "batch = [jnp.asarray(array[index]) for array in arrays]\n"
        + ("" if training.plain else "rate, step = learning_rate(step), step + 1\n")
        + f"losses.append(train_step(model, optimizer, *batch{timed}))",
        "jnp.stack(losses).mean()",
        ("model.train()", "optimizer = make_optimizer(model)", *(() if training.plain else ("step = 0",))),
    )
    draft.add(*named_layers(draft, STYLE))
    named_weights(draft, WEIGHTS)
    draft.add(LOAD.format(load="tensor.set_value(jnp.asarray(stored[name].transpose(axes)))"))
    draft.add(SAVE.format(save="np.asarray(tensor[...])"))
    main(
        draft, create=f"model = {draft.class_name}(rngs=nnx.Rngs(arguments.seed))",
        load="load_weights(model, {path})", trained=TRAINED, save="save_weights(model, {path})",
    )  # fmt: skip


FLAX = Target(
    "flax", "Flax",
    ("import argparse", "import math", "", "import jax", "import jax.numpy as jnp", "import numpy as np",
     "import optax", "from flax import nnx", "from jax import lax"),
    CALLS, DECLARES, {**JAX_LAYERS, **FUNCTIONS, **HELPERS}, LOSSES, write, engines=("flax",),
    packages=("flax", "jax", "numpy", "optax"),
    asks={
        "axes": "channels stand last",
        "training and inference": "model.train() and model.eval() switch the module, and it remembers",
        "random numbers": "nnx.Rngs, streams that modules own",
        "gradients": "nnx.value_and_grad of the model; an Optax rule updates it",
        "weights": "nnx.Param and nnx.BatchStat in modules; kernels are (height, width, in, out)",
        "compilation": "nnx.jit compiles anew for each new shape",
    },
)  # fmt: skip
