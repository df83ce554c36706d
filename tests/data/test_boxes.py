"""Pictures with boxes: both formats, folders and archives, moved together, and what is said or refused."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crosstrain.data.prepared import Prepared
from crosstrain.detection.truths import present
from crosstrain.errors import CrosstrainError
from crosstrain.runs.feeder import Batches
from crosstrain.training.recipe import Recipe
from tests.data.making import picture, write_picture

Box = tuple[str, float, float, float, float]
"""Name, xmin, ymin, xmax, ymax as Pascal VOC writes them."""
Prepare = Callable[..., Prepared]
SIZE = (24, 32)
USUAL: list[Box] = [("cat", 1, 1, 16, 12), ("dog", 17, 9, 32, 24)]


def xml(boxes: list[Box], size: tuple[int, int] | None = SIZE) -> str:
    sized = f"<size><width>{size[1]}</width><height>{size[0]}</height></size>" if size else ""
    objects = "".join(
        f"<object><name>{n}</name><bndbox><xmin>{a}</xmin><ymin>{b}</ymin><xmax>{c}</xmax><ymax>{d}</ymax>"
        "</bndbox></object>"
        for n, a, b, c, d in boxes
    )
    return f"<annotation>{sized}{objects}</annotation>"


def voc(folder: Path, boxes: dict[int, list[Box]] | None = None, count: int = 30, lists: bool = True) -> Path:
    """``count`` pictures with the usual boxes, or those of ``boxes`` by number."""
    for number in range(count):
        write_picture(folder / "JPEGImages" / f"{number:02d}.png", picture(number, *SIZE))
        path = folder / "Annotations" / f"{number:02d}.xml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(xml((boxes or {}).get(number, USUAL)))
    if lists:
        main = folder / "ImageSets" / "Main"
        main.mkdir(parents=True)
        for name, numbers in (("train", range(20)), ("val", range(20, 25)), ("test", range(25, count))):
            (main / f"{name}.txt").write_text("".join(f"{n:02d}  1\n" for n in numbers))
    return folder


def coco(folder: Path, layout: str = "coco", count: int = 6, change: Callable[[dict], Any] = bool) -> Path:
    """Three files of ``count`` pictures each, in one of the layouts."""
    for start, split in enumerate(("train", "val", "test")):
        pictures, file = {
            "coco": (f"{split}2017", f"annotations/instances_{split}2017.json"),
            "beside": (split, f"{split}/_annotations.coco.json"),
        }[layout]
        names = [f"{100 * start + n}.png" for n in range(count)]
        for number, name in enumerate(names):
            write_picture(folder / pictures / name, picture(number, *SIZE))
        data = {
            "images": [
                {"id": n, "file_name": name, "height": 24, "width": 32} for n, name in enumerate(names)
            ],
            "categories": [{"id": 7, "name": "dog"}, {"id": 3, "name": "cat"}],
            "annotations": [
                each
                for n in range(count)
                for each in (
                    {"id": 2 * n, "image_id": n, "category_id": 3, "bbox": [0, 0, 16, 12], "iscrowd": 0},
                    {"id": 2 * n + 1, "image_id": n, "category_id": 7, "bbox": [16, 8, 16.0, 16]},
                )
            ],
        }
        change(data)
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_text(json.dumps(data))
    return folder


def boxes_of(data: Prepared, split: str = "train", row: int = 0) -> list[list[float]]:
    rows: list[list[float]] = present(data.arrays(split)[1][""][row]).tolist()
    return rows


def archived(folder: Path, kind: str) -> Path:
    path = folder.with_suffix(f".{kind}")
    if kind == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            for file in sorted(folder.rglob("*.*")):
                archive.write(file, file.relative_to(folder.parent))
        return path
    with tarfile.open(path, "w:gz" if kind == "tar.gz" else "w") as archive:
        archive.add(folder, folder.name)
    return path


EXPECTED = [[0, 0, 12, 16, 0], [8, 16, 24, 32, 1]]


def test_boxes_are_half_open_in_pixels(tmp_path: Path, prepared: Prepare) -> None:
    data = prepared(f"voc:{voc(tmp_path / 'v')}")
    assert data.manifest["task"] == "detection"
    assert data.manifest["classes"] == ["cat", "dog"]
    assert data.manifest["splits"] == {"train": 20, "validation": 5, "test": 5}
    assert data.manifest["targets"][""] == {
        "shape": [2, 5], "dtype": "float32", "classes": 2, "boxes": True
    }  # fmt: skip
    assert data.manifest["box_counts"]["train"] == [20, 20]
    assert boxes_of(data) == EXPECTED
    assert not data.warnings


@pytest.mark.parametrize("layout", ["coco", "beside"])
def test_coco_says_the_same(tmp_path: Path, prepared: Prepare, layout: str) -> None:
    data = prepared(f"coco:{coco(tmp_path / 'c', layout)}")
    assert data.manifest["classes"] == ["cat", "dog"]
    assert data.manifest["splits"] == {"train": 6, "validation": 6, "test": 6}
    assert boxes_of(data) == EXPECTED


@pytest.mark.parametrize("kind", ["tar", "tar.gz", "zip"])
def test_archives_are_read_where_they_lie(tmp_path: Path, prepared: Prepare, kind: str) -> None:
    folder = voc(tmp_path / "v")
    packed = prepared(f"voc:{archived(folder, kind)}")
    whole = prepared(f"voc:{folder}")
    for split in ("train", "test"):
        for a, b in zip(packed.arrays(split), whole.arrays(split), strict=True):
            assert np.array_equal(a[""], b[""])


def test_boxes_are_resized_with_their_pictures(tmp_path: Path, prepared: Prepare) -> None:
    data = prepared(f"voc:{voc(tmp_path / 'v')}", size=(48, 16))
    assert boxes_of(data) == [[0, 0, 24, 8, 0], [16, 8, 48, 16, 1]]


def test_what_cannot_be_learnt_from_is_told(tmp_path: Path, prepared: Prepare) -> None:
    folder = voc(
        tmp_path / "v",
        {
            0: [("cat", 5, 5, 5, 9), *USUAL],
            1: [("cat", 40, 5, 50, 9), *USUAL],
            2: [("cat", 30, 20, 40, 30), *USUAL],
            3: [],
            26: [("bird", 1, 1, 5, 5)],
        },
    )
    data = prepared(f"voc:{folder}")
    assert data.warnings[:3] == [
        "1 box without an area (JPEGImages/00.png): left out",
        "1 box outside the picture (JPEGImages/01.png): left out",
        "1 box reaching beyond the picture (JPEGImages/02.png): cut at its edge",
    ]
    assert "1 of 3 classes have no example for train: bird" in data.warnings
    assert [len(boxes_of(data, row=n)) for n in range(4)] == [2, 2, 3, 0]
    assert boxes_of(data, row=2)[0] == [19, 29, 24, 32, 1]


def test_damage_leaves_a_picture_out(tmp_path: Path, prepared: Prepare) -> None:
    folder = voc(tmp_path / "v", count=45)
    (folder / "Annotations" / "03.xml").write_text("<annotation><object>")
    (folder / "Annotations" / "04.xml").write_text(xml(USUAL, (99, 99)))
    data = prepared(f"voc:{folder}")
    assert data.manifest["splits"]["train"] == 18
    (warning,) = data.warnings
    assert "2 of 45 images are damaged" in warning
    assert "JPEGImages/03.png (its annotation Annotations/03.xml: " in warning
    assert "JPEGImages/04.png (it is 32x24, and its boxes are of 99x99 pixels)" in warning


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("<!DOCTYPE a [<!ENTITY b 'c'>]><annotation/>", "it declares entities"),
        (xml([("cat", 1, 1, float("nan"), 9)]), "bndbox/xmax is no number"),
        (xml([("", 1, 1, 9, 9)]), "an object has no name"),
        ("<annotation><object><name>cat</name></object></annotation>", "bndbox/ymin is no number"),
    ],
)
def test_strange_annotations_are_told(tmp_path: Path, prepared: Prepare, text: str, said: str) -> None:
    folder = voc(tmp_path / "v")
    (folder / "Annotations" / "03.xml").write_text(text)
    assert said in prepared(f"voc:{folder}").warnings[0]


def test_a_size_that_is_not_said_is_the_picture_s(tmp_path: Path, prepared: Prepare) -> None:
    folder = voc(tmp_path / "v")
    (folder / "Annotations" / "00.xml").write_text(xml(USUAL, None))
    assert boxes_of(prepared(f"voc:{folder}")) == EXPECTED


def test_parts_that_are_missing_are_held_out(tmp_path: Path, prepared: Prepare) -> None:
    data = prepared(f"voc:{voc(tmp_path / 'v', lists=False)}")
    assert sum(data.manifest["splits"].values()) == 30
    assert min(data.manifest["splits"].values()) >= 4
    folder = voc(tmp_path / "w")
    (folder / "ImageSets" / "Main" / "test.txt").unlink()
    assert "no pictures for test: 15% of train" in " ".join(prepared(f"voc:{folder}").warnings)


def test_lists_that_do_not_fit_are_told(tmp_path: Path, prepared: Prepare) -> None:
    folder = voc(tmp_path / "v")
    (folder / "ImageSets" / "Main" / "test.txt").write_text("25\n26\n01\n77\n")
    first, second = prepared(f"voc:{folder}").warnings
    assert "1 names in ImageSets/Main/test.txt without picture or annotation (77)" in first
    assert "1 pictures of test are also for train (01)" in second


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda d: d.pop("categories"), "it needs the lists images, annotations, categories"),
        (lambda d: d["annotations"][0].update(bbox=[1, 2, 3]), "'bbox' is x, y, width and height"),
        (lambda d: d["annotations"][0].update(category_id=5), "is of a category 5 that is not listed"),
        (lambda d: d["annotations"][0].update(image_id=55), "is of a picture 55 that is not listed"),
        (lambda d: d["annotations"][0].pop("image_id"), "an entry has no 'image_id'"),
        (lambda d: d["categories"].append({"id": 9, "name": "cat"}), "two categories have one name"),
        (lambda d: d.update(annotations=[]), "has no box that can be learnt from"),
    ],
)
def test_wrong_files_of_instances_are_refused(
    tmp_path: Path, prepared: Prepare, change: Callable[[dict], Any], said: str
) -> None:
    with pytest.raises(CrosstrainError, match=said):
        prepared(f"coco:{coco(tmp_path / 'c', change=change)}")


def test_groups_are_left_out_and_told(tmp_path: Path, prepared: Prepare) -> None:
    data = prepared(f"coco:{coco(tmp_path / 'c', change=lambda d: d['annotations'][0].update(iscrowd=1))}")
    assert data.warnings == ["3 boxes around groups of objects (iscrowd): left out"]
    assert boxes_of(data) == EXPECTED[1:]


@pytest.mark.parametrize(
    ("name", "kind", "said"),
    [
        ("../out.xml", tarfile.REGTYPE, "leaves its folder"),
        ("/etc/out.xml", tarfile.REGTYPE, "leaves its folder"),
        ("v/link.xml", tarfile.SYMTYPE, "is a link or no file"),
        ("v/pipe.xml", tarfile.FIFOTYPE, "is a link or no file"),
    ],
)
def test_a_tar_that_is_not_safe_is_refused(
    tmp_path: Path, prepared: Prepare, name: str, kind: bytes, said: str
) -> None:
    path = tmp_path / "bad.tar"
    with tarfile.open(path, "w") as archive:
        member = tarfile.TarInfo(name)
        member.type, member.linkname = kind, "/etc/passwd" if kind == tarfile.SYMTYPE else ""
        archive.addfile(member, io.BytesIO())
    with pytest.raises(CrosstrainError, match=said):
        prepared(f"voc:{path}")


@pytest.mark.parametrize("content", [b"", b"no tar", b"\0" * 2000])
def test_what_is_no_tree_is_refused(tmp_path: Path, prepared: Prepare, content: bytes) -> None:
    path = tmp_path / "bad.tar"
    path.write_bytes(content)
    with pytest.raises(CrosstrainError, match=r"is not a whole tar file|has no Annotations"):
        prepared(f"voc:{path}")
    with pytest.raises(CrosstrainError, match=r"is not a whole tar file|has no JSON file"):
        prepared(f"coco:{path}")


def patches(folder: Path) -> Path:
    """Pictures with one bright patch each, which selective search finds."""
    voc(folder, {n: [("cat", 9, 5, 20, 14)] for n in range(30)})
    for number in range(30):
        pixels = np.zeros((*SIZE, 3), np.uint8)
        pixels[4:14, 8:20] = 255
        write_picture(folder / "JPEGImages" / f"{number:02d}.png", pixels)
    return folder


def test_boxes_move_with_their_pictures(tmp_path: Path, prepared: Prepare) -> None:
    """A bright patch is found where its box says, however the picture was moved."""
    folder = patches(tmp_path / "v")
    moving = {"flip": True, "flip-vertical": True, "shift": 3, "zoom": 0.2}
    data = prepared(f"voc:{folder}", augmentation=moving)
    batches = list(Batches(data.folder, Recipe(batch_size=10, augmentation=moving)).epoch(0))
    places = set()
    for batch in batches:
        for pixels, rows in zip(batch["input/"], batch["target/"], strict=True):
            (box,) = present(rows)
            y, x = np.nonzero(pixels[..., 0] > 0.5)
            bright = [y.min(), x.min(), y.max() + 1, x.max() + 1]
            assert box[:4] == pytest.approx(bright, abs=1.01)
            places.add(tuple(box[:4].tolist()))
    assert len(places) > 10


def test_a_crop_cuts_boxes_in_evaluation_too(tmp_path: Path, prepared: Prepare) -> None:
    data = prepared(f"voc:{voc(tmp_path / 'v')}", augmentation={"crop": 16})
    # The centre: rows 4 to 20, columns 8 to 24.
    assert boxes_of(data, "test") == [[0, 0, 8, 8, 0], [4, 8, 16, 16, 1]]
    assert data.arrays("test")[0][""].shape[1:3] == (16, 16)


def test_boxes_are_not_mixed(tmp_path: Path, prepared: Prepare) -> None:
    with pytest.raises(CrosstrainError, match="mixup mixes classes and numbers"):
        prepared(f"voc:{voc(tmp_path / 'v')}", augmentation={"mixup": 0.2})


def test_proposals_are_a_second_input(tmp_path: Path, prepared: Prepare) -> None:
    data = prepared(f"voc:{patches(tmp_path / 'v')}:proposals=8")
    inputs, _ = data.arrays("train")
    assert {name: array.shape for name, array in inputs.items()} == {
        "picture": (20, *SIZE, 3),
        "proposals": (20, 8, 4),
    }
    assert list(data.pictures()) == ["picture"]
    pixels = inputs["proposals"] * np.asarray([*SIZE, *SIZE])
    assert np.isclose(pixels, [4, 8, 14, 20], atol=1.01).all(axis=2).any(axis=1).all()
    assert not inputs["proposals"][:, -1].any()  # there are fewer, and zeros fill up
    plain = prepared(f"voc:{tmp_path / 'v'}")
    assert np.array_equal(inputs["picture"], plain.arrays("train")[0][""])


def test_proposals_move_with_their_pictures(tmp_path: Path, prepared: Prepare) -> None:
    moving = {"flip": True, "flip-vertical": True, "shift": 3}
    data = prepared(f"voc:{patches(tmp_path / 'v')}:proposals=8", augmentation=moving)
    batches = Batches(data.folder, Recipe(batch_size=10, augmentation=moving)).epoch(0)
    for batch in batches:
        for regions, rows in zip(batch["input/proposals"], batch["target/"], strict=True):
            (box,) = present(rows)
            pixels = regions * np.asarray([*SIZE, *SIZE])
            assert np.isclose(pixels, box[:4], atol=1.01).all(axis=1).any()


def test_proposals_are_not_cropped(tmp_path: Path, prepared: Prepare) -> None:
    with pytest.raises(CrosstrainError, match="crop would cut the pictures away from the proposals"):
        prepared(f"voc:{voc(tmp_path / 'v')}:proposals=8", augmentation={"crop": 16})


def test_blood_cells(prepared: Prepare, real_data: Path) -> None:
    data = prepared(f"voc:{real_data / 'bccd' / 'bccd_voc.tar'}", size=24)
    assert data.manifest["classes"] == ["Platelets", "RBC", "WBC"]
    assert data.manifest["splits"] == {"train": 205, "validation": 87, "test": 72}
    totals = np.sum([data.manifest["box_counts"][split] for split in data.manifest["splits"]], axis=0)
    assert totals.tolist() == [361, 4153, 372]
    assert "2 boxes without an area" in data.warnings[0]
