"""Training recipes of papers, as data: what ``--recipe NAME`` takes.

Schedules are in shares of the training, so that they scale with the number of epochs. What a paper does not
say, or crosstrain does otherwise, stands in ``differs``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from crosstrain.training.augmentation import spelled
from crosstrain.training.initialisers import OVER_FAN_IN
from crosstrain.training.optimizers import Optimizer
from crosstrain.training.recipe import Recipe
from crosstrain.training.schedules import Schedule


@dataclass(frozen=True)
class PaperRecipe:
    """How one paper trains.

    ``source`` is the paper with the section. ``networks`` are those of the catalogue that it is about, and
    ``data`` what it trains on, for ``epochs`` (None: it does not say). ``initialisation`` tells the paper's
    initial weights, and ``kernel_initializer`` is what of it holds for the kernels of any network.
    ``label_smoothing`` is 0 for none.
    """

    name: str
    source: str
    networks: tuple[str, ...]
    data: str
    epochs: int | None
    batch_size: int
    optimizer: Optimizer
    schedule: Schedule
    augmentation: Mapping[str, Any] = field(default_factory=dict)
    label_smoothing: float = 0.0
    initialisation: str = ""
    kernel_initializer: Mapping[str, Any] = field(default_factory=dict)
    differs: tuple[str, ...] = ()

    def summary(self, epochs: int, used: Recipe | None = None) -> str:
        """One sentence on a training of ``epochs``; ``used`` is what options have made of the recipe."""
        it = used or self
        o = it.optimizer
        momentum = f", momentum {o.momentum:g}" if o.momentum else ""
        parts = [f"{o.name} (learning rate {o.learning_rate:g}{momentum})"]
        parts += [f"L2 {o.l2:g}"] if o.l2 else []
        parts += [f"weight decay {o.weight_decay:g}"] if o.weight_decay else []
        parts += [f"gradients clipped to {o.global_clipnorm:g}"] if o.global_clipnorm else []
        parts += [f"batches of {it.batch_size}", rates_in_words(it.schedule, epochs)]
        parts += [f"label smoothing {it.label_smoothing:g}"] if it.label_smoothing else []
        parts += [f"augmentation {spelled(it.augmentation)}"] if it.augmentation else []
        scaled = f"scaled from {self.epochs or 'an unknown number of'} epochs to {epochs}"
        return f"The recipe {self.name!r} ({self.source}), {scaled}: {'; '.join(parts)}"

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "optimizer": self.optimizer.to_json()}


def rates_in_words(schedule: Schedule, epochs: int) -> str:
    """A schedule, in epochs of a training of so many."""
    s = schedule.settings
    if not schedule.relative:
        return f"the schedule {schedule.name}"
    if schedule.name == "plateau":
        patience = schedule.resolved(1, epochs).settings["patience"]
        waited = "epoch" if patience == 1 else f"{patience} epochs"
        return f"the rate times {s.get('factor', 0.1):g} after {waited} without a better validation"
    if schedule.name == "step":
        factors = ", ".join(f"{factor:g}" for factor in s["factors"])
        return f"the rate times {factors} after {_epochs(s['boundary_shares'], epochs)} epochs"
    if schedule.name == "exponential":
        return f"the rate falls to {s['decay_rate']:.2g} of it"
    warm = f"after {_epochs([s['warmup_share']], epochs)} epochs of warm-up " if "warmup_share" in s else ""
    forms = {"warmup_cosine": "a cosine to 0", "warmup_linear": "a straight line to 0"}
    return f"{warm}{forms.get(schedule.name, f'the schedule {schedule.name}')}"


def _epochs(shares: Sequence[float], epochs: int) -> str:
    return ", ".join(f"{share * epochs:.3g}" for share in shares)


def _divided(shares: Sequence[float], factors: Sequence[float]) -> Schedule:
    return Schedule("step", {"boundary_shares": list(shares), "factors": list(factors)})


def _plateau(patience: float, least: float) -> Schedule:
    """Divided by ten when the error stops falling, down to the rate ``least``."""
    return Schedule("plateau", {"factor": 0.1, "patience_share": patience, "min_rate": least})


def _exponential(rate: float, **more: Any) -> Schedule:
    return Schedule("exponential", {"decay_rate": rate, "decay_share": 1, **more})


def _sgd(rate: float, l2: float = 0.0, **more: Any) -> Optimizer:
    return Optimizer("sgd", learning_rate=rate, **{"momentum": 0.9, "l2": l2 or None, **more})


def _normal(deviation: float) -> dict[str, Any]:
    return {"name": "random_normal", "stddev": deviation}


_HE: Mapping[str, Any] = {"name": "he_normal"}
_TRUNCATED: Mapping[str, Any] = {"name": "truncated_normal", "stddev": 0.02}
_PATIENCE = "the paper does not say how long it waits for the error to fall; here {} of the training"
_CROPS = "random shifts stand for the paper's random crops"
_OWN = "the paper gives no learning rate; {}"
_CIFAR_RESNETS = tuple(
    f"resnet{depth}{kind}" for depth in (20, 32, 44, 56, 110, 1202) for kind in ("", "-b", "-preact")
)

# fmt: off
PAPERS: tuple[PaperRecipe, ...] = (
    PaperRecipe(
        "lenet5", "LeCun et al. 1998, section III.B and appendix C", ("lenet1", "lenet5"), "MNIST", 20, 1,
        _sgd(0.016, momentum=0.0), _divided((2 / 20, 5 / 20, 8 / 20, 12 / 20), (0.4, 0.2, 0.1, 0.02)),
        {"shift": 0.07, "shear": 8, "zoom": 0.1, "stretch": 0.1, "standardize": True},
        initialisation="uniform in ±2.4 / inputs of the unit",
        differs=(
            "crosstrain has no stochastic diagonal Levenberg-Marquardt method: the rate is the largest "
            "effective one of the paper's first pass, and falls as its global rates do",
            "the distortions are the paper's translations, scaling, squeezing and shearing, with which its "
            "error is 0.8 % in place of 0.95 %; it does not say how far they reach",
            "kernels begin as the network says: the paper's belong to its scaled tanh and second-order "
            "steps, and without these nothing is learnt for epochs (--kernel-initializer "
            f"{OVER_FAN_IN}:limit=2.4 draws them)",
        ),
    ),
    PaperRecipe(
        "idsia", "Cireşan et al. 2012 (CVPR), section 3.1; Cireşan et al. 2011, section II.C", ("idsia",),
        "MNIST; GTSRB", 800, 1, _sgd(0.001, momentum=0.0), _exponential(0.03),
        {"shift": 0.1, "rotate": 5, "zoom": 0.1}, initialisation="uniform in ±0.05",
        differs=(
            "the rate of the paper, times 0.993 each epoch from 0.001 until 0.00003, is stretched over the "
            "training",
            "distortions are those for traffic signs",
            "kernels begin as the network says: the paper's belong to its scaled tanh (--kernel-initializer "
            "random_uniform:minval=-0.05,maxval=0.05 draws them)",
        ),
    ),
    PaperRecipe(
        "alexnet", "Krizhevsky et al. 2012, sections 4.1 and 5", ("alexnet", "alexnet-one-tower"),
        "ImageNet", 90, 128, _sgd(0.01, 0.0005), _plateau(5 / 90, 1e-5),
        {"flip": True, "shift": 16 / 224, "pca-colour": 0.1},
        initialisation="N(0, 0.01), biases 1 in convolutions 2, 4, 5 and the hidden dense layers, else 0",
        kernel_initializer=_normal(0.01),
        differs=(_PATIENCE.format("5 / 90"), _CROPS),
    ),
    PaperRecipe(
        "zfnet", "Zeiler and Fergus 2014, section 3.1", ("zfnet",), "ImageNet", 70, 128, _sgd(0.01),
        _plateau(5 / 70, 1e-5), {"flip": True, "shift": 16 / 224}, initialisation="weights 0.01, biases 0",
        kernel_initializer=_normal(0.01),
        differs=(
            _PATIENCE.format("5 / 70"), _CROPS,
            "the paper's weights of 0.01 are taken for their deviation: equal ones would stay equal",
            "filters of the first layer are not renormalised to a root mean square of 0.1",
        ),
    ),
    PaperRecipe(
        "vgg", "Simonyan and Zisserman 2014, section 3.1", ("vgg11", "vgg13", "vgg16", "vgg19"), "ImageNet",
        74, 256, _sgd(0.01, 0.0005), _plateau(5 / 74, 1e-5),
        {"flip": True, "shift": 16 / 224, "pca-colour": 0.1},
        initialisation="variance 0.01, deep ones begin with layers of the shallow; found later: Glorot's",
        kernel_initializer={"name": "glorot_uniform"},
        differs=(
            _PATIENCE.format("5 / 74"), _CROPS,
            "weights are drawn as the authors found later to need no shallow network first (Glorot's)",
        ),
    ),
    PaperRecipe(
        "nin", "Lin et al. 2013, section 4.1", ("nin",), "CIFAR-10", None, 128, _sgd(0.1, 0.0001),
        _plateau(0.1, 1e-3), {"flip": True, "shift": 4},
        differs=(
            _OWN.format("0.1 and L2 0.0001 are those of the authors' Caffe files"),
            _PATIENCE.format("a tenth"),
            "the validation part decides when the rate falls, not the training part's accuracy",
        ),
    ),
    PaperRecipe(
        "googlenet", "Szegedy et al. 2014, section 6", ("googlenet", "googlenet-bn"), "ImageNet", None, 32,
        _sgd(0.01, 0.0002), _exponential(0.96 ** 7.5, staircase=False), {"flip": True, "jitter": 0.2},
        differs=(
            _OWN.format("0.01, L2 0.0002 and batches of 32 are those of BVLC's Caffe files"),
            "the paper's 4 % every 8 epochs are taken over 60 epochs, and fall smoothly",
            "crops of 8 to 100 % of the area are left out; the auxiliary losses count as in the catalogue",
            "weights are not averaged at the end (--ema averages them)",
        ),
    ),
    PaperRecipe(
        "resnet", "He et al. 2015, section 3.4",
        tuple(f"resnet{depth}{kind}" for depth in (18, 34, 50, 101, 152) for kind in ("", "v2")),
        "ImageNet", 120, 256, _sgd(0.1, 0.0001), _plateau(5 / 120, 1e-4),
        {"flip": True, "shift": 16 / 224, "pca-colour": 0.1},
        initialisation="he_normal", kernel_initializer=_HE,
        differs=(_PATIENCE.format("5 / 120"), _CROPS, "pictures are not rescaled to 256 to 480 pixels"),
    ),
    PaperRecipe(
        "resnet-cifar", "He et al. 2015, section 4.2", _CIFAR_RESNETS, "CIFAR-10", 182, 128,
        _sgd(0.1, 0.0001), _divided((0.5, 0.75), (0.1, 0.01)), {"flip": True, "shift": 4},
        initialisation="he_normal", kernel_initializer=_HE,
        differs=("the 64,000 steps are 182 epochs of 45,000 examples; 110 layers warm up there",),
    ),
    PaperRecipe(
        "densenet", "Huang et al. 2017, section 4.2", ("densenet121", "densenet169", "densenet201"),
        "ImageNet", 90, 256, _sgd(0.1, 0.0001, nesterov=True), _divided((1 / 3, 2 / 3), (0.1, 0.01)),
        {"flip": True, "shift": 16 / 224}, initialisation="he_normal", kernel_initializer=_HE,
        differs=(_CROPS,),
    ),
    PaperRecipe(
        "mobilenet-v2", "Sandler et al. 2018, section 6.1", ("mobilenet-v2",), "ImageNet", None, 96,
        Optimizer("rmsprop", learning_rate=0.045, rho=0.9, momentum=0.9, l2=4e-5), _exponential(0.98 ** 300),
        {"flip": True},
        differs=(
            "the paper's 0.98 for each epoch is taken over 300 epochs, of which it does not tell the number",
            "16 asynchronous workers are one",
        ),
    ),
    PaperRecipe(
        "deit", "Touvron et al. 2021, table 9", ("vit-tiny",), "ImageNet", 300, 1024,
        Optimizer("adamw", learning_rate=0.001, weight_decay=0.05, epsilon=1e-8),
        Schedule("warmup_cosine", {"warmup_share": 5 / 300, "decay_share": 295 / 300}),
        {"flip": True, "mixup": 0.8}, 0.1, "truncated N(0, 0.02)", _TRUNCATED,
        differs=(
            "the rate is 0.0005 · batch / 512 at batches of 1024",
            "RandAugment, cutmix, erasing, repeated augmentation and stochastic depth are left out",
        ),
    ),
    PaperRecipe(
        "convnext", "Liu et al. 2022, appendix A.1, table 5", ("convnext-femto",), "ImageNet", 300, 4096,
        Optimizer("adamw", learning_rate=0.004, weight_decay=0.05, epsilon=1e-8),
        Schedule("warmup_cosine", {"warmup_share": 20 / 300, "decay_share": 280 / 300}),
        {"flip": True, "mixup": 0.8}, 0.1, "truncated N(0, 0.02)", _TRUNCATED,
        differs=(
            "RandAugment, cutmix, erasing, stochastic depth and the average of weights (0.9999) are left out",
        ),
    ),
    PaperRecipe(
        "mlp-mixer", "Tolstikhin et al. 2021, section 3 and appendix", ("mlp-mixer",), "ImageNet", 300, 4096,
        Optimizer("adamw", learning_rate=0.001, weight_decay=0.1, global_clipnorm=1.0),
        Schedule("warmup_linear", {"warmup_share": 0.107, "decay_share": 0.893}),
        {"flip": True, "mixup": 0.5},
        differs=(
            "10,000 steps of warm-up are 0.107 of 300 epochs of ImageNet",
            "RandAugment and stochastic depth are left out",
        ),
    ),
    PaperRecipe(
        "seq2seq", "Sutskever et al. 2014, section 3.4",
        ("seq2seq", "rnn", "lstm", "gru", "bilstm", "stacked-lstm", "stacked-gru", "cnn-lstm"),
        "WMT'14 English to French", 8, 128, _sgd(0.7, momentum=0.0, global_clipnorm=5.0),
        _divided([share / 15 for share in (10, 11, 12, 13, 14)], [0.5**power for power in (1, 2, 3, 4, 5)]),
        differs=(
            "the paper's 7.5 epochs count as 8; the rate is halved every fifteenth of the training after two "
            "thirds",
            "the paper trains LSTM layers that translate; the other recurrent networks are trained alike",
        ),
    ),
    PaperRecipe(
        "show-and-tell", "Vinyals et al. 2015, section 4.3.1, and the authors' program im2txt",
        ("captioner",), "MS COCO", 55, 32, _sgd(2.0, momentum=0.0, global_clipnorm=5.0),
        _divided([8 * number / 55 for number in range(1, 7)], [0.5**power for power in range(1, 7)]),
        initialisation="uniform from -0.08 to 0.08, of the decoder",
        differs=(
            "rates, clipping and a million steps, which are 55 epochs of its data, are im2txt's; the paper "
            "says a fixed rate",
            "the paper's encoder is trained on ImageNet before and stays as it is; here it is trained along",
            "the decoder begins as the network's own layers do, since the encoder's kernels would too",
            "dropout of 0.3 is left out unless the network is asked for it, as captioner:dropout=0.3",
        ),
    ),
    PaperRecipe(
        "tcn", "Bai, Kolter and Koltun 2018, section 4 and appendix A", ("tcn", "conv1d"), "sequences",
        None, 32, Optimizer("adam", learning_rate=0.002), _plateau(0.1, 1e-5),
        differs=(
            _PATIENCE.format("a tenth"),
            "conv1d is another paper's (Kim 2014), whose Adadelta is not taken",
        ),
    ),
    PaperRecipe(
        "gpt", "Radford et al. 2018, section 4.1", ("gpt-nano", "transformer-encoder"), "BooksCorpus",
        100, 64,
        Optimizer("adamw", learning_rate=2.5e-4, weight_decay=0.01),
        Schedule("warmup_cosine", {"warmup_share": 0.02, "decay_share": 0.98}),
        differs=(
            "the warm-up of 2,000 updates is 2 % of the training, biases and normalisations decay as well",
            "dropout of 0.1 is left out unless the network is asked for it, as gpt-nano:dropout=0.1",
        ),
    ),
    PaperRecipe(
        "char-rnn", "Karpathy's char-rnn 2015 (train.lua)", ("rnn-lm",), "tiny Shakespeare", 50, 50,
        Optimizer("rmsprop", learning_rate=0.002, rho=0.95, epsilon=1e-8, clipvalue=5.0),
        _divided([number / 50 for number in range(10, 50)], [0.97**power for power in range(1, 41)]),
        initialisation="uniform from -0.08 to 0.08, the forget gate's bias 1",
        kernel_initializer={"name": "random_uniform", "minval": -0.08, "maxval": 0.08},
        differs=(
            "char-rnn updates its weights after every window of 50 characters and carries the state to the "
            "next batch; here weights are updated once for a passage, and rnn-lm:truncate=50 ends gradients "
            "at its windows",
        ),
    ),
    PaperRecipe(
        "crnn", "Shi, Bai and Yao 2017, sections 2.3 and 3.2", ("crnn-ctc",), "Synth90k", None, 64,
        Optimizer("adadelta", learning_rate=1.0, rho=0.9, epsilon=1e-6), Schedule(),
        differs=(
            "the paper does not tell the batch; 64 is that of its authors' program",
            "a rate of 1 and an epsilon of 1e-6 are Adadelta's (Zeiler 2012) and Torch's",
        ),
    ),
)
# fmt: on
"""The recipes, by the years of their papers."""


def papers() -> dict[str, PaperRecipe]:
    """All recipes by name."""
    return {recipe.name: recipe for recipe in PAPERS}


def recipe_for(network: str) -> PaperRecipe | None:
    """The recipe of the paper of a network of the catalogue, by its name there."""
    return next((recipe for recipe in PAPERS if network in recipe.networks), None)
