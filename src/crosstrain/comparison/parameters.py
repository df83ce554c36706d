"""Every parameter of the public functions and of their commands: name, type, default and help, each once.

A key here is a keyword in Python and an option on the command line; a function takes the keys of the
``TypedDict`` that it unpacks. A new setting is one more key (docs/cli.md names it too, and a test asks for
that). Types at the end are for arguments in signatures; ``api/parameters.py`` has more.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, TypedDict

from crosstrain.comparison.declaring import Also, Parameter
from crosstrain.training.optimizers import Optimizer
from crosstrain.training.recipe import Loss
from crosstrain.training.schedules import Schedule

ONE_SIZE = "Input size in pixels (default: the network's own)."
BATCH_SIZES = (1, 8, 64)
"""Of the throughput at inference."""

Names = str | Sequence[str]
LossOrName = str | Loss
Options = Mapping[str, Mapping[str, Any]]


# -- groups that several functions share ----------------------------------------------------------
class Engines(TypedDict, total=False):
    engines: Annotated[
        Names | None, Parameter("Engines by name, or all; default: your own Python's.", metavar="A,B")
    ]
    engine: Annotated[Names | None, Also("engines")]


class Sizes(TypedDict, total=False):
    sizes: Annotated[
        int | str | Sequence[int] | None,
        Parameter(
            "Input sizes in pixels, 96x128 being 96 high (default: each network's own).", metavar="32,48"
        ),
    ]
    size: Annotated[int | str | Sequence[int] | None, Also("sizes")]


class Networks(TypedDict, total=False):
    networks: Annotated[Any, Also("network")]


class LossAndOptimizer(TypedDict, total=False):
    loss: Annotated[
        LossOrName | Mapping[str, LossOrName] | Sequence[str] | None,
        Parameter(
            "Keras's name, as huber:delta=2, or file.py:function; OUTPUT=LOSS for one of several outputs, "
            "given again for the next. Default: the cross-entropy that fits.",
            metavar="LOSS", repeated=True,
        ),
    ]  # fmt: skip
    optimizer: Annotated[
        str | Optimizer | None,
        Parameter(
            "sgd, adam, adamw, rmsprop, …; as adam:beta_1=0.8. torch.sgd, torch.adamw, … have PyTorch's "
            "meaning. Default: a compiled model's own, else sgd.",
            metavar="NAME",
        ),
    ]


class Rates(LossAndOptimizer, total=False):
    clip_norm: Annotated[
        float | None, Parameter("Shorten the gradient of all weights together to this norm.", metavar="NORM")
    ]
    ema: Annotated[
        float | None,
        Parameter("Average the weights of all steps with this momentum, as 0.99.", metavar="M"),
    ]
    accumulate: Annotated[
        int | None,
        Parameter("Update every N batches, with the mean of their gradients.", metavar="N"),
    ]
    learning_rate: Annotated[
        float | None,
        Parameter("Default: the optimizer's (Keras's).", metavar="RATE", flags=("--learning-rate", "--lr")),
    ]
    momentum: Annotated[
        float | None, Parameter("Of sgd (default 0.9) and rmsprop (default 0).", metavar="MU")
    ]
    weight_decay: Annotated[float | None, Parameter("Decoupled, as in Keras and AdamW.", metavar="DECAY")]
    schedule: Annotated[
        str | Schedule | None,
        Parameter(
            "constant, step:boundaries=[500],factors=[0.1], cosine:decay_share=1 (of all), plateau, … "
            "Default: a compiled model's own, else constant.", metavar="NAME",
        ),
    ]  # fmt: skip


class BatchSize(TypedDict, total=False):
    batch_size: Annotated[int | None, Parameter("Examples in a batch (default 64).", metavar="B")]


class Paper(TypedDict, total=False):
    recipe: Annotated[
        str | None,
        Parameter(
            "Train as a paper did: alexnet, resnet-cifar, … (crosstrain recipes), or paper: as the network's "
            "own. Scaled to the epochs; other options override its parts.", metavar="NAME",
        ),
    ]  # fmt: skip


class Goal(TypedDict, total=False):
    label_smoothing: Annotated[
        float | None, Parameter("Of every loss that has it, as 0.1 (Keras's).", metavar="S")
    ]
    class_weight: Annotated[
        str | Mapping[Any, float] | None,
        Parameter(
            "balanced, of label maps also median-frequency, or weights of classes in the loss, as 0=1,1=5 "
            "(Keras's).",
            metavar="HOW",
        ),
    ]
    kernel_initializer: Annotated[
        str | Mapping[str, Any] | None,
        Parameter(
            "Draw all kernels by it (Keras's), as he_normal or random_normal:stddev=0.01; own: as the "
            "network says, whatever the recipe.", metavar="NAME",
        ),
    ]  # fmt: skip
    early_stopping: Annotated[
        int | None,
        Parameter("Stop when the validation has not improved for N epochs.", metavar="N"),
    ]


class Length(TypedDict, total=False):
    epochs: Annotated[
        int | None, Parameter("Epochs of training (default 5).", metavar="N", flags=("--epochs", "-e"))
    ]
    seeds: Annotated[int, Parameter("How many initial weights and batch orders to train with.", 1, "K")]
    seed: Annotated[int, Parameter("Of initial weights and batch order; of several seeds the first.", 0, "S")]


class Preparation(TypedDict, total=False):
    prepare: Annotated[
        str | None,
        Parameter(
            "Steps after cropping and resizing, as clahe,standardize: clahe[:clip=2:tiles=8], equalize, hsv, "
            "bgr, hog, standardize.", metavar="STEPS",
        ),
    ]  # fmt: skip
    split: Annotated[
        str | None,
        Parameter(
            "gtsrb: random (validation without regard to tracks). arrays, text, table: time (what comes "
            "later is tested).",
            metavar="HOW",
        ),
    ]
    limit: Annotated[
        int | None,
        Parameter(
            "Take N examples of each class at most in every part of the data, for trials.", metavar="N"
        ),
    ]


class Augment(TypedDict, total=False):
    augment: Annotated[
        str | Sequence[str] | Mapping[str, Any] | None,
        Parameter(
            "Change pictures at random in training, as flip,shift=4,rotate=15,jitter=0.2,mixup=0.2 "
            "(docs/augmentation.md).", metavar="HOW",
        ),
    ]  # fmt: skip


class Device(TypedDict, total=False):
    device: Annotated[
        str,
        Parameter(
            "cpu, cuda:0, … (crosstrain engines); auto: the first GPU that all engines share, else cpu.",
            "auto", "DEVICE",
        ),
    ]  # fmt: skip


class Precision(TypedDict, total=False):
    precision: Annotated[str, Parameter("float32 or float64.", "float32", "P")]


class Threads(TypedDict, total=False):
    threads: Annotated[int | None, Parameter("For every engine (default: all usable cores).", metavar="N")]


class EngineOptions(TypedDict, total=False):
    options: Annotated[
        Options | Sequence[str] | None,
        Parameter(
            "Switches of engines, as torch.compile=default, given again for the next.",
            metavar="ENGINE.OPTION=VALUE", flags=("--option", "--options"), repeated=True,
        ),
    ]  # fmt: skip


class Timeout(TypedDict, total=False):
    timeout: Annotated[
        str | float | None,
        Parameter("Stop a cell after this long: 90s, 10m, 1.5h.", metavar="TIME"),
    ]


class MemoryLimit(TypedDict, total=False):
    memory_limit: Annotated[
        str | int | None, Parameter("Stop a cell that holds more: 512M, 4G.", metavar="SIZE")
    ]


class Trust(TypedDict, total=False):
    trust: Annotated[
        bool, Parameter("Run code that a .keras file carries (lambda layers). Only for your own.", False)
    ]


class Output(TypedDict, total=False):
    output: Annotated[
        str | None,
        Parameter(
            "Take another output of a model's file or function: the name of a layer, or of a node or tensor "
            "(ONNX).", metavar="NODE",
        ),
    ]  # fmt: skip


class InitialWeights(TypedDict, total=False):
    weights: Annotated[
        str | Path | None,
        Parameter(
            "Initial weights: a file (.weights.h5, .h5, .npz or .safetensors, by name or by order), the "
            "folder of a training, or imagenet.",
            metavar="FILE",
        ),
    ]  # fmt: skip


class Transfer(InitialWeights, total=False):
    replace_head: Annotated[
        bool, Parameter("Give the last layer with weights new ones, and as many outputs as classes.", False)
    ]
    freeze_until: Annotated[
        str | None,
        Parameter(
            "Do not train the layers up to and including this one; BatchNormalization there runs in "
            "inference mode.", metavar="LAYER",
        ),
    ]  # fmt: skip


class Preference(TypedDict, total=False):
    prefer: Annotated[
        str | None,
        Parameter("accuracy, time, latency, memory, or weights: time=2,memory=1.", metavar="WHAT"),
    ]


class Required(TypedDict, total=False):
    require: Annotated[
        str | None,
        Parameter(
            "Recommend only what meets this: fps>=25, memory<=2G, several with commas (fps, latency, memory, "
            "time, accuracy).", metavar="WHAT",
        ),
    ]  # fmt: skip


# -- what each function takes -----------------------------------------------------------------------
class Train(
    Networks, Engines, Sizes, Length, Paper, BatchSize, Rates, Goal, Preparation, Augment, Device, Precision,
    Threads, EngineOptions, Timeout, MemoryLimit, Trust, Output, Transfer, total=False,
):  # fmt: skip
    """What ``train`` and ``compare`` have in common."""

    workers: Annotated[int, Parameter("Processes that train together, on parts of each batch.", 1, "N")]


class TrainOne(Train, total=False):
    """Of ``train``."""

    fine_tune: Annotated[
        str | None,
        Parameter(
            "Then train all layers for so many epochs, at a learning rate (default: a tenth).",
            metavar="EPOCHS[:RATE]",
        ),
    ]


class Compare(Train, Preference, Required, total=False):
    """Of ``compare``."""

    repeats: Annotated[
        int | None,
        Parameter("Times that each seed is measured (default 1; at inference 3 processes).", metavar="R"),
    ]
    repeats_until: Annotated[
        str | float | None,
        Parameter("Repeat until intervals are so narrow, or the budget ends.", metavar="2%"),
    ]
    budget: Annotated[
        str | float | None, Parameter("Fit epochs and repeats into this: 10m, 2h.", metavar="TIME")
    ]
    search: Annotated[
        str | Sequence[str] | None,
        Parameter(
            "First find the best value on the first engine (Optuna), as learning-rate=1e-4..1e-1 or "
            "optimizer=sgd|adam, given again for the next.", metavar="NAME=RANGE", repeated=True,
        ),
    ]  # fmt: skip
    trials: Annotated[int, Parameter("How many trainings a search tries.", 20, "N")]
    tuned: Annotated[
        bool, Parameter("Each engine also as `crosstrain tune` found it best, beside its default.", False)
    ]
    criteria: Annotated[
        bool,
        Parameter("Measure also repeatability, latency, sizes, energy and the share of the peak.", False),
    ]
    twins: Annotated[
        int,
        Parameter(
            "Train each row N more times for each seed, from weights moved in the last place: what rounding "
            "alone does to accuracy.", 0, "N",
        ),
    ]  # fmt: skip
    proof: Annotated[bool, Parameter("Certify all rows; what is not certified is not recommended.", True)]


class CompareInference(
    Networks, Engines, Sizes, Device, Threads, EngineOptions, Timeout, MemoryLimit, Trust, total=False
):
    """Of ``compare_inference``."""

    batch_sizes: Annotated[
        str | Sequence[int], Parameter("Of the throughput (inference).", BATCH_SIZES, "1,8,64")
    ]
    repeats: Annotated[int | None, Parameter("Processes for each engine (default 3).", metavar="R")]


class Tune(
    Networks, Engines, Sizes, Paper, BatchSize, LossAndOptimizer, Preparation, Device, Precision, Threads,
    Timeout, MemoryLimit, Trust, total=False,
):  # fmt: skip
    """Of ``tune``."""

    budget: Annotated[str | float, Parameter("For each engine: 90s, 5m.", "5m", "TIME")]
    division: Annotated[str, Parameter("closed; open also tries what changes the arithmetic.", "closed", "D")]
    again: Annotated[bool, Parameter("Also engines that were tuned before.", False)]


class Dimensions(TypedDict, total=False):
    input_shape: Annotated[
        str | Sequence[int] | None, Parameter("Default: the network's own.", metavar="32,32,3")
    ]
    classes: Annotated[int | None, Parameter("Default: the network's own.", metavar="N")]


class Prove(
    Networks, Engines, Rates, Device, Threads, EngineOptions, Timeout, Trust, Output, Transfer,
    Dimensions, total=False,
):  # fmt: skip
    """Of ``prove``."""

    precisions: Annotated[
        Names,
        Parameter("Precisions to prove in.", ("float64", "float32"), "P,P", ("--precision", "--precisions")),
    ]
    precision: Annotated[Names, Also("precisions")]
    steps: Annotated[
        int | None, Parameter("Optimizer steps to prove (default: 10, fewer if it is large).", metavar="K")
    ]
    data: Annotated[
        str | None,
        Parameter("Prove on its examples, in place of random ones.", metavar="DATA", flags=("--data", "-d")),
    ]


class Code(Networks, BatchSize, Rates, Timeout, Trust, Output, InitialWeights, Dimensions, total=False):
    """Of ``code``."""

    engines: Annotated[Names, Also("engine")]
    check: Annotated[bool, Parameter("Run the source and prove it equal to the network.", True)]
    device: Annotated[
        str | None,
        Parameter(
            "Where the source trains: cpu, cuda:N, or auto (a GPU where there is one). Default: as the "
            "framework chooses.",
            metavar="DEVICE",
        ),
    ]


class Look(Sizes, Preparation, Augment, Trust, total=False):
    """Of ``look``: first what belongs to a data set, then what belongs to a run or a network."""

    draws: Annotated[int, Parameter("Augmented pictures of each: the first epochs'.", 7, "N")]
    seed: Annotated[int, Parameter("Of the training whose pictures these are.", 0, "S")]
    examples: Annotated[
        int | None,
        Parameter("How many: of a data set 8 (classes take turns), to look into a network 500.", metavar="N"),
    ]
    image: Annotated[
        str | Path | None,
        Parameter(
            "The picture to show to a network (default: the data's first test example).", metavar="FILE"
        ),
    ]
    layer: Annotated[
        str | None, Parameter("The layer to look at (default: the last that makes maps).", metavar="NAME")
    ]
    views: Annotated[
        Names | None,
        Parameter(
            "filters, maps, projection, saliency, guided, grad-cam, occlusion, exciting, features; default: "
            "all.", metavar="A,B",
        ),
    ]  # fmt: skip
    target: Annotated[
        str | int | None,
        Parameter("The class to look for, by name or number (default: the likeliest).", metavar="CLASS"),
    ]
    units: Annotated[int, Parameter("Maps or units of the layer that are shown.", 9, "N")]
    square: Annotated[
        int | None, Parameter("Side of the square that covers parts (default: a fifth).", metavar="PIXELS")
    ]
    embedding: Annotated[str, Parameter("Features in the plane by t-sne or pca.", "t-sne", "HOW")]
    cell: Annotated[str | None, Parameter("Which cell of a comparison.", metavar="ID")]
    weights: Annotated[
        str | Path,
        Parameter("Of a training: which epoch's; of a network: a file of weights.", "best", "best|last|FILE"),
    ]
    data: Annotated[
        str | None,
        Parameter(
            "Examples for a network (default: what the run trained on).", metavar="DATA",
            flags=("--data", "-d"),
        ),
    ]  # fmt: skip


class StudyPlan(Engines, Preference, Threads, total=False):
    """Of ``study``: what takes the place of the plan's."""

    scale: Annotated[
        str | None, Parameter("How much, as small or full (default: the first).", metavar="NAME")
    ]
    budget: Annotated[
        str | float | None, Parameter("For each part, in place of the plan's: 10m, 2h.", metavar="TIME")
    ]
    limit: Annotated[
        int | None,
        Parameter("Take N examples of each class at most, in place of the plan's, for trials.", metavar="N"),
    ]
    published: Annotated[
        str | Path | None,
        Parameter("Further published figures, as in a plan: [[published.times]] in TOML.", metavar="FILE"),
    ]


