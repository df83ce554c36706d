"""PyTorch: modules, channels first inside."""

from __future__ import annotations

from collections.abc import Callable

from crosstrain.source.folding import Code
from crosstrain.source.objects import Style, classes, named_layers
from crosstrain.source.operations.torch import CALLS as OPERATIONS
from crosstrain.source.operations.torch import HELPERS as FUNCTIONS
from crosstrain.source.operations.torch_layers import HELPERS
from crosstrain.source.operations.words import listed, tupled
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
from crosstrain.source.training import LossTable
from crosstrain.source.view.layout import channels_first
from crosstrain.source.view.step import Step


def stride(step: Step) -> str:
    """``:: 2`` as formatters write it behind what is more than a name."""
    return "::{stride}" if not isinstance(step.settings["stride"], Code) else ":: {stride}"


def _subsample(step: Step) -> str:
    return "{0}[:, :, " + stride(step) + ", " + stride(step) + "]"


def _dimensions(step: Step) -> int:
    return int(step.settings["rank"]) - 2


def _windowed(text: str, step: Step, padding: str = "padding") -> str:
    """``text`` with the settings of a convolution that are not usual."""
    s = step.settings
    text += ", stride={stride}" if s["stride"] != 1 else ""
    text += f", {padding}={{even}}" if s["even"] else ""
    text += ", dilation={dilation}" if s["dilation"] != 1 else ""
    text += ", groups={groups}" if s.get("groups", 1) != 1 and step.kind == "conv" else ""
    return text + (")" if "bias" in step.roles else ", bias=False)")


def _conv(step: Step) -> str:
    s = step.settings
    same = s["padding"] == "same" and s["even"] is None
    cls = "SameConv2d" if same else f"nn.Conv{_dimensions(step)}d"
    return _windowed(f"{cls}({{in_channels}}, {{filters}}, {{kernel_size}}", step)


def _depthwise(step: Step) -> str:
    s = step.settings
    if s["padding"] == "same" and s["even"] is None:
        return _windowed("SameDepthwiseConv2d({filters}, {kernel_size}", step)
    return _windowed(f"DepthwiseConv{_dimensions(step)}d({{filters}}, {{kernel_size}}", step)


def _conv_transpose(step: Step) -> str:
    cls = f"nn.ConvTranspose{_dimensions(step)}d"
    return _windowed(f"{cls}({{in_channels}}, {{filters}}, {{kernel_size}}", step)


def _last(call: str, step: Step) -> str:
    """A layer of signals or volumes, whose channels come last outside."""
    if step.settings["rank"] == 4:
        return call
    front, back = (
        (".transpose(1, 2)",) * 2 if step.settings["rank"] == 3 else (".movedim(-1, 1)", ".movedim(1, -1)")
    )
    return call.replace("{0}", "{0}" + front) + back


def _cropped(step: Step) -> str:
    s = step.settings
    call = "{layer}({0})"
    if s["even"] is None:
        # nn.ConvTranspose crops alike on both sides.
        cut = [f"{b or ''}:{-a if a else ''}" for b, a in s["crop"]]
        call += f"[:, :, {', '.join(cut)}]"
    return _last(call, step)


def _pool(step: Step) -> str:
    s = step.settings
    if s["even"] is None:
        return (
            "same_max_pool({0}, {size}, {stride})"
            if step.kind == "max_pool"
            else ("same_average_pool({0}, {size}, {stride})")
        )
    name = "max_pool" if step.kind == "max_pool" else "avg_pool"
    text = f"F.{name}{_dimensions(step)}d({{0}}, {{size}}"
    text += ", {stride}" if s["stride"] != s["size"] else ""
    text += ", padding={even}" if s["even"] else ""
    text += ", count_include_pad=False)" if s["even"] and step.kind == "average_pool" else ")"
    return _last(text, step)


def _global(name: str) -> Template:
    return lambda s: f"{{0}}.{name}({global_axes(s)}{', keepdim=True' if s.settings['keepdims'] else ''})"


def _rnn(step: Step) -> str:
    """The whole sequence or its last output."""
    turned = "{layer}({0}.flip(1))" if step.settings["backwards"] else "{layer}({0})"
    return f"{turned}[0]" + ("" if step.settings["sequences"] else "[:, -1]")


def _batch_norm(step: Step) -> str:
    text = "BatchNorm({channels}, momentum={momentum}, epsilon={epsilon}"
    text += ", axis={axis}" if step.kind == "batch_norm_axis" and step.settings["axis"] != 1 else ""
    text += "" if "gamma" in step.roles else ", scale=False"
    return text + ("" if "beta" in step.roles else ", center=False") + ")"


