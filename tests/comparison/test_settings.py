"""What users say, and the sentence they get where it is wrong."""

from __future__ import annotations

import json
import math
import zipfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crosstrain.comparison.settings import settings
from crosstrain.errors import CrosstrainError
from crosstrain.reporting.command import arguments
from crosstrain.runs.definition import source
from crosstrain.training import spelling
from crosstrain.training.optimizers import Optimizer
from crosstrain.training.recipe import Loss
from crosstrain.training.schedules import Schedule


@pytest.mark.parametrize(
    ("text", "name", "options"),
    [
        ("adam", "adam", {}),
        ("huber:delta=2", "huber", {"delta": 2}),
        (
            "step:boundaries=[100,200],factors=[0.1,0.01]",
            "step",
            {"boundaries": [100, 200], "factors": [0.1, 0.01]},
        ),
        ("my/losses.py:focal", "my/losses.py:focal", {}),
        ("my/losses.py:focal:gamma=2,name=x", "my/losses.py:focal", {"gamma": 2, "name": "x"}),
    ],
)
def test_names_with_settings(text: str, name: str, options: dict[str, Any]) -> None:
    assert spelling.named(text) == (name, options)


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("90s", 90), ("10m", 600), ("1.5h", 5400), (None, None), (2.5, 2.5)]
)
def test_times(text: Any, seconds: float | None) -> None:
    assert spelling.seconds(text) == seconds


@pytest.mark.parametrize(
    ("text", "size"), [("512M", 2**29), ("4G", 2**32), ("1.5GiB", 3 * 2**29), ("100", 100)]
)
def test_amounts_of_memory(text: str, size: int) -> None:
    assert spelling.size_in_bytes(text) == size


@given(st.text(max_size=20))
def test_any_text_is_read_or_refused_in_a_sentence(text: str) -> None:
    readers: list[Callable[[str], Any]] = [
        spelling.seconds, spelling.size_in_bytes, spelling.sizes, spelling.dimensions, spelling.optimizer,
        spelling.schedule, spelling.loss, lambda t: spelling.engine_options([t]),
    ]  # fmt: skip
    for read in readers:
        try:
            read(text)
        except CrosstrainError as error:
            assert str(error)  # noqa: PT017  (any other exception fails the test)


DIGITS = st.integers(1, 6000).map(lambda n: "9" * n)
"""Numbers far beyond what floats hold, and beyond the digits that Python reads."""
LEAVES = st.one_of(
    DIGITS,
    st.sampled_from(["NaN", "-Infinity", "1e400", "-1e400", "true", "null", '"a"', "abc", "0", "-1", "0.5"]),
)


def in_brackets(text: str, depth: int) -> str:
    return "[" * depth + text + "]" * depth


VALUES = st.one_of(
    LEAVES,
    st.lists(LEAVES, max_size=4).map(lambda each: f"[{','.join(each)}]"),
    st.builds(in_brackets, LEAVES, st.sampled_from([1, 5, 16, 17, 900, 5000, 200_000])),
    st.integers(1, 100_000).map(lambda n: "[" * n),
    st.integers(1, 3000).map(lambda n: '{"a":' * n + "1" + "}" * n),
)
"""What may stand behind ``key=``: numbers, lists of mixed types, JSON as deep as a command line holds."""
SPELLED: dict[str, Callable[[str], Any]] = {
    "adam:beta_1={}": spelling.optimizer,
    "sgd:momentum={},nesterov={}": spelling.optimizer,
    "step:boundaries={},factors={}": spelling.schedule,
    "step:boundaries=[1,2],factors={}": spelling.schedule,
    "cosine:decay_steps={}": spelling.schedule,
    "cosine:decay_steps=5,warmup_target={},warmup_steps={}": spelling.schedule,
    "exponential:decay_steps={},decay_rate={},staircase={}": spelling.schedule,
    "warmup:warmup_steps={}": spelling.schedule,
    "plateau:patience={},factor={}": spelling.schedule,
    "huber:delta={},weight={}": spelling.loss,
    "torch.compile={}": lambda text: spelling.engine_options([text]),
}


@pytest.mark.parametrize("form", SPELLED)
@given(data=st.data())
def test_any_value_is_read_or_refused_in_a_short_sentence(form: str, data: st.DataObject) -> None:
    text = form.replace("{}", "%s") % tuple(data.draw(VALUES) for _ in range(form.count("{}")))
    try:
        result = SPELLED[form](text)
    except CrosstrainError as error:
        assert 0 < len(str(error)) < 300  # noqa: PT017  (any other exception fails the test)
        return
    # What was read can be kept and read again, and a schedule gives rates.
    settings = json.loads(json.dumps(asdict(result) if hasattr(result, "name") else result, allow_nan=False))
    assert settings
    if isinstance(result, Schedule):
        assert all(math.isfinite(result.rate(0.1, step)) for step in (0, 1))


