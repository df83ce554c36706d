"""JAX: pure functions, parameters and moving statistics as dictionaries by name, channels last."""

from __future__ import annotations

from crosstrain.source.folding import INPUT, OUTPUT, Code, Run
from crosstrain.source.operations.jax import CALLS as OPERATIONS
from crosstrain.source.operations.jax import HELPERS as FUNCTIONS
from crosstrain.source.operations.jax_layers import HELPERS
from crosstrain.source.operations.words import listed
from crosstrain.source.skeleton import main, schedule_and_update, train
from crosstrain.source.target import Draft, Scope, Target, Template, argument_words, key_names
from crosstrain.source.view.step import CHOICES, MOVING, Step
from crosstrain.source.writing import indented, literal


def subsample(step: Step) -> str:
    """Every n-th pixel, channels last; a formatter sets the stride apart where it is more than a name."""
    colons = (
        ":: "
        if isinstance(step.settings["stride"], Code) and not step.settings["stride"].isidentifier()
        else "::"
    )
    return "{0}[:, " + f"{colons}{{stride}}, {colons}{{stride}}]"


def padding_words(step: Step) -> str:
    """The padding of a window as XLA takes it."""
    s = step.settings
    if s["padding"] == "explicit":
        sides = s["even"] if isinstance(s["even"], tuple) else (s["even"],) * (s["rank"] - 2)
        return f", padding={tuple((n, n) for n in sides)!r}"
    return "" if s["padding"] == "valid" else ', padding="SAME"'


def windowed(name: str) -> Template:
    def of(step: Step) -> str:
        s = step.settings
        text = f"{name}, {{0}}" + (", stride={stride}" if s["stride"] != 1 else "") + padding_words(step)
        text += ", dilation={dilation}" if s["dilation"] != 1 else ""
        return text + (", groups={groups})" if s["groups"] != 1 and step.kind == "conv" else ")")

    return of


def _conv_transpose(step: Step) -> str:
    s = step.settings
    text = "conv_transpose(params, {layer}, {0}" + (", stride={stride}" if s["stride"] != 1 else "")
    return text + ", crop={crop}" + (", dilation={dilation})" if s["dilation"] != 1 else ")")


def _shapes(step: Step) -> str:
    """``{role: shape}`` of a layer with kernels."""
    s = step.settings
    bias = ")" if "bias" in step.roles else ", bias=False)"
    if step.kind == "conv_transpose":
        return (
            "conv_shapes({layer}, {kernel_size}, {filters}, {in_channels}"
            + _more(step, ", out={filters}")
            + bias
        )
    if step.kind == "depthwise_conv":
        return "conv_shapes({layer}, {kernel_size}, {filters}, 1, out={filters}" + _more(step, "") + bias
    fan = "{in_channels}" if s["groups"] == 1 else str(_fan(step))
    return f"conv_shapes({{layer}}, {{kernel_size}}, {fan}, {{filters}}" + _more(step, "") + bias


def _fan(step: Step) -> int:
    return int(step.settings["in_channels"]) // int(step.settings["groups"])


def _more(step: Step, text: str) -> str:
    axes = step.settings["rank"] - 2
    return text + ("" if axes == 2 or isinstance(step.settings["kernel_size"], tuple) else f", axes={axes}")


def pool(name: str) -> Template:
    """Window and stride (where it differs), and ``SAME`` where it is so."""
    return lambda step: name + "({0}, {size}, {stride}" + padding_words(step) + ")"


def _global(name: str) -> Template:
    return lambda s: f"{{0}}.{name}({axes(s)}{', keepdims=True' if s.settings['keepdims'] else ''})"


def _norm_shapes(step: Step, *_: str) -> str:
    text = "batch_norm_shapes({layer}, {channels}"
    return text + ("" if len(step.roles) == 4 else f", roles={step.roles!r}").replace("'", '"') + ")"


def _rnn(name: str) -> Template:
    def of(step: Step) -> str:
        turned = "{0}[:, ::-1]" if step.settings["backwards"] else "{0}"
        return f"{name}(params, {{layer}}, {turned})" + ("" if step.settings["sequences"] else "[:, -1]")

    return of


def axes(step: Step) -> str:
    return "(1, 2)" if step.settings["rank"] == 4 else "1"