class Export(Timeout, Trust, Output, total=False):
    """Of ``export``."""

    cell: Annotated[str | None, Parameter("Which cell of a comparison.", metavar="ID")]
    weights: Annotated[
        str | Path,
        Parameter("Of a training: which epoch's; of a network: a file of weights.", "best", "best|last|FILE"),
    ]
    data: Annotated[
        str | None,
        Parameter("To verify on (default: what the run trained on).", metavar="DATA", flags=("--data", "-d")),
    ]
    overwrite: Annotated[bool, Parameter("Take the place of an earlier export.", False)]


# -- in the functions' own signatures ---------------------------------------------------------------
SeveralNetworks = Annotated[
    Any,
    Parameter(
        "Zoo name, file.py:function, model.keras or model.onnx; for inference also "
        "the folder of a trained run (FOLDER, or FOLDER:CELL of a comparison). NETWORK@32+48 "
        "has input sizes of its own.",
        metavar="NETWORK[,NETWORK…]", argument=True,
    ),
]  # fmt: skip
SETS = (
    "digits, mnist:DIR, gtsrb:DIR-or-zip, arrays:FILE.npz, folder:DIR, series:FILE, text:FILE, table:FILE, …"
)
Data = Annotated[str, Parameter(f"{SETS} (crosstrain datasets).", metavar="DATA", flags=("--data", "-d"))]
OptionalData = Annotated[
    str | None,
    Parameter(f"{SETS}; default: what the run, or the plan, says.", metavar="DATA", flags=("--data", "-d")),
]
