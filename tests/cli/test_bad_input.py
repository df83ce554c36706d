"""What is wrong with a training of pictures is one sentence and exit code 2, before anything is trained.

Weights that do not fit are in ``tests/prediction/test_transfer.py``, pictures to predict with other channels
in ``tests/prediction/test_using.py``.
"""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from tests.cli.test_commands import crosstrain, own_folder, refused
from tests.data.test_cifar import LABELS, Hostile, pixels, written

__all__ = ["own_folder"]


@pytest.mark.parametrize("command", [["train", "lenet5", "--engine", "torch"], ["compare", "lenet5"]])
@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--data", "digits", "--augment", "flop"], "there is no augmentation 'flop'; there are flip, "),
        (
            ["--data", "digits", "--augment", "crop=33"],
            "crop=33 is larger than the pictures of digits, which are 32×32",
        ),
        (["--data", "cifar10:batches"], "the pickle data_batch_3 is not read, for it asks for "),
        (["--data", "digits", "--weights", "nothing.h5"], "there is no file of weights nothing.h5"),
    ],
    ids=["augmentation", "crop", "pickle", "weights"],
)
def test_a_training_is_refused(
    command: list[str], arguments: list[str], sentence: str, tmp_path: Path
) -> None:
    folder = written(tmp_path / "batches", "cifar10", "python")
    witness = tmp_path / "witness"
    hostile = {"data": pixels(0), "labels": LABELS, "extra": Hostile(f"touch {witness}")}
    (folder / "data_batch_3").write_bytes(pickle.dumps(hostile))
    message = refused(crosstrain(*command, *arguments, "--out", "out"))
    assert sentence in message
    assert not witness.exists()
    assert not list(tmp_path.glob("out/**/result.json"))


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["bundle", "nowhere"], "nowhere holds no comparison (no result.json)"),
        (["verify", "nowhere.zip"], "there is no file nowhere.zip"),
        (["verify", "text.zip"], "text.zip is no bundle: it is not a zip archive, or a damaged one"),
        (["compare", "mlp", "--data", "digits", "--twins", "-1"], "twins must be from 0 to 100, not -1"),
        (
            ["compare", "mlp", "--data", "digits", "--engines", "torhc@2.12"],
            "no engine 'torhc@2.12'; there are",
        ),
        (["train", "mlp", "-d", "digits", "--engine", "jax", "--workers", "0"], "workers must be at least 1"),
        (["compare", "mlp", "-d", "digits", "--workers", "999"], "workers must be at most 64, not 999"),
        (
            ["compare", "mlp", "-d", "digits", "--workers", "2", "--device", "cuda:0"],
            "several workers train on the CPU, not on cuda:0; use --device cpu, or one worker",
        ),
        (["compare", "mlp", "-d", "digits", "--workers", "2", "--tuned"], "is the fastest for one worker"),
    ],
    ids=["bundle", "verify", "text", "twins", "release", "none", "many", "workers on a GPU", "tuned"],
)
def test_archives_twins_and_releases_are_refused(arguments: list[str], sentence: str, tmp_path: Path) -> None:
    (tmp_path / "text.zip").write_text("no archive")
    assert sentence in refused(crosstrain(*arguments))
