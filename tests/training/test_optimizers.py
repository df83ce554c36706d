"""Every optimizer × its options against keras.optimizers, in float64, over steps whose rate changes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from crosstrain.graph.evaluate import Ops
from crosstrain.graph.ops import NUMPY
from crosstrain.training.optimizers import FAMILIES, Optimizer, apply

STEPS = 12
SHAPES = {"kernel": (5, 4), "bias": (4,), "scale": ()}
KERAS_CLASS = {
    "sgd": "SGD", "rmsprop": "RMSprop", "adagrad": "Adagrad", "adadelta": "Adadelta", "adam": "Adam",
    "adamw": "AdamW", "adamax": "Adamax", "nadam": "Nadam",
}  # fmt: skip
OWN: dict[str, list[dict[str, Any]]] = {
    "sgd": [{}, {"momentum": 0.9}, {"momentum": 0.9, "nesterov": True}],
    "rmsprop": [
        {"momentum": m, "centered": c, "rho": r}
        for m in (0.0, 0.8) for c in (False, True) for r in (0.9, 0.7)
    ],
    "adagrad": [{}, {"initial_accumulator": 0.0}, {"initial_accumulator": 0.5, "epsilon": 1e-3}],
    "adadelta": [{}, {"rho": 0.8, "epsilon": 1e-4}],
    "adam": [{}, {"amsgrad": True}, {"beta_1": 0.7, "beta_2": 0.9, "epsilon": 1e-2}],
    "adamw": [{}, {"amsgrad": True}, {"weight_decay": 0.1}],
    "adamax": [{}, {"beta_1": 0.7, "beta_2": 0.9, "epsilon": 1e-2}],
    "nadam": [{}, {"beta_1": 0.7, "beta_2": 0.9, "epsilon": 1e-2}],
}  # fmt: skip
COMMON: list[dict[str, Any]] = [
    {}, {"weight_decay": 0.03}, {"clipvalue": 0.4}, {"clipnorm": 0.9}, {"global_clipnorm": 1.1},
    {"weight_decay": 0.03, "global_clipnorm": 1.1},
]  # fmt: skip


def cases() -> Iterator[Any]:
    for name, own in OWN.items():
        for settings in own:
            for common in COMMON:
                both = {**settings, **common}
                yield pytest.param(name, both, id=" ".join([name, *(f"{k}={v}" for k, v in both.items())]))


def gradients(step: int) -> dict[str, np.ndarray]:
    """Of changing size, so that clipping bites at some steps and not at others; one of them is zero."""
    random = np.random.default_rng(step)
    size = 0.0 if step == 5 else 10.0 ** random.uniform(-2, 0.5)
    return {name: size * random.normal(size=shape) for name, shape in SHAPES.items()}


def rates(initial: float) -> list[float]:
    return [initial * (1.0 if step < 4 else 0.1 if step < 8 else 0.5) for step in range(STEPS)]


@pytest.fixture(autouse=True)
def double_precision(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    import keras
    from keras.src.backend.common import dtypes

    # Keras computes in 32 bits whatever floatx says, on every backend but TensorFlow's.
    monkeypatch.setitem(dtypes.BIT64_TO_BIT32_DTYPE, "float64", "float64")
    before = keras.config.floatx()
    keras.config.set_floatx("float64")
    yield
    keras.config.set_floatx(before)


def keras_trajectory(optimizer: Optimizer, start: dict[str, np.ndarray]) -> list[dict[str, np.ndarray]]:
    import keras

    names = {"initial_accumulator": "initial_accumulator_value"}
    fields = optimizer.to_json()
    fields.pop("name")
    accepted = {**FAMILIES[optimizer.name].defaults, **OPTIONAL.get(optimizer.name, {}), **COMMON_FIELDS}
    arguments = {names.get(k, k): v for k, v in fields.items() if k in accepted}
    keras_optimizer = getattr(keras.optimizers, KERAS_CLASS[optimizer.name])(**arguments)
    variables = [keras.Variable(value, dtype="float64", name=name) for name, value in start.items()]
    keras_optimizer.build(variables)
    trajectory = []
    for step, rate in enumerate(rates(float(optimizer.learning_rate or 0))):
        keras_optimizer.learning_rate = rate
        tensors = [keras.ops.convert_to_tensor(gradients(step)[v.name], dtype="float64") for v in variables]
        with np.errstate(divide="ignore"):  # Keras divides by the norm of vanishing gradients, harmlessly
            keras_optimizer.apply(tensors)
        trajectory.append({v.name: np.array(v.numpy()) for v in variables})
        assert all(value.dtype == np.float64 for value in trajectory[-1].values())
    return trajectory


OPTIONAL = {
    "sgd": {"momentum": 0, "nesterov": 0}, "rmsprop": {"momentum": 0, "centered": 0},
    "adam": {"amsgrad": 0}, "adamw": {"amsgrad": 0},
}  # fmt: skip
COMMON_FIELDS = {"weight_decay": 0, "clipvalue": 0, "clipnorm": 0, "global_clipnorm": 0}


@pytest.mark.parametrize(("name", "settings"), list(cases()))
def test_the_rule_is_keras_to_the_letter(name: str, settings: dict[str, Any]) -> None:
    optimizer = Optimizer(name, learning_rate=0.05, **settings)
    random = np.random.default_rng(99)
    weights: dict[str, Any] = {k: random.normal(size=shape) for k, shape in SHAPES.items()}
    expected = keras_trajectory(optimizer, weights)
    slots: dict[str, Any] = {
        weight: {
            key: np.full(() if slot.scalar else SHAPES[weight], slot.initial)
            for key, slot in optimizer.slots().items()
        }
        for weight in weights
    }
    ops = Ops(NUMPY, "numpy")
    for step, rate in enumerate(rates(0.05)):
        weights, slots = apply(ops, optimizer, weights, gradients(step), slots, rate, step + 1)
        for key, value in weights.items():
            np.testing.assert_allclose(
                value, expected[step][key], rtol=1e-12, atol=1e-14, err_msg=f"step {step}"
            )


AROUND: list[dict[str, Any]] = [
    {"ema": 0.9}, {"accumulate": 3}, {"accumulate": 3, "ema": 0.7}, {"l2": 0.1},
    {"l2": 0.1, "global_clipnorm": 1.1}, {"accumulate": 2, "global_clipnorm": 1.1, "weight_decay": 0.03},
]  # fmt: skip
RULES: list[dict[str, Any]] = [{"name": "sgd", "momentum": 0.9}, {"name": "adam"}, {"name": "nadam"}]


@pytest.mark.parametrize("around", AROUND, ids=str)
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["name"])
def test_averages_accumulation_and_l2_are_keras_own(rule: dict[str, Any], around: dict[str, Any]) -> None:
    """Keras's ``use_ema`` and ``gradient_accumulation_steps``; ``l2`` is what a regulariser adds to the
    gradient that Keras's optimizer is given."""
    import keras

    optimizer = Optimizer(**rule, learning_rate=0.05, **around)
    names = {"ema": "ema_momentum", "accumulate": "gradient_accumulation_steps"}
    settings = {**rule, **around}
    l2 = settings.pop("l2", 0.0)
    arguments = {names.get(key, key): value for key, value in settings.items() if key != "name"}
    reference = getattr(keras.optimizers, KERAS_CLASS[rule["name"]])(**arguments, use_ema="ema" in around)
    random = np.random.default_rng(99)
    weights: dict[str, Any] = {k: random.normal(size=shape) for k, shape in SHAPES.items()}
    variables = {k: keras.Variable(value, dtype="float64", name=k) for k, value in weights.items()}
    reference.build(list(variables.values()))
    slots: dict[str, Any] = {
        weight: {
            key: np.full(() if slot.scalar else SHAPES[weight], slot.initial)
            for key, slot in optimizer.slots().items()
        }
        for weight in weights
    }
    ops, moved = Ops(NUMPY, "numpy"), 0
    for step, rate in enumerate(rates(0.05)):
        before = {key: np.array(v.numpy()) for key, v in variables.items()}
        reference.learning_rate = rate
        with np.errstate(divide="ignore"):
            reference.apply([gradients(step)[key] + l2 * before[key] for key in variables])
        weights, slots = apply(ops, optimizer, weights, gradients(step), slots, rate, step + 1)
        for index, (key, variable) in enumerate(variables.items()):
            np.testing.assert_allclose(weights[key], variable.numpy(), rtol=1e-12, atol=1e-14)
            if "ema" in around:
                average = reference._model_variables_moving_average[index]
                np.testing.assert_allclose(slots[key]["average"], average.numpy(), rtol=1e-12, atol=1e-14)
            if "accumulate" in around:
                total = reference._accumulated_gradients[index]
                np.testing.assert_allclose(slots[key]["accumulated"], total.numpy(), rtol=1e-12, atol=1e-14)
        moved += any(not np.array_equal(before[key], v.numpy()) for key, v in variables.items())
    assert moved == STEPS // around.get("accumulate", 1)