@given(
    text=st.one_of(DIGITS, st.sampled_from(["1e400", "inf", "nan", "-1", "0", "٣", "1e3", "³"])),
    unit=st.sampled_from(["", "s", "h", "M", "T", "%"]),
)
def test_numbers_beyond_all_bounds_are_refused_in_a_sentence(text: str, unit: str) -> None:
    for read in (
        spelling.seconds, spelling.size_in_bytes, spelling.sizes, spelling.dimensions, spelling.share,
        spelling.batch_sizes, lambda t: spelling.networks(f"lenet5@{t}"),
    ):  # fmt: skip
        try:
            read(text + unit)
        except CrosstrainError as error:
            assert len(str(error)) < 7000  # noqa: PT017


@pytest.mark.parametrize("number", [1e400, float("nan"), -1e400, 10**400, "1e400", True, 3.5])
def test_what_is_no_input_size(number: Any) -> None:
    with pytest.raises(CrosstrainError, match="input size"):
        settings("lenet5", "digits", sizes=number)


@pytest.mark.parametrize("name", ["learning_rate", "momentum", "weight_decay"])
@pytest.mark.parametrize("number", [1e400, float("nan"), 10**400])
def test_what_is_no_rate(name: str, number: Any) -> None:
    with pytest.raises(CrosstrainError, match=f"{name} is .*which is not a number"):
        settings("lenet5", "digits", **{name: number})


def test_engine_options_are_json_or_text() -> None:
    options = spelling.engine_options(["torch.compile=true", "torch.layout=channels_last", "jax.unroll=4"])
    assert options == {"torch": {"compile": True, "layout": "channels_last"}, "jax": {"unroll": 4}}


def test_sgd_has_momentum_where_nothing_is_said() -> None:
    assert settings("lenet5", "digits").recipe.optimizer.momentum == 0.9
    assert settings("lenet5", "digits", momentum=0.0).recipe.optimizer.momentum == 0.0
    assert settings("lenet5", "digits", optimizer="adam").recipe.optimizer.momentum == 0.0


# -- the recipe of a compiled model -----------------------------------------------------------------
RECIPE = {
    "optimizer": {
        "class_name": "Adam",
        "config": {
            "learning_rate": {
                "class_name": "ExponentialDecay",
                "config": {"initial_learning_rate": 0.002, "decay_steps": 50, "decay_rate": 0.5},
            },
            "beta_1": 0.8, "clipnorm": 2.0,
        },
    },
    "loss": "mae",
    "metrics": ["mae"],
}  # fmt: skip


