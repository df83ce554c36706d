"""tinygrad: classes that are called, channels first inside, a step that ``TinyJit`` captures."""

from __future__ import annotations

from crosstrain.source.objects import Style, classes, named_layers
from crosstrain.source.operations.torch_layers import HELPERS as TORCH_HELPERS
from crosstrain.source.placement import Placement
from crosstrain.source.skeleton import (
    LOAD,
    SAVE,
    Kind,
    Weight,
    loss_of,
    main,
    momentum,
    named_weights,
    schedule_and_update,
    train,
)
from crosstrain.source.target import Draft, Target, Template
from crosstrain.source.targets.limits import pictures_only
from crosstrain.source.targets.torch import TRAINED, global_axes, stride
from crosstrain.source.training import LossTable
from crosstrain.source.view.layout import channels_first
from crosstrain.source.view.step import Step


def _conv(step: Step) -> str:
    s = step.settings
    same = s["padding"] == "same" and s["even"] is None
    text = ("SameConv2d" if same else "nn.Conv2d") + "({in_channels}, {filters}, {kernel_size}"
    text += ", stride={stride}" if s["stride"] != 1 else ""
    text += ", padding={even}" if s["even"] else ""
    return text + (")" if "bias" in step.roles else ", bias=False)")


def _pool(name: str, more: str = "") -> Template:
    def of(step: Step) -> str:
        s = step.settings
        if s["even"] is None:
            return f"same_{name}({{0}}, {{size}}, {{stride}})"
        text = f"{{0:()}}.{name}2d(({{size}}, {{size}})"
        text += ", {stride}" if s["stride"] != s["size"] else ""
        return text + (f", padding={{even}}{more})" if s["even"] else ")")

    return of


def _global(name: str) -> Template:
    return lambda s: f"{{0:()}}.{name}({global_axes(s)})"


def _lacks(step: Step) -> bool:
    """What ``pictures_only`` says, and the exact gelu: tinygrad's ``erf`` is right to 1e-7."""
    return pictures_only(step) or (step.kind == "gelu" and not step.settings["approximate"])


CALLS: dict[str, Template] = {
    **dict.fromkeys(("conv", "dense", "batch_norm", "layer_norm"), "{layer}({0})"),
    "embedding": lambda s: "{layer}({0})" if s.settings["whole"] else "{layer}({0:()}.int())",
    "lstm": lambda s: "{layer}({0})" + ("" if s.settings["sequences"] else "[:, -1]"),
    "max_pool": _pool("max_pool"),
    "average_pool": _pool("avg_pool", ", count_include_pad=False"),
    "global_mean": _global("mean"),
    "global_max": _global("max"),
    "flatten": "{0:()}.flatten(1)",
    "reshape": lambda s: "{0:()}.reshape(-1, " + ", ".join(map(str, s.settings["to"])) + ")",
    "subsample": lambda s: "{0}[:, :, " + stride(s) + ", " + stride(s) + "]",
    "pad_channels": "pad_channels({0}, {channels})",
    "zero_pad": "{0:()}.pad(({left}, {right}, {top}, {bottom}))",
    "to_first": "{0:()}.permute(0, 3, 1, 2)",
    "to_last": "{0:()}.permute(0, 2, 3, 1)",
    "add": "{0} + {1}",
    "subtract": "{0} - {1}",
    "multiply": "{0} * {1}",
    "maximum": "{0:()}.maximum({1})",
    "concatenate": lambda s: "Tensor.cat({all}, dim=" + ("1" if s.settings["rank"] == 4 else "-1") + ")",
    "dropout": "{0:()}.dropout({rate})",
    **{
        name: f"{{0:()}}.{name}()"
        for name in ("relu", "relu6", "tanh", "sigmoid", "softmax", "gelu", "silu", "softplus", "softsign")
    },
    "elu": lambda s: "{0:()}.elu(" + ("{alpha}" if s.settings.get("alpha", 1.0) != 1.0 else "") + ")",
    "selu": "selu({0})",
    "leaky_relu": "{0:()}.leaky_relu({negative_slope})",
}  # fmt: skip

DECLARES: dict[str, Template] = {
    "conv": _conv,
    "dense": lambda s: "nn.Linear({inputs}, {units}" + (")" if "bias" in s.roles else ", bias=False)"),
    "batch_norm": "BatchNorm({channels}, momentum={momentum}, epsilon={epsilon})",
    "layer_norm": "nn.LayerNorm({features}, eps={epsilon})",
    "embedding": "nn.Embedding({vocabulary}, {features})",
    "lstm": "LSTM({features}, {units})",
}

