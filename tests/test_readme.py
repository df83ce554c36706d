"""The README's commands run as they stand there, on small data; the Python in it too."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from crosstrain.environments.environments import default

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
COMMANDS = [
    command.strip()
    for block in re.findall(r"```sh\n(.*?)```", README, flags=re.DOTALL)
    for line in block.splitlines()
    for command in line.partition("#")[0].split(";")
    if command.strip().startswith("crosstrain ")
]
HERE = list(default())
SMALLER = {
    "compare": ["--epochs", "1", "--seeds", "1", "--engines", ",".join(HERE[:1]), "--no-proof"],
    "train": ["--epochs", "1"],
    "prove": ["--engines", ",".join(HERE[:1]), "--precision", "float32", "--steps", "2"],
}
"""Given after the README's own options, so that they win: the same commands, in seconds."""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the README supposes a user has."""
    folder = tmp_path_factory.mktemp("readme")
    generator = np.random.default_rng(0)
    for name in ("cats", "dogs"):
        (folder / "photos" / name).mkdir(parents=True)
        for index in range(24):
            picture = generator.integers(0, 256, (40, 40, 3), dtype=np.uint8)
            cv2.imwrite(str(folder / "photos" / name / f"{index}.png"), picture)
    shutil.copytree(folder / "photos", folder / "others")
    shutil.copytree(folder / "photos" / "cats", folder / "more-photos")
    cv2.imwrite(str(folder / "new.jpg"), generator.integers(0, 256, (50, 60, 3), dtype=np.uint8))
    x = generator.random((60, 12), dtype=np.float32)
    np.savez(folder / "mine.npz", x=x, y=(x.sum(1) > 6).astype("int64"))
    (folder / "mynet.py").write_text(
        "import keras\n\n"
        "def build(input_shape=(12,), classes=2):\n"
        "    inputs = keras.Input(input_shape)\n"
        "    x = keras.layers.Dense(8, activation='tanh')(inputs)\n"
        "    return keras.Model(inputs, keras.layers.Dense(classes)(x))\n"
    )
    (folder / "data").mkdir()
    _mnist(folder / "data" / "mnist", generator)
    code = "import crosstrain.zoo as z; z.build('mlp', (28, 28, 1), 10).save('model.keras')"
    subprocess.run([sys.executable, "-c", code], cwd=folder, check=True, capture_output=True)
    return folder


def _mnist(folder: Path, generator: np.random.Generator) -> None:
    """Files in the format of the official ones, with fewer pictures."""
    folder.mkdir()
    for part, count in (("train", 200), ("t10k", 50)):
        images = generator.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        labels = (np.arange(count) % 10).astype(np.uint8)
        head = np.array([2051, count, 28, 28], ">i4").tobytes()
        (folder / f"{part}-images-idx3-ubyte").write_bytes(head + images.tobytes())
        head = np.array([2049, count], ">i4").tobytes()
        (folder / f"{part}-labels-idx1-ubyte").write_bytes(head + labels.tobytes())


def run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=600
    )


def test_the_readme_has_commands() -> None:
    assert {shlex.split(c)[1] for c in COMMANDS} == {
        "compare", "prove", "train", "predict", "evaluate", "networks", "engines", "datasets"
    }  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS)
def test_command(command: str, place: Path) -> None:
    if not HERE:
        pytest.skip("no engine is installed here")
    words = shlex.split(command)
    if words[1] in ("predict", "evaluate"):
        trained(place)
    done = run([*words, *SMALLER.get(words[1], [])], place)
    assert done.returncode == 0, done.stdout + done.stderr


def trained(place: Path) -> None:
    """Have ``runs/photos``, also where the command that trains it has not run."""
    if (place / "runs" / "photos" / "best.npz").exists():
        return
    train = "crosstrain train lenet5 --data folder:photos --engine " + HERE[0]
    done = run([*shlex.split(train), "--epochs", "1", "--out", "runs/photos"], place)
    assert done.returncode == 0, done.stderr


def test_make_targets_exist() -> None:
    targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
    for target in re.findall(r"`?make (\w+)", README):
        assert target in targets


def test_the_python_example(place: Path) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    code = code.replace('["torch", "jax"]', repr(HERE[:1])).replace("epochs=3", "epochs=1, proof=False")
    code = code.replace('"resnet20"', '"lenet5"')
    if not HERE:
        pytest.skip("no engine is installed here")
    trained(place)
    done = run([sys.executable, "-c", code], place)
    assert done.returncode == 0, done.stderr


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#]+)", README):
        if not target.startswith("http"):
            assert (ROOT / target).exists(), f"the README links to {target}, which is not there"