def compiled(path: Path, recipe: dict[str, Any]) -> str:
    """A file that says how its model was compiled; there is no more in it."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", json.dumps({"config": {}, "compile_config": recipe}))
    return str(path)


def test_a_compiled_models_own_recipe_is_the_default(tmp_path: Path) -> None:
    own = settings(compiled(tmp_path / "own.keras", RECIPE), "digits")
    assert own.recipe.optimizer == Optimizer("adam", learning_rate=0.002, beta_1=0.8, clipnorm=2.0)
    assert own.recipe.schedule == Schedule("exponential", {"decay_steps": 50, "decay_rate": 0.5})
    assert own.recipe.metrics == ("accuracy", "mae")
    assert own.recipe.losses is None  # the definition takes the file's, where it fits
    (remark,) = own.remarks
    assert (
        "own recipe is the default (adam (learning rate 0.002, exponential), loss mae, metrics mae)" in remark
    )
    (remark,) = settings(own.networks[0], "digits", output="dense").remarks
    assert "(adam (learning rate 0.002, exponential), metrics mae)" in remark


def test_options_override_single_parts_of_it(tmp_path: Path) -> None:
    network = compiled(tmp_path / "own.keras", RECIPE)
    other = settings(network, "digits", learning_rate=0.1).recipe
    assert other.optimizer == Optimizer("adam", learning_rate=0.1, beta_1=0.8, clipnorm=2.0)
    assert other.schedule.name == "exponential"
    assert settings(network, "digits", schedule="constant").recipe.schedule == Schedule()
    assert settings(network, "digits", schedule="constant").recipe.optimizer.beta_1 == 0.8
    plain = settings(network, "digits", optimizer="sgd").recipe
    assert (plain.optimizer.name, plain.optimizer.momentum, plain.schedule) == ("sgd", 0.9, Schedule())
    assert settings(network, "digits", loss="mse").recipe.losses == {"": Loss("mse")}


def test_networks_with_different_recipes_take_the_default(tmp_path: Path) -> None:
    one = compiled(tmp_path / "one.keras", RECIPE)
    two = compiled(tmp_path / "two.keras", {**RECIPE, "optimizer": "rmsprop"})
    same = compiled(tmp_path / "same.keras", RECIPE)
    assert settings([one, same], "digits").recipe.optimizer.name == "adam"
    for networks in ([one, two], [one, "lenet5"]):
        mixed = settings(networks, "digits")
        assert mixed.recipe.optimizer.name == "sgd"
        assert "not all networks with one recipe" in mixed.remarks[0]


def test_what_is_lacking_is_said(tmp_path: Path) -> None:
    network = compiled(tmp_path / "own.keras", {"optimizer": "ftrl", "loss": "mse", "metrics": ["auc"]})
    own = settings(network, "digits")
    assert own.recipe.optimizer == Optimizer("sgd", momentum=0.9)
    assert [r for r in own.remarks if "optimizer 'ftrl'" in r and "takes its own default" in r]
    assert [r for r in own.remarks if "metric 'auc'" in r]


def test_the_repeated_command_says_the_optimizer_of_a_model_file(tmp_path: Path) -> None:
    network = compiled(tmp_path / "own.keras", RECIPE)
    words = arguments(settings(network, "digits", optimizer="sgd", engines="torch").identity())
    assert words[words.index("--optimizer") + 1] == "sgd"
    assert words[words.index("--schedule") + 1] == "constant"
    assert "--optimizer" not in arguments(settings("lenet5", "digits", engines="torch").identity())


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"networks": "resnet99"}, "no network 'resnet99'.*lenet5"),
    ({"networks": ""}, "at least one network"),
    ({"networks": "gone.py:build"}, "no file gone.py"),
    ({"networks": "gone.keras"}, "no file gone.keras"),
    ({"engines": "torch,mxnext"}, "no engine 'mxnext'.*torch"),
    ({"engines": ""}, "at least one engine"),
    ({"epochs": 0}, "epochs must be at least 1"),
    ({"seeds": -1}, "seeds must be at least 1"),
    ({"batch_size": 0}, "batch size must be at least 1"),
    ({"seed": -1}, "seed must be at least 0"),
    ({"sizes": [0]}, "less than one pixel"),
    ({"precision": "float8"}, "no precision 'float8'"),
    ({"optimizer": "adamm"}, "no optimizer 'adamm'.*adam"),
    ({"optimizer": "adam:beta=1"}, "no setting 'beta'"),
    ({"optimizer": "adam", "momentum": 0.9}, "adam has no momentum"),
    ({"learning_rate": -1.0}, "learning rate must be more than 0"),
    ({"schedule": "cosine"}, "needs decay_steps: write cosine:decay_steps"),
    ({"schedule": "cosinus"}, "no schedule 'cosinus'"),
    ({"schedule": "warmup:steps=5"}, "no setting 'steps'"),
    ({"schedule": 'step:boundaries=[1,"b"],factors=[1,2]'}, "boundaries is .*which is not a list of numbers"),
    ({"schedule": "step:boundaries=[5,9],factors=[0.1]"}, "as many factors as boundaries"),
    ({"schedule": "exponential:decay_steps=9,decay_rate=-1"}, "gives no valid rate"),
    ({"schedule": "cosine:decay_steps=0"}, "cannot have these settings"),
    ({"schedule": "warmup:warmup_steps=soon"}, "warmup_steps is 'soon', which is not a whole number"),
    ({"options": ["torch.x=" + "[" * 100_000]}, r"'\[\[.*…' is nested more than 16 deep"),
    ({"loss": ["huber", "mse"]}, "two losses for the only output"),
    ({"epochs": 10**30}, "epochs must be at most"),
    ({"seed": 10**30}, "seed must be at most"),
    ({"sizes": [40_000]}, "more than 32768 pixels"),
    ({"timeout": "9" * 400}, "more than a hundred years"),
    ({"memory_limit": "9" * 400}, "too much memory"),
    ({"learning_rate": float("nan")}, "learning_rate is nan, which is not a number"),
    ({"budget": "soon"}, "'soon' is not a time"),
    ({"timeout": "0"}, "must be more than 0"),
    ({"memory_limit": "much"}, "not an amount of memory"),
    ({"engines": "torch", "options": {"jax": {"x": 1}}}, "option for 'jax'"),
]


@pytest.mark.parametrize(("arguments", "sentence"), WRONG, ids=[str(w[0]) for w in WRONG])
def test_wrong_use_is_told(arguments: dict[str, Any], sentence: str) -> None:
    with pytest.raises(CrosstrainError, match=sentence):
        settings(**{"networks": "lenet5", "data": "digits", **arguments})


def test_a_file_without_a_function_is_told(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text("")
    with pytest.raises(CrosstrainError, match="no function in it"):
        source(str(tmp_path / "net.py"))


def test_sources_are_absolute_for_workers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "net.py").write_text("")
    monkeypatch.chdir(tmp_path)
    assert source("net.py:build") == f"{tmp_path}/net.py:build"
    assert source("lenet5") == "lenet5"


def test_limits_do_not_make_another_comparison() -> None:
    one = settings("lenet5", "digits", timeout=5)
    assert one.default_folder == settings("lenet5", "digits", memory_limit="1G").default_folder
    assert one.default_folder != settings("lenet5", "digits", epochs=9).default_folder