HELPERS = {
    "same_padding": TORCH_HELPERS["same_padding"],
    "SameConv2d": '''
class SameConv2d(nn.Conv2d):
    """padding="same" as in Keras: where the padding is odd, the larger part comes last."""

    def __call__(self, x):
        return super().__call__(x.pad(same_padding(x, self.kernel_size[0], self.stride)))
''',
    "same_max_pool": '''
def same_max_pool(x, size, stride):
    """padding="same" as in Keras; padding is never the maximum."""
    return x.max_pool2d((size, size), stride, padding=same_padding(x, size, stride))
''',
    "same_avg_pool": '''
def same_avg_pool(x, size, stride):
    """padding="same" as in Keras: the mean of the cells that are not padding."""
    pads = same_padding(x, size, stride)
    return x.avg_pool2d((size, size), stride, padding=pads, count_include_pad=False)
''',
    "BatchNorm": '''
class BatchNorm:
    """As in Keras: momentum is the old value's share, and the moving variance is the biased one.

    tinygrad's own layer trains alike but keeps the unbiased variance for inference.
    """

    def __init__(self, channels, momentum, epsilon):
        self.momentum, self.epsilon = momentum, epsilon
        self.gamma, self.beta = Tensor.ones(channels), Tensor.zeros(channels)
        self.moving_mean = Tensor.zeros(channels).is_param_(False)
        self.moving_variance = Tensor.ones(channels).is_param_(False)

    def __call__(self, x):
        mean, variance = self.moving_mean, self.moving_variance
        if TRAINING:
            axes = tuple(axis for axis in range(x.ndim) if axis != 1)
            mean, variance = x.mean(axes), x.var(axes, correction=0)
            self.move(self.moving_mean, mean)
            self.move(self.moving_variance, variance)
        return x.batchnorm(self.gamma, self.beta, mean, (variance + self.epsilon).rsqrt())

    def move(self, moving, now):
        moving.assign(self.momentum * moving + (1 - self.momentum) * now.detach())
''',
    "LSTM": '''
class LSTM:
    """x (N, time, features) to (N, time, units); gates in the order input, forget, cell, output."""

    def __init__(self, features, units):
        self.kernel = Tensor.glorot_uniform(features, 4 * units)
        self.recurrent_kernel = Tensor.glorot_uniform(units, 4 * units)
        self.bias = Tensor.zeros(4 * units)

    def __call__(self, x):
        projected = x @ self.kernel + self.bias
        h = c = Tensor.zeros(x.shape[0], self.recurrent_kernel.shape[0], dtype=x.dtype)
        outputs = []
        for time in range(x.shape[1]):
            i, f, g, o = (projected[:, time] + h @ self.recurrent_kernel).chunk(4, dim=-1)
            c = f.sigmoid() * c + i.sigmoid() * g.tanh()
            h = o.sigmoid() * c.tanh()
            outputs.append(h)
        return Tensor.stack(*outputs, dim=1)
''',
    "selu": '''
def selu(x):
    """With all digits of its two constants, of which tinygrad's own has five."""
    return 1.0507009873554805 * (x > 0).where(x, 1.6732632423543772 * (x.minimum(0).exp() - 1))
''',
    "pad_channels": '''
def pad_channels(x, channels):
    """Zero channels before and after, for ``channels`` in all."""
    missing = channels - x.shape[1]
    return x.pad((0, 0, 0, 0, missing // 2, missing - missing // 2))
''',
    "probabilities": '''
def probabilities(p):
    """Scaled to sum to 1 and clipped away from 0 and 1, as in Keras."""
    return (p / p.sum(-1, keepdim=True)).clamp(1e-7, 1 - 1e-7)
''',
}

LOSSES: LossTable = {
    ("sparse_categorical_crossentropy", True): "{output}.sparse_categorical_crossentropy({target})",
    ("sparse_categorical_crossentropy", False): (
        "-probabilities({output}).log().gather(-1, {target}.unsqueeze(-1)).mean()"
    ),
    ("categorical_crossentropy", True): "-({target} * {output}.log_softmax()).sum(-1).mean()",
    ("categorical_crossentropy", False): "-({target} * probabilities({output}).log()).sum(-1).mean()",
    ("binary_crossentropy", True): "{output}.binary_crossentropy_logits({target})",
    ("binary_crossentropy", False): "{output}.clamp(1e-7, 1 - 1e-7).binary_crossentropy({target})",
    ("mean_squared_error", False): "({output} - {target}).square().mean()",
    ("mean_absolute_error", False): "({output} - {target}).abs().mean()",
}

STYLE = Style(
    base="",
    method="def __call__(self, {inputs}):",
    begin=(),
    keep=("self.{blocks} = {{{key}: {cls}({settings}) for {unpacked} in {generator}()}}",),
    go=("for block in self.{blocks}.values():", "    {x} = block({x})"),
)


_BATCH_NORM: tuple[Weight, ...] = tuple(
    (role, f"layer.{role}", "(0,)", "") for role in ("gamma", "beta", "moving_mean", "moving_variance")
)
_BIAS = ("bias", "layer.bias", "(0,)", "")
WEIGHTS = (
    Kind("conv", "nn.Conv2d", (
        ("kernel", "layer.weight", "(3, 2, 0, 1)", "from (height, width, in, out)"), _BIAS,
    )),
    Kind("dense", "nn.Linear", (("kernel", "layer.weight", "(1, 0)", "from (in, out)"), _BIAS)),
    Kind("batch_norm", "BatchNorm", _BATCH_NORM),
    Kind("layer_norm", "nn.LayerNorm", (
        ("gamma", "layer.weight", "(0,)", ""), ("beta", "layer.bias", "(0,)", ""),
    )),
    Kind("embedding", "nn.Embedding", (("embeddings", "layer.weight", "(0, 1)", ""),)),
    Kind("lstm", "LSTM", (
        ("kernel", "layer.kernel", "(0, 1)", ""),
        ("recurrent_kernel", "layer.recurrent_kernel", "(0, 1)", ""), _BIAS,
    )),
)  # fmt: skip