CALLS: dict[str, Template] = {
    **OPERATIONS,
    "conv": windowed("conv(params, {layer}"),
    "depthwise_conv": windowed("depthwise_conv(params, {layer}"),
    "conv_transpose": _conv_transpose,
    "batch_norm_axis": (
        "batch_norm(params, stats, {layer}, {0}, {momentum}, {epsilon}, training, axis={axis})"
    ),
    "rms_norm": "rms_norm(params, {layer}, {0}, {epsilon})",
    "gru": _rnn("gru"),
    "simple_rnn": _rnn("simple_rnn"),
    "upsample": "upsample({0}, {size})",
    "dense": "dense(params, {layer}, {0})",
    "batch_norm": "batch_norm(params, stats, {layer}, {0}, {momentum}, {epsilon}, training)",
    "layer_norm": "layer_norm(params, {layer}, {0}, {epsilon})",
    "embedding": lambda s: (
        'params[{layer} + "/embeddings"][' + ("{0}]" if s.settings["whole"] else "{0}.astype(int)]")
    ),
    "lstm": _rnn("lstm"),
    "max_pool": pool("max_pool"),
    "average_pool": pool("average_pool"),
    "global_mean": _global("mean"),
    "global_max": _global("max"),
    "flatten": "{0}.reshape(len({0}), -1)",
    "reshape": lambda s: f"{{0}}.reshape({listed((-1, *s.settings['to']))})",
    "subsample": subsample,
    "pad_channels": "pad_channels({0}, {channels})",
    "zero_pad": "jnp.pad({0}, ((0, 0), ({top}, {bottom}), ({left}, {right}), (0, 0)))",
    "concatenate": "jnp.concatenate([{all}], axis=-1)",
    "dropout": "dropout(key, {0}, {rate}, {salt})",
    "relu": "jax.nn.relu({0})",
    "relu6": "jax.nn.relu6({0})",
    "tanh": "jnp.tanh({0})",
    "sigmoid": "jax.nn.sigmoid({0})",
    "softmax": "jax.nn.softmax({0})",
    "gelu": "jax.nn.gelu({0}, approximate={approximate})",
    "elu": lambda s: "jax.nn.elu({0}, {alpha})" if s.settings.get("alpha", 1.0) != 1.0 else "jax.nn.elu({0})",
    "selu": "jax.nn.selu({0})",
    "silu": "jax.nn.silu({0})",
    "softplus": "jax.nn.softplus({0})",
    "softsign": "jax.nn.soft_sign({0})",
    "leaky_relu": "jax.nn.leaky_relu({0}, {negative_slope})",
}

DECLARES: dict[str, Template] = {
    "conv": _shapes,
    "depthwise_conv": _shapes,
    "conv_transpose": _shapes,
    "gru": "gru_shapes({layer}, {features}, {units})",
    "simple_rnn": "simple_rnn_shapes({layer}, {features}, {units})",
    "rms_norm": lambda s: f'{{{{{{layer}} + "/{s.roles[0]}": ({{features}},)}}}}',
    "batch_norm_axis": lambda s: _norm_shapes(s, "moving_mean", "moving_variance"),
    "weight": "{{{layer}: {shape}}}",
    "dense": lambda s: (
        "dense_shapes({layer}, {inputs}, {units}" + (")" if "bias" in s.roles else ", bias=False)")
    ),
    "batch_norm": lambda s: _norm_shapes(s),
    "layer_norm": lambda s: (
        "layer_norm_shapes({layer}, {features}" + ("" if "beta" in s.roles else ', roles=("gamma",)') + ")"
    ),
    "embedding": '{{{layer} + "/embeddings": ({vocabulary}, {features})}}',
    "lstm": "lstm_shapes({layer}, {features}, {units})",
}

LOSSES = {
    ("sparse_categorical_crossentropy", True): "-picked(jax.nn.log_softmax({output}), {target}).mean()",
    ("sparse_categorical_crossentropy", False): "-picked(jnp.log(probabilities({output})), {target}).mean()",
    ("categorical_crossentropy", True): "-({target} * jax.nn.log_softmax({output})).sum(-1).mean()",
    ("categorical_crossentropy", False): "-({target} * jnp.log(probabilities({output}))).sum(-1).mean()",
    ("binary_crossentropy", False): "binary_crossentropy({output}, {target})",
    ("binary_crossentropy", True): "(jax.nn.softplus({output}) - {target} * {output}).mean()",
    ("mean_squared_error", False): "jnp.square({output} - {target}).mean()",
    ("mean_absolute_error", False): "jnp.abs({output} - {target}).mean()",
}

INIT = '''def init(seed=0):
    """Weights by name: kernels as He et al. (2015) draw them, scales 1, all else 0."""
    rng = np.random.default_rng(seed)
    weights = {}
    for name, shape in shapes().items():
        if len(shape) > 1 and not name.endswith("bias"):
            value = rng.normal(0, np.sqrt(2 / np.prod(shape[:-1])), shape)
        else:
            value = np.full(shape, float(name.endswith(("gamma", "moving_variance"))))
        weights[name] = jnp.asarray(value, jnp.float32)
    return weights'''

