"""The command, the assertion, and what is wrong with the input: one sentence each."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path

import keras
import onnx
import pytest
import torch

from crosstrain.api import diff
from crosstrain.exchange.onnx.writing.export import to_onnx
from crosstrain.graph.keras_import import import_model
from crosstrain.reporting.page.markup import VOID
from crosstrain.testing import assert_same_network
from tests.cli.test_commands import crosstrain, own_folder, refused

__all__ = ["own_folder"]

KERAS = """
import keras
from keras import layers


def build():
    return keras.Sequential([keras.Input((8, 8, 3)), layers.Conv2D(4, 3, strides=2, padding="same"),
                             layers.ReLU(), layers.GlobalAveragePooling2D(), layers.Dense(5)])

"""
TORCH = """
import torch
from torch import nn


def build():
    module = nn.Sequential(nn.Conv2d(3, 4, 3, 2, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
                           nn.Linear(4, 5))
    return module, torch.zeros(2, 3, 8, 8)


def shapeless():
    return build()[0]
"""


FILES = ("--json", "diff.json", "--html", "diff.html")


class Reader(HTMLParser):
    """The text of a page, and the elements that nobody closed."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.text, self.open = "", []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture
def nets(own_folder: Path) -> None:
    Path("keras_net.py").write_text(KERAS)
    Path("torch_net.py").write_text(TORCH)


@pytest.mark.usefixtures("nets")
def test_the_command_says_where_why_and_what_to_change() -> None:
    done = crosstrain("diff", "keras_net.py:build", "torch_net.py:build", *FILES)
    assert done.exit_code == 1, done.output
    for words in (
        "different", "1. padding (inference)", "padding (0, 1) in A, 1 in B", "at keras_net.py:7",
        "at torch_net.py:7", "effect on the output", "change: Keras pads the odd cell at the end",
        "A's values are carried to B",
    ):  # fmt: skip
        assert words in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 100
    page = Reader(Path("diff.html").read_text())
    assert page.open == []
    for words in (
        "keras_net.py:build and torch_net.py:build: different", "1. padding (inference)",
        'layers.Conv2D(4, 3, strides=2, padding="same"),', "nn.Conv2d(3, 4, 3, 2, padding=1)",
        "Effect on the output: ", "Change: Keras pads the odd cell at the end", "have the same architecture",
    ):  # fmt: skip
        assert words in page.text
    data = json.loads(Path("diff.json").read_text())
    assert not data["same"]
    (finding,) = data["findings"]
    assert finding["cause"] == "padding"
    assert finding["a"]["layer"] == "conv2d"
    assert finding["effect"] > 0.01


@pytest.mark.usefixtures("nets")
def test_networks_of_other_architectures_stand_in_two_columns() -> None:
    Path("<b>.py").write_text(TORCH.replace("nn.ReLU(), nn.Ad", "nn.ReLU(), nn.Sigmoid(), nn.Ad"))
    done = crosstrain("diff", "torch_net.py:build", "<b>.py:build", *FILES)
    assert done.exit_code == 1, done.output
    html = Path("diff.html").read_text()
    assert '<tr class="other"><td>&gt;</td><td></td><td>sigmoid ' in html
    assert "<b>" not in html
    assert "torch_net.py:build and <b>.py:build: different" in Reader(html).text
    assert "Where the networks differ" in html
    assert html.count("<td>conv ") == 2 * 2  # of both sides, in the excerpt and in the whole


def test_a_model_and_its_onnx_file_are_the_same(own_folder: Path) -> None:
    keras.utils.set_random_seed(1)
    model = keras.Sequential(
        [keras.Input((6,)), keras.layers.Dense(5, "gelu"), keras.layers.Dense(3, "softmax")]
    )
    model.save("model.keras")
    graph, weights = import_model(model)
    onnx.save(to_onnx(graph, weights), "model.onnx")
    assert_same_network("model.keras", "model.onnx")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["keras_net.py:build", "net.pt"], "net.pt is a pickle, which may run any code"),
        (["keras_net.py:build", "torch_net.py:shapeless"], "returns a module but no shapes; name them with"),
        (["keras_net.py:build", "torch_net.py:build", "--weights", "mine"], "weights is auto, own, carry"),
        (["keras_net.py:build", "torch_net.py:build", "--map", "none.json"], "there is no file none.json"),
        (["keras_net.py:build", "torch_net.py:build", "--optimizer-b", "torch.lion"],
         "there is no optimizer 'torch.lion'; there are sgd, "),
    ],
    ids=["pickle", "shapes", "weights", "map", "optimizer"],
)  # fmt: skip
@pytest.mark.usefixtures("nets")
def test_bad_input_is_one_sentence(arguments: list[str], sentence: str) -> None:
    Path("net.pt").write_bytes(b"PK")
    assert sentence in refused(crosstrain("diff", *arguments))


def test_a_network_that_differs_fails_the_assertion_with_the_whole_story(own_folder: Path) -> None:
    Path("keras_net.py").write_text(KERAS)
    Path("wider.py").write_text(KERAS.replace("strides=2", "strides=1"))
    with pytest.raises(AssertionError, match=r"the networks differ(.|\n)*1\. stride(.|\n)*at wider\.py:7"):
        assert_same_network("keras_net.py:build", "wider.py:build")


def test_a_module_in_memory_is_a_side(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    module = torch.nn.Sequential(torch.nn.Linear(4, 5), torch.nn.ReLU(), torch.nn.Linear(5, 3))
    assert diff(module, module, input_shape=(4,), progress=False).same