def _layer_norm(step: Step) -> str:
    text = "nn.LayerNorm({features}, eps={epsilon}"
    if not step.roles:
        return text + ", elementwise_affine=False)"
    return text + (")" if "beta" in step.roles else ", bias=False)")


def _weight(step: Step) -> str:
    shape = listed(step.settings["shape"])
    return f"parameter({shape})" if step.settings["trainable"] else f"nn.Buffer({_zeros(step)})"


def _zeros(step: Step) -> str:
    kind = step.settings["dtype"]
    return (
        f"torch.zeros({tupled(step.settings['shape'])}{'' if kind == 'float32' else f', dtype=torch.{kind}'})"
    )


def global_axes(step: Step) -> str:
    return "(2, 3)" if step.settings["rank"] == 4 else "1"


CALLS: dict[str, Template] = {
    **OPERATIONS,
    "conv": lambda s: _last("{layer}({0})", s),
    "depthwise_conv": lambda s: _last("{layer}({0})", s),
    "conv_transpose": _cropped,
    "batch_norm_axis": "{layer}({0})",
    "rms_norm": "{layer}({0})",
    "upsample": "F.interpolate({0}, scale_factor={size})",
    "dense": "{layer}({0})",
    "batch_norm": "{layer}({0})",
    "layer_norm": "{layer}({0})",
    "embedding": lambda s: "{layer}({0})" if s.settings["whole"] else "{layer}({0}.long())",
    "lstm": _rnn,
    "gru": _rnn,
    "simple_rnn": _rnn,
    "max_pool": _pool,
    "average_pool": _pool,
    "global_mean": _global("mean"),
    "global_max": _global("amax"),
    "flatten": "{0}.flatten(1)",
    "reshape": lambda s: f"{{0}}.reshape({listed((-1, *s.settings['to']))})",
    "subsample": _subsample,
    "pad_channels": "pad_channels({0}, {channels})",
    "zero_pad": "F.pad({0}, ({left}, {right}, {top}, {bottom}))",
    "to_first": "{0}.permute(0, 3, 1, 2)",
    "to_last": "{0}.permute(0, 2, 3, 1)",
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
    "batch_norm": _batch_norm,
    "batch_norm_axis": _batch_norm,
    "layer_norm": _layer_norm,
    "rms_norm": "nn.RMSNorm({features}, eps={epsilon})",
    "depthwise_conv": _depthwise,
    "conv_transpose": _conv_transpose,
    "gru": "GRU({features}, {units})",
    "simple_rnn": "SimpleRNN({features}, {units})",
    "weight": _weight,
    "embedding": "nn.Embedding({vocabulary}, {features})",
    "lstm": "LSTM({features}, {units})",
}


def by_rank(text: str) -> Callable[[int], str]:
    """Classes come second in PyTorch; of sequences and pictures every place is an example."""
    flat = text.replace("{output}", "{output}.flatten(0, -2)").replace("{target}", "{target}.flatten()")
    return lambda rank: text if rank == 2 else flat