OPTIMIZER = '''class Optimizer(nn.optim.Optimizer):
    """Applies ``update`` to every parameter."""

    def __init__(self, parameters):
        super().__init__(parameters, LEARNING_RATE)
        self.slots = [[Tensor.zeros(w.shape, dtype=w.dtype) for _ in range({slots})] for w in self.params]
        self.steps, self.number = 0, Tensor.zeros(1, dtype=self.lr.dtype)

    def advance(self):
        """The rate and the number of the next step, where a captured step reads them."""
        self.lr.assign(Tensor([learning_rate(self.steps)], dtype=self.lr.dtype)).realize()
        self.steps += 1
        self.number.assign(Tensor([self.steps], dtype=self.lr.dtype)).realize()

    def schedule_step(self):
        changed = list(self.buffers)
        for w, slots in zip(self.params, self.slots):
            news = {updated}
            changed += [old.assign(new) for old, new in zip([w, *slots], news)]
        return changed'''

STEP = '''@Context(TRAINING=1)
def train_step(model, optimizer, {arrays}):
    """One step on a batch of tensors. Returns the loss before it."""
    optimizer.zero_grad()
    loss = loss_of({called}model({inputs}), {targets})
    loss.backward()
    return loss.realize(*optimizer.schedule_step())'''


def write(draft: Draft) -> None:
    training = draft.training
    classes(draft, STYLE)
    loss_of(draft, LOSSES, "tinygrad")
    parameters = "nn.state.get_parameters(model)"
    if training.plain:
        make = f"nn.optim.SGD({parameters}, lr=LEARNING_RATE{momentum(draft)})"
    else:
        schedule_and_update(draft, "Tensor.sqrt")
        call = "update(w.detach(), w.grad, *slots, self.lr, self.number)"
        if not training.slots:
            call = "[update(w.detach(), w.grad, self.lr, self.number)]"
        draft.add(OPTIMIZER.format(slots=len(training.slots), updated=call))
        make = f"Optimizer({parameters})"
    draft.add("def make_optimizer(model):", f"    return {make}")
    draft.add(
        STEP.format(
            arrays=", ".join([*draft.inputs, *draft.targets]),
            called="*" if len(draft.outputs) > 1 else "", inputs=", ".join(draft.inputs),
            targets=", ".join(draft.targets),
        )
    )  # fmt: skip
    train(
        draft,
        "model, ",
        "batch = [Tensor(array[index]) for array in arrays]\n"
        + ("" if training.plain else "optimizer.advance()\n")
        + "run = captured if len(index) == batch_size else train_step\n"
        "losses.append(run(model, optimizer, *batch).item())",
        "np.mean(losses)",
        ("optimizer = make_optimizer(model)",
         "captured = TinyJit(train_step)  # its kernels are for whole batches"),
    )  # fmt: skip
    draft.add(*named_layers(draft, STYLE))
    named_weights(draft, WEIGHTS)
    draft.add(
        LOAD.format(
            load="value = np.ascontiguousarray(stored[name].transpose(axes))\n"
            "            tensor.replace(Tensor(value, dtype=tensor.dtype)).realize()"
        )
    )
    draft.add(SAVE.format(save="tensor.numpy()"))
    main(
        draft, create=f"model = {draft.class_name}()", load="load_weights(model, {path})",
        trained=TRAINED, save="save_weights(model, {path})",
    )  # fmt: skip


PLACEMENT = Placement(cpu='"CPU"', cuda='"CUDA:{index}"', line="Device.DEFAULT = DEVICE")
"""tinygrad takes a GPU unasked."""

TINYGRAD = Target(
    "tinygrad", "tinygrad",
    ("import argparse", "import math", "", "import numpy as np",
     "from tinygrad import Context, Device, Tensor, TinyJit, nn", "from tinygrad.helpers import TRAINING"),
    CALLS, DECLARES, HELPERS, LOSSES, write, PLACEMENT, prepare=channels_first, lacks=_lacks,
    engines=("tinygrad",), packages=("numpy", "tinygrad"),
    asks={
        "axes": "channels stand first: pictures are permuted on the way in",
        "training and inference": "Context(TRAINING=1) around a step; inference outside of it",
        "random numbers": "one global generator, Tensor.manual_seed",
        "gradients": "backward() adds to each .grad; the optimizer's zero_grad() before it",
        "weights": "attributes of plain classes; kernels are (out, in, height, width) and (out, in)",
        "compilation": "nothing is computed before realize(); TinyJit captures a step for one shape",
    },
)  # fmt: skip
