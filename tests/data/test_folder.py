"""Image folders: both layouts, and what is passed over, damaged or refused."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from crosstrain.data.images import decoding as images
from crosstrain.errors import CrosstrainError
from tests.data.making import class_folders, picture, write_picture


def test_a_folder_for_each_class(tmp_path: Path, prepared: Callable) -> None:
    root = class_folders(tmp_path / "pets")
    data = prepared(f"folder:{root}", size=10)
    assert data.manifest["splits"] == {"train": 28, "validation": 6, "test": 6}
    assert data.manifest["classes"] == ["cat", "dog"]
    known = {
        (images.resize(picture(seed)[2:22], (10, 10)).astype(np.float32) / 255).tobytes(): int(seed >= 1000)
        for seed in [*range(20), *range(1000, 1020)]
    }
    for split in ("train", "validation", "test"):
        inputs, targets = data.arrays(split)
        assert [known[np.ascontiguousarray(x).tobytes()] for x in inputs[""]] == targets[""].tolist()


def test_split_folders(tmp_path: Path, prepared: Callable) -> None:
    root = tmp_path / "pets"
    for split, each in (("train", 20), ("val", 3), ("test", 4)):
        class_folders(root / split, each=each)
    data = prepared(f"folder:{root}", size=10, channels=1)
    assert data.manifest["splits"] == {"train": 40, "validation": 6, "test": 8}
    assert data.manifest["inputs"][""]["shape"] == [10, 10, 1]
    assert not data.warnings


def test_missing_split_folders_are_held_out(tmp_path: Path, prepared: Callable) -> None:
    class_folders(tmp_path / "pets" / "train")
    class_folders(tmp_path / "pets" / "val", each=3)
    data = prepared(f"folder:{tmp_path / 'pets'}", size=10)
    assert data.manifest["splits"] == {"train": 34, "validation": 6, "test": 6}
    assert data.warnings == ["there is no test folder: 15% of train was held out as one"]


def test_a_class_may_be_called_train(tmp_path: Path, prepared: Callable) -> None:
    root = class_folders(tmp_path / "vehicles", classes=("bus", "train"))
    assert prepared(f"folder:{root}", size=10).manifest["classes"] == ["bus", "train"]


def test_files_that_are_no_images_and_damaged_ones_are_reported(tmp_path: Path, prepared: Callable) -> None:
    root = class_folders(tmp_path / "pets", each=30)
    (root / "notes.txt").write_text("x")
    (root / "cat" / "thumbs.db").write_text("x")
    (root / "cat" / ".hidden").write_text("x")
    (root / "dog" / "007.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    (root / "dog" / "008.png").unlink()
    (root / "dog" / "008.png").symlink_to("nowhere.png")
    data = prepared(f"folder:{root}", size=10)
    assert "2 files are not images in a class folder: cat/thumbs.db, notes.txt" in data.warnings
    damaged = next(sentence for sentence in data.warnings if "damaged" in sentence)
    assert damaged.startswith("2 of 60 images are damaged: ")
    assert "dog/007.png (the PNG is cut short)" in damaged
    assert "dog/008.png (it is not a regular file)" in damaged
    assert sum(data.manifest["splits"].values()) == 58


def test_an_empty_class_is_reported(tmp_path: Path, prepared: Callable) -> None:
    root = class_folders(tmp_path / "pets")
    (root / "emu").mkdir()
    warnings = prepared(f"folder:{root}", size=10).warnings
    assert "1 of 3 classes have no example for train: emu" in warnings


def test_a_pipe_is_not_waited_for(tmp_path: Path, prepared: Callable) -> None:
    root = class_folders(tmp_path / "pets")
    os.mkfifo(root / "cat" / "pipe.png")
    assert "cat/pipe.png (it is not a regular file)" in prepared(f"folder:{root}", size=10).warnings[0]


def test_folders_that_do_not_serve(tmp_path: Path, prepared: Callable) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(
        CrosstrainError, match="has no folders; it must hold a folder of images for each class"
    ):
        prepared(f"folder:{empty}", size=10)
    (empty / "cat").mkdir()
    with pytest.raises(CrosstrainError, match="there are no images in the folders"):
        prepared(f"folder:{empty}", size=10)
    write_picture(empty / "cat" / "0.png", picture(1))
    with pytest.raises(CrosstrainError, match="has no examples for"):
        prepared(f"folder:{empty}", size=10)
    for number in range(20):
        write_picture(empty / "cat" / f"{number}.png", picture(1))
    with pytest.raises(CrosstrainError, match="of one class"):
        prepared(f"folder:{empty}", size=10)
    with pytest.raises(CrosstrainError, match="is not a folder"):
        prepared(f"folder:{empty / 'cat' / '0.png'}", size=10)
    with pytest.raises(CrosstrainError, match="give one size for all"):
        prepared(f"folder:{empty}")


def test_a_class_that_training_lacks_is_refused(tmp_path: Path, prepared: Callable) -> None:
    class_folders(tmp_path / "pets" / "train")
    class_folders(tmp_path / "pets" / "test", classes=("cat", "emu"))
    with pytest.raises(CrosstrainError, match="has a class 'emu' that training lacks"):
        prepared(f"folder:{tmp_path / 'pets'}", size=10)


@pytest.mark.parametrize("kind", ["folder", "gtsrb"])
def test_an_unreadable_folder_is_reported(
    tmp_path: Path, prepared: Callable, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    # permission bits do not stop root, as whom tests may run; so the system call is made to refuse
    root = class_folders(tmp_path / "pets")
    system = os.scandir

    def refuse(path: str | Path) -> object:
        if Path(path).name == "dog":
            raise PermissionError(13, "Permission denied", str(path))
        return system(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(CrosstrainError, match=r"the folder .*dog cannot be read \(Permission denied\)"):
        prepared(f"{kind}:{root}", size=10)
