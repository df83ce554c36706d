"""GTSRB: tables matched with pictures, regions, tracks, and everything that can be missing or damaged."""

from __future__ import annotations

import stat
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from crosstrain.data.images import decoding as images
from crosstrain.errors import CrosstrainError
from tests.data.making import HEAD, picture, sign_tree, write_picture

FIRST = Path("Final_Training/Images/00000")


def packed(tree: Path, to: Path, prefix: str = "") -> Path:
    with zipfile.ZipFile(to, "w") as archive:
        for path in sorted(tree.rglob("*.*")):
            archive.write(path, prefix + path.relative_to(tree).as_posix())
    return to


def expected(seed: int, size: tuple[int, int] = (16, 16)) -> np.ndarray:
    return images.resize(picture(seed)[6:18, 5:15], size).astype(np.float32) / 255


def test_the_official_tree(tmp_path: Path, prepared: Callable) -> None:
    tree = sign_tree(tmp_path / "GTSRB", classes=(0, 7), test=(7, 0, 0))
    data = prepared(f"gtsrb:{tree}", size=16)
    assert data.manifest["splits"] == {"train": 30, "validation": 10, "test": 3}
    assert len(data.manifest["classes"]) == 43
    inputs, targets = data.arrays("test")
    assert targets[""].tolist() == [7, 0, 0]
    for number in range(3):
        assert np.array_equal(inputs[""][number], expected(1000 + number))
    assert data.manifest["class_counts"]["train"][7] == 15
    assert data.warnings[0].startswith("41 of 43 classes have no example for train: speed limit 30,")