SPLIT = '''def split(weights):
    """Parameters, which have gradients, and moving statistics, which have none."""
    moving = {name for name in weights if name.rpartition("/")[2].startswith("moving_")}{fixed}
    params = {name: w for name, w in weights.items() if name not in moving}
    return params, {name: weights[name] for name in moving}'''


def write(draft: Draft) -> None:
    fixed = draft.network.fixed
    norm = bool(draft.network.kinds & {*MOVING, *CHOICES}) or bool(fixed)
    drop = draft.noisy
    state = "stats, " if norm else ""
    phase = (", training" if norm else "") + (", key" if drop else "")
    shapes_of: dict[int, list[str]] = {}
    bodies: dict[int, list[str]] = {}
    used: dict[int, list[str]] = {}
    for run in draft.runs:
        block = run.block
        scope = Scope(key_names(block))
        bodies[id(run)] = draft.statements(block.items, {INPUT: "x"}, [OUTPUT], scope, lambda *_: [])
        shapes_of[id(run)] = draft.declarations(block.items, scope, "shapes |= {expression}", lambda _: [])
        words = argument_words(block, bodies[id(run)]) | argument_words(block, shapes_of[id(run)])
        used[id(run)] = [name for name in block.arguments if name in words]
    draft.loops(lambda run: set(used[id(run)]))

    def signature(run: Run, inside: list[str], start: str) -> str:
        """What a loop over the blocks takes apart, with ``_`` before what it does not read."""
        label = "names" if run.block.names else "name"
        words = argument_words(run.block, inside)
        arguments = [name if name in words or start else f"_{name}" for name in used[id(run)]]
        return ", ".join([label, *arguments])

    def shapes(run: Run) -> list[str]:
        inside = shapes_of[id(run)]
        return [f"for {signature(run, inside, '')} in {draft.numbered('blocks', run)}():", *indented(inside)]

    draft.add(
        "def shapes():",
        '    """The shape of every weight, by name."""',
        "    shapes = {}",
        *indented(
            draft.declarations(
                draft.pieces, Scope(lambda s: literal(s.name)), "shapes |= {expression}", shapes
            )
        ),
        "    return shapes",
    )
    draft.add(INIT)
    if norm:
        if fixed:
            draft.add("FIXED = {" + ", ".join(map(literal, fixed)) + "}")
        draft.add(SPLIT.replace("{fixed}", " | FIXED" if fixed else ""))

    for run in draft.runs:
        label = "names" if run.block.names else "name"
        words = argument_words(run.block, bodies[id(run)])
        parameters = ", ".join([label, "x", *[name for name in used[id(run)] if name in words]])
        draft.add(
            f"def {draft.numbered('block', run)}(params, {state}{parameters}{phase}):",
            *indented(bodies[id(run)]),
        )

    def go(run: Run, x: str) -> list[str]:
        words = argument_words(run.block, bodies[id(run)])
        label = "names" if run.block.names else "name"
        passed = ", ".join([label, x, *[name for name in used[id(run)] if name in words]])
        return [
            f"for {signature(run, bodies[id(run)], '')} in {draft.numbered('blocks', run)}():",
            f"    {x} = {draft.numbered('block', run)}(params, {state}{passed}{phase})",
        ]

    variables = dict(zip(draft.network.inputs.values(), draft.inputs, strict=True))
    scope = Scope(lambda s: literal(s.name))
    penalty = draft.network.penalty
    body = draft.statements(
        draft.pieces, variables, list(draft.network.outputs.values()), scope, go,
        kept={"penalty": penalty} if penalty else {},
    )  # fmt: skip
    if norm or penalty:
        last = body[-1].removeprefix("return ")
        result = f"({last})" if len(draft.outputs) > 1 else last
        begin = (["params = params | stats"] if fixed else []) + (["stats = dict(stats)"] if norm else [])
        more = (", stats" if norm else "") + (", penalty" if penalty else "")
        body = [*begin, *body[:-1], f"return {result}{more}"]
    defaults = (", training=False" if norm else "") + (", key=None" if drop else "")
    draft.add(
        f"def forward(params, {state}{', '.join(draft.inputs)}{defaults}):",
        f'    """The outputs of {draft.network.name}{" and the new statistics" if norm else ""}."""',
        *indented(body),
    )
    _training(draft, state, norm, drop)


