"""PyTorch: modules, channels first inside."""

from __future__ import annotations

from crosstrain.source.folding import Code
from crosstrain.source.layers import Step, channels_first
from crosstrain.source.objects import Style, classes, named_layers
from crosstrain.source.skeleton import LOAD, SAVE, loss_of, main, named_weights, schedule_and_update, train
from crosstrain.source.target import Draft, Target, Template


def stride(step: Step) -> str:
    """``:: 2`` as formatters write it behind what is more than a name."""
    return "::{stride}" if not isinstance(step.settings["stride"], Code) else ":: {stride}"


def _subsample(step: Step) -> str:
    return "{0}[:, :, " + stride(step) + ", " + stride(step) + "]"


def _conv(step: Step) -> str:
    s = step.settings
    same = s["padding"] == "same" and s["even"] is None
    text = ("SameConv2d" if same else "nn.Conv2d") + "({in_channels}, {filters}, {kernel_size}"
    text += ", stride={stride}" if s["stride"] != 1 else ""
    text += ", padding={even}" if s["even"] else ""
    return text + (")" if "bias" in step.roles else ", bias=False)")


def _pool(step: Step) -> str:
    s = step.settings
    if s["even"] is None:
        return (
            "same_max_pool({0}, {size}, {stride})"
            if step.kind == "max_pool"
            else ("same_average_pool({0}, {size}, {stride})")
        )
    text = ("F.max_pool2d" if step.kind == "max_pool" else "F.avg_pool2d") + "({0}, {size}"
    text += ", {stride}" if s["stride"] != s["size"] else ""
    text += ", padding={even}" if s["even"] else ""
    return text + (", count_include_pad=False)" if s["even"] and step.kind == "average_pool" else ")")


def global_axes(step: Step) -> str:
    return "(2, 3)" if step.settings["rank"] == 4 else "1"


CALLS: dict[str, Template] = {
    "conv": "{layer}({0})",
    "dense": "{layer}({0})",
    "batch_norm": "{layer}({0})",
    "layer_norm": "{layer}({0})",
    "embedding": "{layer}({0}.long())",
    "lstm": lambda s: "{layer}({0})[0]" + ("" if s.settings["sequences"] else "[:, -1]"),
    "max_pool": _pool,
    "average_pool": _pool,
    "global_mean": lambda s: "{0}.mean(" + global_axes(s) + ")",
    "global_max": lambda s: "{0}.amax(" + global_axes(s) + ")",
    "flatten": "{0}.flatten(1)",
    "reshape": lambda s: "{0}.reshape(-1, " + ", ".join(map(str, s.settings["to"])) + ")",
    "subsample": _subsample,
    "pad_channels": "pad_channels({0}, {channels})",
    "zero_pad": "F.pad({0}, ({left}, {right}, {top}, {bottom}))",
    "to_first": "{0}.permute(0, 3, 1, 2)",
    "to_last": "{0}.permute(0, 2, 3, 1)",
    "add": "{0} + {1}",
    "subtract": "{0} - {1}",
    "multiply": "{0} * {1}",
    "maximum": "torch.maximum({0}, {1})",
    "concatenate": lambda s: "torch.cat(({all}), dim=" + ("1" if s.settings["rank"] == 4 else "-1") + ")",
    "dropout": "F.dropout({0}, {rate}, self.training)",
    "relu": "F.relu({0})",
    "relu6": "F.relu6({0})",
    "tanh": "torch.tanh({0})",
    "sigmoid": "torch.sigmoid({0})",
    "softmax": "F.softmax({0}, dim=-1)",
    "gelu": lambda s: 'F.gelu({0}, approximate="tanh")' if s.settings["approximate"] else "F.gelu({0})",
    "elu": lambda s: "F.elu({0}, {alpha})" if s.settings.get("alpha", 1.0) != 1.0 else "F.elu({0})",
    "selu": "F.selu({0})",
    "silu": "F.silu({0})",
    "softplus": "F.softplus({0})",
    "softsign": "F.softsign({0})",
    "leaky_relu": "F.leaky_relu({0}, {negative_slope})",
}

DECLARES: dict[str, Template] = {
    "conv": _conv,
    "dense": lambda s: "nn.Linear({inputs}, {units}" + (")" if "bias" in s.roles else ", bias=False)"),
    "batch_norm": "BatchNorm({channels}, momentum={momentum}, epsilon={epsilon})",
    "layer_norm": "nn.LayerNorm({features}, eps={epsilon})",
    "embedding": "nn.Embedding({vocabulary}, {features})",
    "lstm": "LSTM({features}, {units})",
}