def test_tracks_never_cross(tmp_path: Path, prepared: Callable) -> None:
    tree = sign_tree(tmp_path / "t", tracks=6, frames=4)
    data = prepared(f"gtsrb:{tree}", size=16)
    where = {expected(seed).tobytes(): seed // 4 for seed in range(48)}
    tracks = [
        {where[np.ascontiguousarray(example).tobytes()] for example in data.arrays(split)[0][""]}
        for split in ("train", "validation", "test")
    ]
    assert sum(map(len, tracks)) == len(set.union(*tracks)) == 12
    assert any("no test set: whole tracks were held out" in sentence for sentence in data.warnings)


@pytest.mark.parametrize("prefix", ["", "GTSRB/"])
def test_a_zip_gives_what_its_tree_gives(tmp_path: Path, prepared: Callable, prefix: str) -> None:
    tree = sign_tree(tmp_path / "t", suffix=".png", test=(0, 1))
    from_zip = prepared(f"gtsrb:{packed(tree, tmp_path / 'signs.zip', prefix)}", size=(12, 20), channels=1)
    from_tree = prepared(f"gtsrb:{tree}", size=(12, 20), channels=1)
    assert from_zip.manifest["inputs"][""]["shape"] == [12, 20, 1]
    for split in ("train", "validation", "test"):
        for one, other in zip(from_zip.arrays(split), from_tree.arrays(split), strict=True):
            assert np.array_equal(one[""], other[""])


def test_a_test_table_apart_from_its_pictures(tmp_path: Path, prepared: Callable) -> None:
    tree = sign_tree(tmp_path / "t", test=(0, 1))
    (tree / "Final_Test/Images/GT-final_test.csv").rename(tree / "GT-final_test.csv")
    assert prepared(f"gtsrb:{tree}", size=16).manifest["splits"]["test"] == 2


def test_a_subset_s_table_decides(tmp_path: Path, prepared: Callable) -> None:
    tree = sign_tree(tmp_path / "t", suffix=".png")
    rows = [
        f"{FIRST.parent}/{label:05d}/{track:05d}_00000.png;20;24;5;6;15;18;{label};{split}"
        for label in (0, 1)
        for track, split in enumerate(["train"] * 3 + ["test"])
    ]
    (tree / "subset.csv").write_text("\n".join([f"{HEAD};Split", *rows]))
    with (tree / FIRST / "GT-00000.csv").open("a") as table:
        table.write("".join(f"00009_{i:05d}.ppm;20;24;5;6;15;18;0\r\n" for i in range(7)))
    data = prepared(f"gtsrb:{tree}", size=16)
    assert data.manifest["splits"] == {"train": 4, "validation": 2, "test": 2}
    assert any(
        w.startswith("7 of 8 rows of the tables name pictures that are not here") for w in data.warnings
    )
    assert any(w.startswith("32 of 40 pictures are in no table") for w in data.warnings)


def test_damaged_missing_and_unlisted_pictures_are_counted(tmp_path: Path, prepared: Callable) -> None:
    tree = sign_tree(tmp_path / "t", tracks=4, frames=10, test=(0, 1))
    (tree / FIRST / "00000_00003.ppm").unlink()
    damaged = tree / FIRST / "00002_00004.ppm"
    damaged.write_bytes(damaged.read_bytes()[:100])
    (tree / FIRST / "00002_00005.ppm").write_bytes(b"")
    write_picture(tree / FIRST / "00077_00000.ppm", picture(1))
    data = prepared(f"gtsrb:{tree}", size=16)
    text = "\n".join(data.warnings)
    assert "1 of 82 rows of the tables name pictures that are not here: " in text
    assert "00000_00003; left out" in text
    assert "2 of 81 images are damaged: " in text
    assert "00002_00005.ppm (it is empty)" in text
    assert "1 of 82 pictures are in no table" in text
    assert sum(data.manifest["splits"].values()) == 79
    assert all(len(data.arrays(s)[0][""]) == n for s, n in data.manifest["splits"].items())


def test_the_sound_pictures_stay_in_order(tmp_path: Path, prepared: Callable) -> None:
    tree = sign_tree(tmp_path / "t", tracks=6, frames=10, test=tuple([0, 1] * 10))
    (tree / "Final_Test/Images/00004.ppm").write_bytes(b"nothing")
    inputs, targets = prepared(f"gtsrb:{tree}", size=16).arrays("test")
    sound = [number for number in range(20) if number != 4]
    assert targets[""].tolist() == [number % 2 for number in sound]
    assert np.array_equal(inputs[""], np.stack([expected(1000 + number) for number in sound]))


def test_too_many_damaged_pictures_are_refused(tmp_path: Path, prepared: Callable, cache: Path) -> None:
    tree = sign_tree(tmp_path / "t")
    for frame in range(3):
        (tree / FIRST / f"00000_{frame:05d}.ppm").write_bytes(b"nothing")
    with pytest.raises(
        CrosstrainError, match=r"3 of 40 images are damaged: .*00000_00000\.ppm .*more than 5%"
    ):
        prepared(f"gtsrb:{tree}", size=16)
    assert not [path for path in (cache / "data").iterdir() if path.is_dir()]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("00000_00000.ppm;20;24;5;6;15;18;43", "class 43 is outside 0..42"),
        ("00000_00000.ppm;20;24;5;6;15;18;-1", "class -1 is outside 0..42"),
        ("00000_00000.ppm;20;24;5;six;15;18;0", "not all its fields are numbers"),
        ("00000_00000.ppm;20;24", "not all its fields are numbers"),
        ("00000_00000.ppm;20;24;5;6;15;18;0\r\n00000_00000.ppm;20;24;5;6;15;18;0", "name a picture again"),
        ("00000_00000.ppm;20;24;5;6;25;18;0", "does not lie within its 20x24 pixels"),
    ],
)
def test_a_bad_row_is_left_out_and_reported(
    tmp_path: Path, prepared: Callable, row: str, reason: str
) -> None:
    tree = sign_tree(tmp_path / "t", test=(0, 1))
    table = tree / FIRST / "GT-00000.csv"
    table.write_text(table.read_text().replace("00000_00000.ppm;20;24;5;6;15;18;0", row))
    assert any(reason in sentence for sentence in prepared(f"gtsrb:{tree}", size=16).warnings)


def test_many_bad_rows_are_refused(tmp_path: Path, prepared: Callable) -> None:
    tree = sign_tree(tmp_path / "t")
    table = tree / FIRST / "GT-00000.csv"
    table.write_text(table.read_text().replace(";18;0", ";18;99"))
    with pytest.raises(CrosstrainError, match="20 of 40 rows of the tables cannot be used, more than 5%"):
        prepared(f"gtsrb:{tree}", size=16)


def test_trees_that_are_none(tmp_path: Path, prepared: Callable) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(CrosstrainError, match=r"no GT-000CC\.csv and no subset\.csv"):
        prepared(f"gtsrb:{tmp_path / 'empty'}", size=16)
    tree = sign_tree(tmp_path / "t")
    for path in tree.rglob("*.ppm"):
        path.unlink()
    with pytest.raises(CrosstrainError, match="not one picture"):
        prepared(f"gtsrb:{tree}", size=16)
    write_picture(tree / "other.ppm", picture(1))
    with pytest.raises(CrosstrainError, match="none of the pictures that the tables list for training"):
        prepared(f"gtsrb:{tree}", size=16)
    (tree / FIRST / "GT-00000.csv").write_text("Filename,Width\n")
    with pytest.raises(CrosstrainError, match="lacks the column Filename"):
        prepared(f"gtsrb:{tree}", size=16)