def _training(draft: Draft, state: str, norm: bool, drop: bool) -> None:
    training = draft.training
    outputs = dict(zip(draft.network.outputs, draft.outputs, strict=True))
    added = " + penalty" if draft.network.penalty else ""
    losses = training.body(
        LOSSES, outputs, draft.targets, "JAX", draft.ranks, added + (", stats" if norm else "")
    )
    names, inputs = ", ".join([*draft.inputs, *draft.targets]), ", ".join(draft.inputs)
    key, phase = (
        (", key" if drop else ""),
        (", training=True" if norm else "") + (", key=key" if drop else ""),
    )
    results = ", ".join(draft.outputs)
    penalty = bool(draft.network.penalty)
    more = (", stats" if norm else "") + (", penalty" if penalty else "")
    bound = f"({results}){more}" if len(outputs) > 1 and more else f"{results}{more}"
    draft.add(
        f"def loss_of(params, {state}{names}{key}):",
        '    """The mean loss of a batch' + (', and the new statistics."""' if norm else '."""'),
        f"    {bound} = forward(params, {state}{inputs}{phase})",
        *indented(losses),
    )
    schedule_and_update(draft, "jnp.sqrt")
    gradient = "jax.value_and_grad(loss_of, has_aux=True)" if norm else "jax.value_and_grad(loss_of)"
    returned = "(loss, stats), gradients" if norm else "loss, gradients"
    draft.add(
        "@jax.jit",
        f"def train_step(params, {state}slots, {names}, rate, step{key}):",
        '    """One step on a batch; steps count from 1. Returns the loss before it and the new state."""',
        f"    {returned} = {gradient}(params, {state}{names}{key})",
        *(
            [
                "    new = {k: update(w, gradients[k], *slots[k], rate, step) for k, w in params.items()}",
                "    params = {k: value[0] for k, value in new.items()}",
                "    slots = {k: value[1:] for k, value in new.items()}",
            ]
            if training.slots
            else ["    params = {k: update(w, gradients[k], rate, step) for k, w in params.items()}"]
        ),
        f"    return loss, params, {state}slots",
    )
    zeros = f"({', '.join(['jnp.zeros_like(w)'] * len(training.slots))}{',' * (len(training.slots) == 1)})"
    draft.add(
        "def make_slots(params):",
        '    """The initial state of the update, for every parameter."""',
        f"    return {{k: {zeros} for k, w in params.items()}}",
    )
    key_argument = ", jax.random.fold_in(key, step)" if drop else ""
    train(
        draft,
        f"params, {state}",
        "batch = [jnp.asarray(array[index]) for array in arrays]\n"
        "rate, step = learning_rate(step), step + 1\n"
        f"result = train_step(params, {state}slots, *batch, rate, step{key_argument})\n"
        f"loss, params, {state}slots = result\n"
        "losses.append(loss)",
        "jnp.stack(losses).mean()",
        ("slots = make_slots(params)", *(("key = jax.random.key(seed)",) if drop else ()), "step = 0"),
        ("return params, stats" if norm else "return params",),
    )
    prefix = draft.network.prefix
    written = 'f"' + prefix + '{name}"' if prefix else "name"
    if norm:
        read = "return split(weights)"
        trained = "params, stats = train(params, stats, *arrays, *options)"
    else:
        read, trained = "return weights", "params = train(params, *arrays, *options)"
    draft.add(
        "def load_weights(path):",
        '    """crosstrain\'s weights, an .npz by name; the layouts are the same."""',
        "    with np.load(path) as stored:",
        f"        weights = {{name: jnp.asarray(stored[{written}]) for name in shapes()}}",
        f"    {read}",
    )
    merged = "params | stats" if norm else "params"
    draft.add(
        f"def save_weights(params, {state}path):",
        '    """Save the weights in crosstrain\'s layout."""',
        f"    weights = {merged}" if norm else "    weights = params",
        f"    np.savez(path, **{{{written}: np.asarray(w) for name, w in weights.items()}})",
    )
    start = "params, stats = split(init(arguments.seed))" if norm else "params = init(arguments.seed)"
    into = "params, stats" if norm else "params"
    main(
        draft,
        create=start,
        load=f"{into} = load_weights({{path}})",
        trained=f"options = arguments.epochs, arguments.batch_size, arguments.seed\n    {trained}",
        save=f"save_weights(params, {state}{{path}})",
    )


JAX = Target(
    "jax", "JAX",
    ("import argparse", "import math", "", "import jax", "import jax.numpy as jnp", "import numpy as np",
     "from jax import lax"),
    CALLS, DECLARES, {**FUNCTIONS, **HELPERS}, LOSSES, write, engines=("jax",),
    packages=("jax", "numpy"),
    asks={
        "axes": "channels stand last by choice; each convolution names its axes",
        "training and inference": "an argument; new statistics are a result beside the outputs",
        "random numbers": "keys that are split and handed on",
        "gradients": "jax.grad of a pure function; nothing changes in place",
        "weights": "dictionaries that functions take and return",
        "compilation": "jax.jit compiles anew for each new shape",
    },
)  # fmt: skip