LOSSES: LossTable = {
    ("sparse_categorical_crossentropy", True): by_rank("F.cross_entropy({output}, {target})"),
    ("sparse_categorical_crossentropy", False): by_rank(
        "F.nll_loss(probabilities({output}).log(), {target})"
    ),
    ("categorical_crossentropy", True): lambda rank: (
        "F.cross_entropy({output}, {target})"
        if rank == 2
        else "-({target} * {output}.log_softmax(-1)).sum(-1).mean()"
    ),
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

_CONV = {
    rank: (("kernel", "layer.weight", axes, f"from ({where}, in, out)"), ("bias", "layer.bias", "(0,)", ""))
    for rank, axes, where in (
        (4, "(3, 2, 0, 1)", "height, width"), (3, "(2, 1, 0)", "time"),
        (5, "(4, 3, 0, 1, 2)", "…"),
    )
}  # fmt: skip
_DEPTHWISE = {3: "(1, 2, 0)", 4: "(2, 3, 0, 1)", 5: "(3, 4, 0, 1, 2)"}


def depthwise_roles(axes: str) -> tuple[Weight, ...]:
    return (
        ("kernel", "layer.weight", axes, "from (…, in, 1)"),
        ("bias", "layer.bias", "(0,)", ""),
    )


def _lstm_roles(note: str) -> tuple[Weight, ...]:
    return (
        ("kernel", "layer.weight_ih_l0", "(1, 0)", note),
        ("recurrent_kernel", "layer.weight_hh_l0", "(1, 0)", ""),
        ("bias", "layer.bias_ih_l0", "(0,)", ""),
    )


_BATCH_NORM = tuple(
    (role, f"layer.{role}", "(0,)", "") for role in ("gamma", "beta", "moving_mean", "moving_variance")
)

WEIGHTS = (
    *(Kind("depthwise_conv", f"DepthwiseConv{r - 2}d", depthwise_roles(a), r) for r, a in _DEPTHWISE.items()),
    *(Kind("conv", f"nn.Conv{rank - 2}d", roles, rank) for rank, roles in _CONV.items()),
    *(Kind("conv_transpose", f"nn.ConvTranspose{r - 2}d", (
        (*roles[0][:3], roles[0][3].replace("in, out", "out, in")), roles[1],
    ), r) for r, roles in _CONV.items()),
    Kind("dense", "nn.Linear", (
        ("kernel", "layer.weight", "(1, 0)", "from (in, out)"), ("bias", "layer.bias", "(0,)", ""),
    )),
    Kind("batch_norm", "BatchNorm", _BATCH_NORM),
    Kind("layer_norm", "nn.LayerNorm", (
        ("gamma", "layer.weight", "(0,)", ""), ("beta", "layer.bias", "(0,)", ""),
    )),
    Kind("rms_norm", "nn.RMSNorm", (("gamma", "layer.weight", "(0,)", ""), ("scale", "layer.weight", "(0,)",
    ""))),
    Kind("embedding", "nn.Embedding", (("embeddings", "layer.weight", "(0, 1)", ""),)),
    Kind("lstm", "LSTM", _lstm_roles("from (in, gates)")),
    Kind("simple_rnn", "SimpleRNN", _lstm_roles("from (in, units)")),
    Kind("gru", "GRU", (
        ("kernel", "layer.kernel", "(0, 1)", ""), ("recurrent_kernel", "layer.recurrent_kernel", "(0, 1)",
        ""),
        ("bias", "layer.bias", "(0, 1)", ""),
    )),
    Kind("weight", "torch.Tensor", (("weight", "layer", "range(layer.dim())", ""),)),
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
    loss = loss_of({called}model({inputs}), {targets}){penalty}
    loss.backward()
    optimizer.step()
    return loss.detach()'''


TRAINED = "train(model, *arrays, arguments.epochs, arguments.batch_size, arguments.seed)"


def write(draft: Draft) -> None:
    training = draft.training
    classes(draft, STYLE)
    loss_of(draft, LOSSES, "PyTorch")
    if training.plain:
        make = f"torch.optim.SGD(model.parameters(), lr=LEARNING_RATE{momentum(draft)})"
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
            penalty=" + model.penalty" if draft.network.penalty else "",
        )
    )  # fmt: skip
    there, back = (".to(DEVICE)", ".cpu()") if draft.placing else ("", "")
    train(
        draft,
        "model, ",
        f"batch = [torch.from_numpy(array[index]){there} for array in arrays]\n"
        "losses.append(train_step(model, optimizer, *batch))",
        "torch.stack(losses).mean()",
        (*(("model.to(DEVICE)",) if draft.placing else ()), "optimizer = make_optimizer(model)"),
    )
    files_and_main(draft, back)


def files_and_main(draft: Draft, back: str = "") -> None:
    """Weights from and to files, and the command line; ``back`` brings a tensor to the host."""
    draft.add(*named_layers(draft, STYLE))
    named_weights(draft, WEIGHTS)
    draft.add(LOAD.format(load="tensor.data.copy_(torch.from_numpy(stored[name].transpose(axes)))"))
    draft.add(SAVE.format(save=f"tensor.detach(){back}.numpy()"))
    main(
        draft, create=f"model = {draft.class_name}()", load="load_weights(model, {path})",
        trained=TRAINED, save="save_weights(model, {path})",
    )  # fmt: skip


PLACEMENT = Placement(
    cpu='"cpu"', cuda='"cuda:{index}"', auto='"cuda" if torch.cuda.is_available() else "cpu"',
    line="with torch.device(DEVICE):",
)  # fmt: skip

TORCH = Target(
    "torch", "PyTorch",
    ("import argparse", "import math", "", "import numpy as np", "import torch",
     "import torch.nn.functional as F", "from torch import nn"),
    CALLS, DECLARES, {**FUNCTIONS, **HELPERS}, LOSSES, write, PLACEMENT, prepare=channels_first,
    engines=("torch",), packages=("numpy", "torch"),
    asks={
        "axes": "channels stand first: pictures are permuted on the way in",
        "training and inference": "model.train() and model.eval() switch the module, and it remembers",
        "random numbers": "one global generator, torch.manual_seed",
        "gradients": "backward() adds to each .grad; zero_grad() before it",
        "weights": "attributes of modules; kernels are (out, in, height, width) and (out, in)",
        "compilation": "none unless torch.compile is called",
    },
)  # fmt: skip