def test_a_size_is_needed(tmp_path: Path, prepared: Callable) -> None:
    with pytest.raises(CrosstrainError, match="give one size for all"):
        prepared(f"gtsrb:{sign_tree(tmp_path / 't')}")


@pytest.mark.parametrize(
    "name", ["../evil.png", "/etc/evil.png", "a/../../evil.png", "..\\evil.png", "C:\\evil.png"]
)
def test_a_zip_that_leaves_its_folder_is_refused(tmp_path: Path, prepared: Callable, name: str) -> None:
    with zipfile.ZipFile(tmp_path / "evil.zip", "w") as archive:
        archive.writestr(name, b"x")
    before = sorted(tmp_path.parent.rglob("evil.png"))
    with pytest.raises(CrosstrainError, match="leaves its folder"):
        prepared(f"gtsrb:{tmp_path / 'evil.zip'}", size=16)
    assert sorted(tmp_path.parent.rglob("evil.png")) == before


def test_a_zip_with_a_link_is_refused(tmp_path: Path, prepared: Callable) -> None:
    link = zipfile.ZipInfo("Final_Training/Images/00000/00000_00000.png")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "link.zip", "w") as archive:
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(CrosstrainError, match="a member that is a link"):
        prepared(f"gtsrb:{tmp_path / 'link.zip'}", size=16)


def test_a_truncated_zip_is_refused(tmp_path: Path, prepared: Callable) -> None:
    archive = packed(sign_tree(tmp_path / "t"), tmp_path / "signs.zip")
    archive.write_bytes(archive.read_bytes()[:-200])
    with pytest.raises(CrosstrainError, match="not a whole zip file"):
        prepared(f"gtsrb:{archive}", size=16)


def test_a_damaged_member_is_a_damaged_picture(tmp_path: Path, prepared: Callable) -> None:
    archive = packed(sign_tree(tmp_path / "t"), tmp_path / "signs.zip")
    with zipfile.ZipFile(archive) as opened:
        info = opened.getinfo(f"{FIRST}/00001_00001.ppm")
    data = bytearray(archive.read_bytes())
    data[info.header_offset + 200] ^= 0xFF
    archive.write_bytes(data)
    text = "\n".join(prepared(f"gtsrb:{archive}", size=16).warnings)
    assert "00001_00001.ppm (the zip is damaged there); left out" in text


def test_frames_in_one_archive(tmp_path: Path, prepared: Callable) -> None:
    frames = np.stack([picture(seed, 32, 32) for seed in range(24)])
    arrays = {
        "x_train": frames[:20],
        "y_train": np.repeat([3, 4], 10),
        "track_train": np.tile(np.repeat([0, 1], 5), 2),
        "wh_train": np.full((20, 2), [64, 32]),
        "roi_train": np.full((20, 4), [12, 6, 52, 26]),
        "x_test": frames[20:],
        "y_test": np.array([3, 4, 3, 4]),
        "wh_test": np.full((4, 2), [64, 32]),
        "roi_test": np.full((4, 4), [12, 6, 52, 26]),
    }
    np.savez(tmp_path / "signs.npz", **arrays)
    data = prepared(f"gtsrb:{tmp_path / 'signs.npz'}", size=20)
    assert data.manifest["splits"] == {"train": 10, "validation": 10, "test": 4}
    assert np.array_equal(data.arrays("test")[0][""][1], frames[21][6:26, 6:26].astype(np.float32) / 255)
    np.savez(tmp_path / "bad.npz", **{**arrays, "y_test": np.array([3, 4, 3, 77])})
    with pytest.raises(CrosstrainError, match=r"1 labels in y_test are outside 0\.\.42"):
        prepared(f"gtsrb:{tmp_path / 'bad.npz'}", size=20)
    np.savez(tmp_path / "short.npz", **{**arrays, "roi_test": np.zeros((3, 4), int)})
    with pytest.raises(CrosstrainError, match=r"roi_test must be integer \(4, 4\)"):
        prepared(f"gtsrb:{tmp_path / 'short.npz'}", size=20)