HELPERS = {
    "same_padding": '''
def same_padding(x, size, stride):
    """(left, right, top, bottom) for an output of ceil(length / stride)."""
    pads = []
    for length in (x.shape[3], x.shape[2]):
        total = max((-(-length // stride) - 1) * stride + size - length, 0)
        pads += [total // 2, total - total // 2]
    return pads
''',
    "SameConv2d": '''
class SameConv2d(nn.Conv2d):
    """padding="same" as in Keras: where the padding is odd, the larger part comes last."""

    def forward(self, x):
        return super().forward(F.pad(x, same_padding(x, self.kernel_size[0], self.stride[0])))
''',
    "same_max_pool": '''
def same_max_pool(x, size, stride):
    """padding="same" as in Keras; padding is never the maximum."""
    return F.max_pool2d(F.pad(x, same_padding(x, size, stride), value=-torch.inf), size, stride)
''',
    "same_average_pool": '''
def same_average_pool(x, size, stride):
    """padding="same" as in Keras: the mean of the cells that are not padding."""
    pads = same_padding(x, size, stride)
    cells = F.pad(torch.ones_like(x[:1, :1]), pads)
    return F.avg_pool2d(F.pad(x, pads), size, stride) / F.avg_pool2d(cells, size, stride)
''',
    "BatchNorm": '''
class BatchNorm(nn.Module):
    """As in Keras: momentum is the old value's share, and the moving variance is the biased one.

    PyTorch's own layer trains alike but keeps the unbiased variance for inference.
    """

    def __init__(self, channels, momentum, epsilon):
        super().__init__()
        self.momentum, self.epsilon = momentum, epsilon
        self.gamma = nn.Parameter(torch.ones(channels))
        self.beta = nn.Parameter(torch.zeros(channels))
        self.register_buffer("moving_mean", torch.zeros(channels))
        self.register_buffer("moving_variance", torch.ones(channels))

    def forward(self, x):
        if self.training:
            axes = [axis for axis in range(x.dim()) if axis != 1]
            with torch.no_grad():
                variance, mean = torch.var_mean(x, axes, correction=0)
                self.moving_mean.lerp_(mean, 1 - self.momentum)
                self.moving_variance.lerp_(variance, 1 - self.momentum)
            return F.batch_norm(x, None, None, self.gamma, self.beta, True, eps=self.epsilon)
        moving = self.moving_mean, self.moving_variance
        return F.batch_norm(x, *moving, self.gamma, self.beta, eps=self.epsilon)
''',
    "LSTM": '''
class LSTM(nn.LSTM):
    """With one bias, as in Keras: PyTorch's second one stays zero. The gates have the same order."""

    def __init__(self, features, units):
        super().__init__(features, units, batch_first=True)
        nn.init.zeros_(self.bias_hh_l0)
        self.bias_hh_l0.requires_grad_(False)
''',
    "pad_channels": '''
def pad_channels(x, channels):
    """Zero channels before and after, for ``channels`` in all."""
    missing = channels - x.shape[1]
    return F.pad(x, (0, 0, 0, 0, missing // 2, missing - missing // 2))
''',
    "probabilities": '''
def probabilities(p):
    """Scaled to sum to 1 and clipped away from 0 and 1, as in Keras."""
    return (p / p.sum(-1, keepdim=True)).clamp(1e-7, 1 - 1e-7)
''',
}

LOSSES = {
    ("sparse_categorical_crossentropy", True): "F.cross_entropy({output}, {target})",
    ("sparse_categorical_crossentropy", False): "F.nll_loss(probabilities({output}).log(), {target})",
    ("categorical_crossentropy", True): "F.cross_entropy({output}, {target})",
    ("categorical_crossentropy", False): "-({target} * probabilities({output}).log()).sum(-1).mean()",
    ("binary_crossentropy", True): "F.binary_cross_entropy_with_logits({output}, {target})",
    ("binary_crossentropy", False): ("F.binary_cross_entropy({output}.clamp(1e-7, 1 - 1e-7), {target})"),
    ("mean_squared_error", False): "F.mse_loss({output}, {target})",
    ("mean_absolute_error", False): "F.l1_loss({output}, {target})",
}

STYLE = Style(
    base="nn.Module",
    method="def forward(self, {inputs}):",
    begin=("super().__init__()",),
    keep=(
        "self.{blocks} = nn.ModuleDict()",
        "for {unpacked} in {generator}():",
        "    self.{blocks}[{key}] = {cls}({settings})",
    ),
    go=("for block in self.{blocks}.values():", "    {x} = block({x})"),
)

