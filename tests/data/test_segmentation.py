"""Pictures with label maps: both layouts, grey and palette PNG, void, moved together, and what is refused."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from crosstrain.data.images import label_maps
from crosstrain.data.source import DamagedImage
from crosstrain.errors import CrosstrainError
from crosstrain.runs.feeder import Batches
from crosstrain.training.recipe import Recipe
from tests.data.making import picture, write_picture

SIZE = (24, 32)


def png(labels: np.ndarray, depth: int = 8, colour: int = 3) -> bytes:
    """A PNG of indices into a palette (or of grey), ``depth`` bits each, written by the book."""
    height, width = labels.shape
    bits = np.unpackbits(labels[..., None], axis=2)[..., 8 - depth :].reshape(height, -1)
    rows = np.concatenate([np.zeros((height, 1), np.uint8), np.packbits(bits, axis=1)], axis=1)
    palette = np.random.default_rng(0).integers(0, 256, (2**depth, 3), np.uint8)

    def chunk(kind: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        )

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    extra = chunk(b"PLTE", palette.tobytes()) + chunk(b"tRNS", b"\0") if colour == 3 else b""
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + extra
        + chunk(b"IDAT", zlib.compress(rows.tobytes()))
        + chunk(b"IEND", b"")
    )


def labels_of(seed: int, classes: int = 3, size: tuple[int, int] = SIZE) -> np.ndarray:
    """Blocks of classes."""
    small = np.random.default_rng(seed).integers(0, classes, (4, 4), np.uint8)
    return np.asarray(cv2.resize(small, size[::-1], interpolation=cv2.INTER_NEAREST))


def write(folder: Path, images: str, masks: str, count: int = 8, classes: int = 3, start: int = 0) -> None:
    """``count`` pictures with grey maps."""
    for number in range(start, start + count):
        write_picture(folder / images / f"{number}.png", picture(number, *SIZE))
        path = folder / masks / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png(labels_of(number, classes), colour=0))


def camvid(folder: Path) -> Path:
    for start, split in enumerate(("train", "val", "test")):
        write(folder, split, f"{split}annot", classes=11, start=10 * start)
    return folder


@settings(max_examples=40, deadline=None)
@given(
    labels=arrays.arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9))),
    depth=st.sampled_from([1, 2, 4, 8]),
    colour=st.sampled_from([0, 3]),
)
def test_values_are_those_of_the_file(labels: np.ndarray, depth: int, colour: int) -> None:
    labels = labels & (2**depth - 1)
    assert np.array_equal(label_maps.values(png(labels, depth, colour)), labels)
    assert label_maps.png_size(png(labels, depth, colour)) == labels.shape


def test_colours_and_other_files_are_no_label_maps(tmp_path: Path) -> None:
    write_picture(tmp_path / "colours.png", picture(0))
    with pytest.raises(DamagedImage, match="not in colours"):
        label_maps.values((tmp_path / "colours.png").read_bytes())
    with pytest.raises(DamagedImage, match="it is no PNG"):
        label_maps.values(b"\xff\xd8 a JPEG")
    whole = png(labels_of(0))
    with pytest.raises(DamagedImage, match="cut short"):
        label_maps.values(whole[:-20])


def test_camvid_s_layout(tmp_path: Path, prepared: Callable) -> None:
    root = camvid(tmp_path / "roads")
    labels = labels_of(0, 11)
    labels[:3] = 11
    (root / "trainannot" / "0.png").write_bytes(png(labels))
    data = prepared(f"segmentation:{root}")
    assert data.manifest["task"] == "segmentation"
    assert data.manifest["splits"] == {"train": 8, "validation": 8, "test": 8}
    assert data.manifest["classes"][0] == "Sky"
    assert data.manifest["targets"] == {"": {"shape": [*SIZE], "dtype": "int32", "classes": 11, "void": 255}}
    inputs, targets = data.arrays("train")
    expected = labels.astype(int)
    expected[:3] = 255
    assert np.array_equal(targets[""][0], expected)
    assert np.array_equal(np.rint(inputs[""][0] * 255), picture(0, *SIZE))
    assert data.label_maps() == {"": [*SIZE]}
    counts = np.bincount(np.where(targets[""] == 255, 11, targets[""]).ravel(), minlength=12)
    assert data.manifest["pixel_counts"]["train"] == counts[:11].tolist()


def test_frequencies_are_over_the_maps_with_the_class(tmp_path: Path, prepared: Callable) -> None:
    write(tmp_path, "train/images", "train/masks", count=2)
    write(tmp_path, "val/images", "val/masks", count=2)
    write(tmp_path, "test/images", "test/masks", count=2)
    for number, labels in enumerate((np.zeros(SIZE, np.uint8), np.repeat([[0], [1]], 12, 0) * np.ones(32))):
        (tmp_path / f"train/masks/{number}.png").write_bytes(png(labels.astype(np.uint8)))
    data = prepared(f"segmentation:{tmp_path}")
    assert data.manifest["class_frequency"] == [0.75, 0.5, 0.0]
    assert "1 of 3 classes have no example for train: 2" in data.warnings


@pytest.mark.parametrize("layout", ["{split}/images {split}/masks", "images/{split} masks/{split}"])
def test_split_folders_in_and_around(layout: str, tmp_path: Path, prepared: Callable) -> None:
    for start, split in enumerate(("train", "test")):
        write(tmp_path, *layout.format(split=split).split(), start=20 * start, count=10)
    data = prepared(f"segmentation:{tmp_path}")
    assert data.manifest["splits"] == {"train": 9, "validation": 1, "test": 10}
    assert data.warnings == ["there are no pictures for validation: 10% of train was held out for it"]


def test_one_folder_is_split_three_ways_and_classes_are_named(tmp_path: Path, prepared: Callable) -> None:
    write(tmp_path, "images", "masks", count=20)
    (tmp_path / "classes.txt").write_text("2 dog\n0 grass\n1 void\n")
    data = prepared(f"segmentation:{tmp_path}")
    assert data.manifest["splits"] == {"train": 14, "validation": 3, "test": 3}
    assert data.manifest["classes"] == ["dog", "grass"]
    known = {
        np.rint(picture(n, *SIZE) / np.float32(255) * 255).astype(np.uint8).tobytes(): n for n in range(20)
    }
    inputs, targets = data.arrays("validation")
    for x, y in zip(inputs[""], targets[""], strict=True):
        number = known[np.rint(x * 255).astype(np.uint8).tobytes()]
        assert np.array_equal(y, np.array([1, 255, 0])[labels_of(number)])


def test_pictures_and_maps_are_resized_alike_and_no_class_arises(tmp_path: Path, prepared: Callable) -> None:
    write(tmp_path, "images", "masks", count=20, classes=2)
    for number in range(20):
        whole = np.where(labels_of(number, 2) > 0, 5, 0).astype(np.uint8)
        (tmp_path / f"masks/{number}.png").write_bytes(png(whole))
        write_picture(tmp_path / f"images/{number}.png", np.repeat(whole[..., None] * 51, 3, axis=2))
    (tmp_path / "classes.txt").write_text("0 no\n5 yes\n")
    data = prepared(f"segmentation:{tmp_path}", size=(12, 16))
    inputs, targets = data.arrays("train")
    assert targets[""].shape == (14, 12, 16)
    assert set(np.unique(targets[""])) == {0, 1}
    assert np.array_equal(inputs[""][..., 0] > 0.5, targets[""] == 1)


MOVED = {"flip": True, "shift": 3, "crop": 16, "zoom": 0.2, "rotate": 20, "brightness": 0.2}


def test_maps_move_with_their_pictures(tmp_path: Path, prepared: Callable) -> None:
    """Pictures that are their own label maps stay so; what comes from beyond the edge is void."""
    for number in range(20):
        labels = labels_of(number, 2)
        (tmp_path / "masks").mkdir(exist_ok=True)
        (tmp_path / f"masks/{number}.png").write_bytes(png(labels))
        write_picture(tmp_path / f"images/{number}.png", np.repeat(labels[..., None] * 200, 3, 2) + 55)
    data = prepared(f"segmentation:{tmp_path}", augmentation=MOVED)
    assert data.manifest["targets"][""]["shape"] == [16, 16]
    assert data.arrays("test")[1][""].shape == (3, 16, 16)
    batches = list(Batches(data.folder, Recipe(batch_size=14, augmentation=MOVED, seed=3)).epoch(0))
    pictures, maps = batches[0]["input/"][..., 0], batches[0]["target/"]
    assert maps.dtype == np.int32
    assert set(np.unique(maps)) == {0, 1, 255}
    for shown, labels in zip(pictures, maps, strict=True):
        # Away from edges between classes, where pictures are blended, and from those of the crop.
        own = labels.astype(np.uint8)
        plain = (cv2.dilate(own, np.ones((3, 3))) == cv2.erode(own, np.ones((3, 3))))[1:-1, 1:-1]
        shown, labels = shown[1:-1, 1:-1][plain], labels[1:-1, 1:-1][plain]
        assert np.array_equal((shown > 0.55)[labels != 255], labels[labels != 255] == 1)
        assert (shown[labels == 255] == 0).all()


def broken(tmp_path: Path, fault: str) -> None:
    write(tmp_path, "images", "masks", count=20)
    mask, image = tmp_path / "masks" / "7.png", tmp_path / "images" / "7.png"
    if fault == "value":
        (tmp_path / "classes.txt").write_text("sky\nroad\ncar\n")
        labels = labels_of(7)
        labels[0, :2] = 3, 77
        mask.write_bytes(png(labels))
    elif fault == "map":
        mask.unlink()
    elif fault == "size":
        mask.write_bytes(png(labels_of(7, size=(24, 30))))
    elif fault == "sizes":
        write_picture(image, picture(7, 30, 30))
        mask.write_bytes(png(labels_of(7, size=(30, 30))))
    elif fault == "one class":
        for path in (tmp_path / "masks").iterdir():
            path.write_bytes(png(np.where(labels_of(1) > 0, 255, 0).astype(np.uint8)))
    elif fault == "one class in training":
        (tmp_path / "classes.txt").write_text("sky\nroad\ncar\n")
        for path in (tmp_path / "masks").iterdir():
            path.write_bytes(png(np.zeros(SIZE, np.uint8)))
    elif fault == "void":
        for path in (tmp_path / "masks").iterdir():
            path.write_bytes(png(np.full(SIZE, 255, np.uint8)))
        (tmp_path / "classes.txt").write_text("sky\nroad\n")
    elif fault == "layout":
        (tmp_path / "masks").rename(tmp_path / "labels")
    elif fault == "colours":
        for path in (tmp_path / "masks").iterdir():
            write_picture(path, picture(1, *SIZE))
    else:
        (tmp_path / "classes.txt").write_text(fault)


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        (
            "value",
            r"the label map masks/7\.png has the value 3, 77, which is neither a class nor void "
            r"\(classes\.txt: 0 to 2, void 255\)",
        ),
        ("map", r"1 picture has no label map of the same name \(\.png\) in masks/: images/7\.png"),
        ("size", r"the picture images/7\.png is 32x24 and its label map masks/7\.png 30x24"),
        ("sizes", r"the pictures differ in size \(images/7\.png is 30x30, the first 32x24\)"),
        ("one class", "no class but 0 .*; if 255 is a class, name the values in classes.txt"),
        ("one class in training", "all pixels for training are of one class"),
        ("void", "all pixels for train are void"),
        ("layout", "has neither train/ and trainannot/ nor images/ and masks/"),
        ("colours", "20 of 20 images are damaged|the label maps have no class but 0|not in colours"),
        ("sky\nsky", r"line 2: the class 'sky' is named twice"),
        ("3 sky\n3 road", "line 2: the value 3 has a name already"),
        ("300 sky\n3 road", "line 1: 300 is no value of a pixel"),
        ("sky\nvoid", "names 1 classes; 2 to 255"),
    ],
)
def test_faults_are_one_sentence(fault: str, sentence: str, tmp_path: Path, prepared: Callable) -> None:
    broken(tmp_path, fault)
    with pytest.raises(CrosstrainError, match=sentence):
        prepared(f"segmentation:{tmp_path}")


def test_damaged_pictures_and_maps_are_left_out(tmp_path: Path, prepared: Callable) -> None:
    write(tmp_path, "images", "masks", count=60)
    (tmp_path / "images" / "3.png").write_bytes(b"")
    (tmp_path / "masks" / "5.png").write_bytes(png(labels_of(5))[:-30])
    data = prepared(f"segmentation:{tmp_path}")
    assert sum(data.manifest["splits"].values()) == 58
    assert len(data.warnings) == 1
    for named in ("images/3.png", "masks/5.png", "2 of 60 images are damaged"):
        assert named in data.warnings[0]


def test_camvid_has_its_classes(real_data: Path, prepared: Callable) -> None:
    folder = real_data / "camvid"
    if not folder.exists():
        pytest.skip(f"{folder} is not there")
    data = prepared(f"segmentation:{folder}", size=(90, 120))
    assert data.manifest["splits"] == {"train": 62, "validation": 11, "test": 30}
    shares = np.array(data.manifest["pixel_counts"]["train"]) / 62 / 90 / 120
    # Of the whole pictures, counted apart.
    assert shares[[0, 3]] == pytest.approx(np.array([1760855, 3377384]) / (62 * 360 * 480), rel=0.01)
    assert not data.warnings
