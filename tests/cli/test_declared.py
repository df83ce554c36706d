"""What is asked is declared once: the signature, the help, the command's options and docs/cli.md agree, and
every spelling of a name is taken everywhere."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, TypedDict, Unpack

import pytest
import typer
from typer.testing import CliRunner

import crosstrain
from crosstrain import api
from crosstrain.cli import declared
from crosstrain.comparison.declaring import Also, Declared, Parameter, declaration_of
from crosstrain.comparison.declaring import declared as declares
from crosstrain.errors import CrosstrainError
from tests.cli.test_commands import crosstrain as run
from tests.cli.test_commands import refused

FUNCTIONS: dict[str, tuple[Callable[..., Any], ...]] = {
    "compare": (api.compare, api.compare_inference),
    "train": (api.train,),
    "tune": (api.tune,),
    "prove": (api.prove,),
    "ops": (api.ops,),
    "code": (api.code,),
    "study": (api.study,),
    "export": (api.export,),
    "look": (api.look,),
    "predict": (api.predict,),
    "evaluate": (api.evaluate,),
    "forecast": (api.forecast,),
    "sample": (api.sample,),
    "backtest": (api.backtest,),
    "features": (api.features,),
}
"""What each command calls."""
DOCS = (Path(__file__).parents[2] / "docs" / "cli.md").read_text()
SETTINGS = [
    pytest.param(command, function, each, id=f"{command}-{function.__name__}-{each.name}")
    for command, functions in FUNCTIONS.items()
    for function in functions
    for each in declaration_of(function).parameters.values()
]
HELP: dict[str, str] = {}


def help_of(command: str) -> str:
    if command not in HELP:
        HELP[command] = run(command, "--help").stdout
    return HELP[command]


def flags(each: Declared) -> list[str]:
    return list(each.parameter.flags) or ["--" + each.name.replace("_", "-")]


@pytest.mark.parametrize(("command", "function", "each"), SETTINGS)
def test_a_setting_is_in_the_signature_the_help_the_command_and_the_docs(
    command: str, function: Callable[..., Any], each: Declared
) -> None:
    assert each.name in inspect.signature(function).parameters
    assert f"    {each.name}: " in (function.__doc__ or "")
    if each.parameter.python_only:
        return
    shown = help_of(command)
    if each.parameter.argument:
        assert each.parameter.metavar is not None
        assert each.parameter.metavar in shown
        return
    spelled = [*flags(each), *("--" + other for other in each.spellings)]
    for flag in flags(each):
        assert re.search(rf"(^|[\s,]){flag}\b", shown), f"{flag} is not in the help of {command}"
    assert any(f"{flag}`" in DOCS or f"{flag} " in DOCS for flag in spelled), f"docs/cli.md lacks {spelled}"


@pytest.mark.parametrize("function", [f for several in FUNCTIONS.values() for f in several])
def test_help_says_what_a_function_takes(function: Callable[..., Any]) -> None:
    """No ``**asked`` where a reader looks for names; types and defaults stand in the signature."""
    parameters = inspect.signature(function).parameters.values()
    assert all(p.kind is not p.VAR_KEYWORD for p in parameters)
    assert all(p.annotation is not p.empty for p in parameters)
    text = inspect.getdoc(function) or ""
    assert text.index("Parameters:") > 0
    assert all(f"{p.name}: " in text for p in parameters)


def test_defaults_are_those_of_the_signature() -> None:
    parameters = inspect.signature(crosstrain.compare).parameters
    assert parameters["batch_size"].default is None
    assert parameters["proof"].default is True
    assert parameters["engines"].default is None
    assert parameters["data"].default is inspect.Parameter.empty
    assert inspect.signature(crosstrain.train).parameters["engine"].default is inspect.Parameter.empty
    assert inspect.signature(crosstrain.tune).parameters["budget"].default == "5m"


# -- one line is enough ---------------------------------------------------------------------------
class Fewer(TypedDict, total=False):
    colour: Annotated[str, Parameter("Of the page.", "green", "NAME")]


class More(Fewer, total=False):
    layers: Annotated[int | None, Parameter("How many.", metavar="N")]
    layer: Annotated[int | None, Also("layers")]


def test_one_declaration_makes_the_keyword_the_option_and_the_help() -> None:
    @declares("a drawing", single={"layer": "layer"})
    def draw(**arguments: Unpack[More]) -> Any:
        return arguments

    seen: list[Any] = []
    drawing = typer.Typer(rich_markup_mode=None)

    @drawing.command()
    @declared.takes(draw)
    def command(**arguments: Any) -> None:
        seen.append(draw(**arguments))

    assert str(inspect.signature(draw)).startswith("(*, colour: str = 'green', layer: int | None = None)")
    assert "layer: How many. Also spelled ``layers``." in draw.__doc__
    assert draw() == {"colour": "green", "layer": None}
    shown = CliRunner().invoke(drawing, ["--help"]).stdout
    assert re.search(r"--layer N +How many\. Also --layers\.", shown)
    assert re.search(r"--colour NAME +Of the page\. +\[default: green\]", shown)
    for flag in ("--layer", "--layers"):
        assert CliRunner().invoke(drawing, [flag, "3"]).exit_code == 0
    assert seen == [{"colour": "green", "layer": 3}] * 2
    with pytest.raises(TypeError, match=r"draw\(\) got an unexpected keyword argument 'color'"):
        draw(color="red")
    with pytest.raises(CrosstrainError, match="a drawing takes one layer, not 1, 2"):
        draw(layers=[1, 2])
    with pytest.raises(CrosstrainError, match="layer and layers are the same setting"):
        draw(layer=1, layers=2)


def test_what_is_not_declared_is_refused_when_the_module_is_read() -> None:
    with pytest.raises(TypeError, match="has no Parameter beside it"):

        @declares("a drawing")
        def draw(colour: str) -> None: ...


# -- every spelling -------------------------------------------------------------------------------
BOTH = [
    (["compare", "mlp", "--data", "digits"], "--engine", "--engines"),
    (["prove", "mlp"], "--engine", "--engines"),
    (["train", "mlp", "--data", "digits"], "--engine", "--engines"),
    (["tune", "mlp", "--data", "digits"], "--engine", "--engines"),
    (["code", "mlp"], "--engine", "--engines"),
    (["study", "traffic-signs", "--data", "digits"], "--engine", "--engines"),
    (["networks", "mlp"], "--engine", "--engines"),
]


@pytest.mark.parametrize("arguments", [a for a, *_ in BOTH], ids=[a[0] for a, *_ in BOTH])
@pytest.mark.parametrize("flag", ["--engine", "--engines"])
def test_engines_by_either_name(arguments: list[str], flag: str) -> None:
    assert "abacus" in refused(run(*arguments, flag, "abacus"))


@pytest.mark.parametrize("command", ["compare", "train", "tune"])
@pytest.mark.parametrize("flag", ["--size", "--sizes"])
def test_sizes_by_either_name(command: str, flag: str) -> None:
    assert "'big' is not an input size" in refused(
        run(command, "mlp", "--data", "digits", "--engine", "torch", flag, "big")
    )


@pytest.mark.parametrize("command", ["compare", "train", "tune", "prove", "code"])
@pytest.mark.parametrize("flag", ["--network", "--networks"])
def test_networks_also_by_name(command: str, flag: str) -> None:
    data = [] if command in ("prove", "code") else ["--data", "digits"]
    assert "no network 'resnet99'" in refused(run(command, flag, "resnet99", *data, "--engine", "torch"))
    assert "same setting" in refused(run(command, "mlp", flag, "lenet5", *data, "--engine", "torch"))


@pytest.mark.parametrize("command", ["compare", "train"])
@pytest.mark.parametrize(("flag", "sentence"), [("--seed", "a seed must be"), ("--seeds", "seeds must be")])
def test_seeds_by_either_name(command: str, flag: str, sentence: str) -> None:
    assert sentence in refused(run(command, "mlp", "--data", "digits", "--engine", "torch", flag, "-1"))


@pytest.mark.parametrize("command", ["compare", "train", "tune", "prove"])
def test_a_contradiction_is_one_sentence(command: str) -> None:
    data = [] if command == "prove" else ["--data", "digits"]
    sentence = refused(run(command, "mlp", *data, "--engine", "torch", "--engines", "jax"))
    assert "the same setting" in sentence
    assert "torch" in sentence
    assert "jax" in sentence


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["train", "mlp", "-d", "digits", "--engines", "torch,jax"], "training takes one engine, not torch"),
        (["train", "mlp", "-d", "digits", "--engine", "torch", "--sizes", "8,16"], "takes one input size"),
        (["train", "mlp", "-d", "digits", "--engine", "torch", "--seeds", "2"], "takes one seed, not 2"),
        (["tune", "mlp", "-d", "digits", "--engine", "torch", "--sizes", "8,16"], "takes one input size"),
        (["code", "mlp", "--engines", "torch,jax"], "source takes one engine"),
        (
            ["compare", "mlp", "-d", "digits", "--task", "inference", "--sizes", "8,16"],
            "a comparison at inference takes one input size",
        ),
    ],
)  # fmt: skip
def test_several_where_one_is_needed(arguments: list[str], sentence: str) -> None:
    assert sentence in refused(run(*arguments))


@pytest.mark.parametrize(
    ("arguments", "missing"),
    [
        (["train", "mlp", "-d", "digits"], "--engine"),
        (["tune", "mlp", "-d", "digits"], "--engines"),
        (["code", "mlp"], "--engine"),
        (["compare", "-d", "digits"], "NETWORK"),
        (["prove"], "NETWORK"),
    ],
)
def test_what_is_missing_is_named(arguments: list[str], missing: str) -> None:
    assert refused(run(*arguments)).startswith(missing)


def test_the_same_in_python() -> None:
    for name in ("engine", "engines"):
        for function in (crosstrain.compare, crosstrain.train, crosstrain.tune):
            with pytest.raises(CrosstrainError, match="no engine 'abacus'"):
                function("mlp", "digits", progress=False, **{name: "abacus"})
    with pytest.raises(CrosstrainError, match="engines and engine are the same setting"):
        crosstrain.compare("mlp", "digits", engines=["torch"], engine="jax", progress=False)
    with pytest.raises(CrosstrainError, match="training takes one engine, not torch, jax"):
        crosstrain.train("mlp", "digits", engines=["torch", "jax"], progress=False)
    with pytest.raises(CrosstrainError, match="no network 'resnet99'"):
        crosstrain.compare(networks=["mlp", "resnet99"], data="digits", progress=False)
    with pytest.raises(TypeError, match=r"train\(\) missing a required argument: 'engine'"):
        crosstrain.train("mlp", "digits")
    with pytest.raises(TypeError, match="multiple values for argument 'network'"):
        crosstrain.train("mlp", "digits", network="mlp", engine="torch")