@pytest.mark.parametrize("name", OWN)
def test_the_defaults_are_keras_own(name: str) -> None:
    import keras

    config = getattr(keras.optimizers, KERAS_CLASS[name])().get_config()
    config["initial_accumulator"] = config.get("initial_accumulator_value")
    for key, value in FAMILIES[name].defaults.items():
        assert config[key] == pytest.approx(value, rel=1e-7), key


def test_every_family_is_held_against_keras() -> None:
    own = {name for name in FAMILIES if not name.startswith("torch.")}
    assert set(OWN) == own == set(KERAS_CLASS)


@pytest.mark.parametrize("clip", ["clipvalue", "clipnorm", "global_clipnorm"])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_gradient_that_is_no_number_is_treated_as_keras_treats_it(clip: str, bad: float) -> None:
    import keras

    bad_gradients = {"a": np.array([1.0, bad, 2.0]), "b": np.array([3.0])}
    keras_optimizer = keras.optimizers.SGD(1.0, **{clip: 0.5})
    variables = [keras.Variable(np.zeros_like(g), dtype="float64") for g in bad_gradients.values()]
    keras_optimizer.build(variables)
    with np.errstate(all="ignore"):
        keras_optimizer.apply(
            [keras.ops.convert_to_tensor(g, dtype="float64") for g in bad_gradients.values()]
        )
        weights = {k: np.zeros_like(g) for k, g in bad_gradients.items()}
        new_weights, _ = apply(
            Ops(NUMPY, "numpy"),
            Optimizer("sgd", 1.0, **{clip: 0.5}),
            weights,
            bad_gradients,
            {k: {} for k in bad_gradients},
            1.0,
            1,
        )
    for value, variable in zip(new_weights.values(), variables, strict=True):
        np.testing.assert_allclose(value, variable.numpy())


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"name": "sgdd"}, "there is no optimizer 'sgdd'"),
        ({"clipvalue": 1.0, "clipnorm": 1.0}, "only one of"),
        ({"clipnorm": 0.0}, "clipnorm must be more than 0"),
    ],
)
def test_wrong_settings_are_refused(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Optimizer(**settings)


def test_json_round_trip() -> None:
    optimizer = Optimizer("rmsprop", momentum=0.5, centered=True, clipnorm=1.0)
    assert Optimizer.from_json(optimizer.to_json()) == optimizer
    with pytest.raises(ValueError, match="no setting 'momentun'"):
        Optimizer.from_json({"name": "sgd", "momentun": 0.9})
