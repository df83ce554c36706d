"""The rules with PyTorch's meaning against torch.optim itself, in float64, over steps whose rate changes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from crosstrain.errors import CrosstrainError
from crosstrain.graph.evaluate import Ops
from crosstrain.graph.ops import NUMPY
from crosstrain.training import spelling
from crosstrain.training.optimizers import FAMILIES, Optimizer, apply
from tests.training.test_optimizers import SHAPES, gradients, rates

torch = pytest.importorskip("torch")

CLASS = {
    "torch.sgd": "SGD", "torch.adam": "Adam", "torch.adamw": "AdamW", "torch.rmsprop": "RMSprop",
    "torch.adagrad": "Adagrad",
}  # fmt: skip
TEXTS: dict[str, list[str]] = {
    "torch.sgd": [
        "", "momentum=0.9", "momentum=0.9,nesterov=true", "momentum=0.9,dampening=0.4",
        "momentum=0.9,nesterov=true,weight-decay=5e-4,dampening=0", "weight_decay=0.1",
    ],
    "torch.adam": ["", "amsgrad=true", "eps=0.01", "weight-decay=0.1,amsgrad=true", "beta_1=0.7,beta_2=0.9"],
    "torch.adamw": ["", "amsgrad=true", "weight-decay=0.2", "weight_decay=0"],
    "torch.rmsprop": [
        "", "alpha=0.8", "centered=true", "momentum=0.8",
        "momentum=0.8,centered=true,weight-decay=0.1,eps=1e-3",
    ],
    "torch.adagrad": ["", "lr-decay=0.3", "initial-accumulator-value=0.5,weight-decay=0.1", "eps=0.01"],
}  # fmt: skip
CLIPS: list[dict[str, float]] = [{}, {"global_clipnorm": 1.1}]
ARGUMENTS = {
    "learning_rate": "lr", "epsilon": "eps", "rho": "alpha",
    "initial_accumulator": "initial_accumulator_value",
}  # fmt: skip
"""crosstrain's names of settings → those of torch.optim."""


def torch_optimizer(optimizer: Optimizer, parameters: list[Any]) -> Any:
    settings = optimizer.to_json()
    settings = {k: v for k, v in settings.items() if k not in ("name", "global_clipnorm")}
    betas = {"betas": (settings.pop("beta_1"), settings.pop("beta_2"))} if "beta_1" in settings else {}
    kind = getattr(torch.optim, CLASS[optimizer.name])
    taken = kind.__init__.__code__.co_varnames
    named = {ARGUMENTS.get(k, k): v for k, v in settings.items()}
    dropped = {k: v for k, v in named.items() if k not in taken}
    assert not any(dropped.values()), dropped
    return kind(parameters, **{k: v for k, v in named.items() if k in taken}, **betas)


@pytest.mark.parametrize("clip", CLIPS, ids=str)
@pytest.mark.parametrize(
    ("name", "text"), [(name, text) for name, texts in TEXTS.items() for text in texts], ids=str
)
def test_the_rule_is_torch_optim_s(name: str, text: str, clip: dict[str, float]) -> None:
    optimizer = spelling.optimizer(f"{name}:{text}" if text else name, learning_rate=0.05, **clip)
    random = np.random.default_rng(99)
    weights: dict[str, Any] = {key: np.asarray(random.normal(size=shape)) for key, shape in SHAPES.items()}
    parameters = {key: torch.nn.Parameter(torch.tensor(value)) for key, value in weights.items()}
    reference = torch_optimizer(optimizer, list(parameters.values()))
    slots: dict[str, Any] = {key: optimizer.slot_values(shape, None) for key, shape in SHAPES.items()}
    ops = Ops(NUMPY, "numpy")
    for step, rate in enumerate(rates(0.05)):
        for key, value in gradients(step).items():
            parameters[key].grad = torch.tensor(value)
        if clip:
            torch.nn.utils.clip_grad_norm_(list(parameters.values()), clip["global_clipnorm"])
        for group in reference.param_groups:
            group["lr"] = rate
        reference.step()
        weights, slots = apply(ops, optimizer, weights, gradients(step), slots, rate, step + 1)
        for key, value in weights.items():
            expected = parameters[key].detach().numpy()
            # clip_grad_norm_ divides by the norm + 1e-6
            rtol = 1e-12 if not clip else 1e-5
            np.testing.assert_allclose(value, expected, rtol=rtol, atol=rtol, err_msg=f"step {step}")


@pytest.mark.parametrize("name", CLASS)
def test_the_defaults_are_torch_optim_s(name: str) -> None:
    own = getattr(torch.optim, CLASS[name])([torch.nn.Parameter(torch.zeros(1))]).defaults
    if "betas" in own:
        own = {**own, "beta_1": own["betas"][0], "beta_2": own["betas"][1]}
    for key, value in FAMILIES[name].defaults.items():
        assert own[ARGUMENTS.get(key, key)] == value, key


def test_every_rule_of_pytorch_is_held_against_it() -> None:
    assert set(TEXTS) == set(CLASS) == {name for name in FAMILIES if name.startswith("torch.")}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("torch.sgdd", "there is no optimizer 'torch.sgdd'; there are sgd, .*torch.sgd"),
        ("torch.adam:dampening=0.1", "the optimizer torch.adam has no dampening; there is one of torch.sgd"),
        ("adam:lr_decay=0.1", "the optimizer adam has no lr_decay; there is one of torch.adagrad"),
        (
            "torch.adam:momentum=0.9",
            "has no momentum; there is one of sgd and rmsprop and torch.sgd and torch.rmsprop",
        ),
        ("torch.sgd:momentum=0.9,dampening=0.1,nesterov=true", "Nesterov's form has no dampening"),
        ("torch.sgd:betas=0.9", "an optimizer has no setting 'betas'"),
        ("sgd:alpha=0.9", "an optimizer has no setting 'alpha'"),
    ],
)
def test_wrong_settings_are_refused(text: str, words: str) -> None:
    with pytest.raises(CrosstrainError, match=words):
        spelling.optimizer(text)