WEIGHTS = (
    ("conv", "nn.Conv2d", (
        ("kernel", "weight", "(3, 2, 0, 1)", "from (height, width, in, out)"), ("bias?", "bias", "(0,)", ""),
    )),
    ("dense", "nn.Linear", (("kernel", "weight", "(1, 0)", "from (in, out)"), ("bias?", "bias", "(0,)", ""))),
    ("batch_norm", "BatchNorm", (
        ("gamma", "gamma", "(0,)", ""), ("beta", "beta", "(0,)", ""),
        ("moving_mean", "moving_mean", "(0,)", ""), ("moving_variance", "moving_variance", "(0,)", ""),
    )),
    ("layer_norm", "nn.LayerNorm", (("gamma", "weight", "(0,)", ""), ("beta", "bias", "(0,)", ""))),
    ("embedding", "nn.Embedding", (("embeddings", "weight", "(0, 1)", ""),)),
    ("lstm", "LSTM", (
        ("kernel", "weight_ih_l0", "(1, 0)", "from (in, gates)"),
        ("recurrent_kernel", "weight_hh_l0", "(1, 0)", ""), ("bias", "bias_ih_l0", "(0,)", ""),
    )),
)  # fmt: skip

OPTIMIZER = '''class Optimizer:
    """Applies ``update`` to every parameter."""

    def __init__(self, parameters):
        self.parameters = [p for p in parameters if p.requires_grad]
        self.slots = [[torch.zeros_like(p) for _ in range({slots})] for p in self.parameters]
        self.steps = 0

    def zero_grad(self):
        for parameter in self.parameters:
            parameter.grad = None

    @torch.no_grad()
    def step(self):
        rate = learning_rate(self.steps)
        self.steps += 1
        for w, slots in zip(self.parameters, self.slots):
            new, *slots[:] = update(w, w.grad, *slots, rate, self.steps)
            w.copy_(new)'''

STEP = '''def train_step(model, optimizer, {arrays}):
    """One step on a batch of tensors. Returns the loss before it."""
    model.train()
    optimizer.zero_grad()
    loss = loss_of({called}model({inputs}), {targets})
    loss.backward()
    optimizer.step()
    return loss.detach()'''


TRAINED = "train(model, *arrays, arguments.epochs, arguments.batch_size, arguments.seed)"


def write(draft: Draft) -> None:
    training = draft.training
    classes(draft, STYLE)
    loss_of(draft, LOSSES, "PyTorch")
    o = training.optimizer
    if training.plain:
        momentum = f", momentum={o.momentum!r}" if o.momentum else ""
        nesterov = ", nesterov=True" if o.nesterov and o.momentum else ""
        make = f"torch.optim.SGD(model.parameters(), lr=LEARNING_RATE{momentum}{nesterov})"
    else:
        schedule_and_update(draft, "torch.sqrt")
        text = OPTIMIZER.format(slots=len(training.slots))
        if not training.slots:
            text = text.replace("new, *slots[:] = update(w, w.grad, *slots,", "new = update(w, w.grad,")
        draft.add(text)
        make = "Optimizer(model.parameters())"
    draft.add("def make_optimizer(model):", f"    return {make}")
    several = len(draft.outputs) > 1
    draft.add(
        STEP.format(
            arrays=", ".join([*draft.inputs, *draft.targets]), called="*" if several else "",
            inputs=", ".join(draft.inputs), targets=", ".join(draft.targets),
        )
    )  # fmt: skip
    train(
        draft,
        "model, ",
        "batch = [torch.from_numpy(array[index]) for array in arrays]\n"
        "losses.append(train_step(model, optimizer, *batch))",
        "torch.stack(losses).mean()",
        ("optimizer = make_optimizer(model)",),
    )
    draft.add(*named_layers(draft, STYLE))
    named_weights(draft, WEIGHTS)
    draft.add(LOAD.format(load="tensor.data.copy_(torch.from_numpy(stored[name].transpose(axes)))"))
    draft.add(SAVE.format(save="tensor.detach().numpy()"))
    main(
        draft, create=f"model = {draft.class_name}()", load="load_weights(model, {path})",
        trained=TRAINED, save="save_weights(model, {path})",
    )  # fmt: skip


TORCH = Target(
    "torch", "PyTorch",
    ("import argparse", "import math", "", "import numpy as np", "import torch",
     "import torch.nn.functional as F", "from torch import nn"),
    CALLS, DECLARES, HELPERS, LOSSES, write, prepare=channels_first, engines=("torch",),
)  # fmt: skip
