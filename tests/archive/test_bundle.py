"""A bundle: everything is in it, others can check it, and nothing in it can do harm."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import crosstrain
from crosstrain.archive.opening import open_bundle
from crosstrain.archive.packing import MANIFEST, SUMS, bundle
from crosstrain.errors import CrosstrainError

Change = Callable[[dict[str, bytes]], None]


def content(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def write(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def with_sums(files: dict[str, bytes]) -> dict[str, bytes]:
    """What someone writes who can compute hashes."""
    rest = {name: data for name, data in files.items() if name != SUMS}
    lines = "".join(f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in rest.items())
    return {**rest, SUMS: lines.encode()}


def test_it_has_what_a_reader_needs(folder: Path, packed: Path) -> None:
    files = content(packed)
    result = json.loads((folder / "result.json").read_text())
    for name in ("plan.json", "result.json", "wall.json", "networks/mlp-8-s0/definition.json"):
        assert files[f"run/{name}"] == (folder / name).read_bytes()
    for cell in result["cells"]:
        assert files[f"run/cells/{cell['id']}.json"]
        assert files[f"run/cells/{cell['id']}.npz"]
    assert any(name.startswith("run/certificates/") for name in files)
    assert not any(name.endswith((".lock", ".tmp", "progress.json")) or "/work/" in name for name in files)
    manifest = json.loads(files[MANIFEST])
    assert manifest["data"] == {"spec": "digits", "hash": result["data"]["hash"]}
    assert manifest["command"].startswith("crosstrain compare mlp --data digits --engines torch,jax")
    assert manifest["engines"]["torch"]["version"] == "1.0"
    assert manifest["command"] in files["README.md"].decode()
    numpy_pin = f"numpy=={np.__version__}"
    assert numpy_pin in files["environments/torch.txt"].decode().splitlines()


def test_standard_tools_check_it(packed: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(packed) as archive:
        archive.extractall(tmp_path / "apart")
    done = subprocess.run(
        ["sha256sum", "--check", "--strict", SUMS],
        cwd=tmp_path / "apart", capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count(": OK") == len(content(packed)) - 1


def test_the_same_folder_has_the_same_bytes(folder: Path, packed: Path, tmp_path: Path) -> None:
    for file in folder.rglob("*"):
        os.utime(file, (1, 1))
    again = bundle(folder, tmp_path / "again.zip")
    assert (tmp_path / "again.zip").read_bytes() == packed.read_bytes()
    assert again.sha256 == hashlib.sha256(packed.read_bytes()).hexdigest() == open_bundle(packed).sha256
    assert again.files == len(content(packed)) - 1


def test_without_weights_initial_ones_and_predictions_stay(folder: Path, tmp_path: Path) -> None:
    (folder / "cells" / "mlp-8-torch-s0-r0.test.npz").write_bytes(b"predictions")
    small = bundle(folder, tmp_path / "small.zip", weights=False)
    names = [name for name in content(small.path) if name.endswith(".npz")]
    assert "run/cells/mlp-8-torch-s0-r0.test.npz" in names
    assert not [n for n in names if n.startswith("run/cells/") and not n.endswith(".test.npz")]
    assert [n for n in names if n.startswith("run/networks/")]
    assert "Trained weights were left out." in content(small.path)["README.md"].decode()


def test_a_bundle_in_the_folder_is_not_packed_into_itself(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    first = bundle(folder)
    assert first.path == Path("digits-run.zip")
    assert bundle(folder).sha256 == first.sha256


def test_an_engine_that_changed_since_has_no_packages(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from crosstrain.engines.registry import EngineRow

    monkeypatch.setattr(EngineRow, "version", property(lambda row: "2.0"))
    files = content(bundle(folder, tmp_path / "later.zip").path)
    assert "environments/torch.txt" not in files
    assert json.loads(files[MANIFEST])["engines"]["torch"] == {"version": "1.0", "packages": False}
    assert "Those of torch, jax are not known" in files["README.md"].decode()


@pytest.mark.parametrize(
    ("plant", "sentence"),
    [
        (lambda f: (f / "result.json").unlink(), "holds no comparison"),
        (lambda f: (f / "result.json").write_text("{"), "is damaged"),
        (lambda f: (f / "plan.json").write_text('{"kind": "training"}'), "holds a training"),
        (
            lambda f: (f / "result.json").write_text(
                json.dumps({**json.loads((f / "result.json").read_text()), "running": True})
            ),
            "is not finished; run its command again",
        ),
        (lambda f: (f / "there").symlink_to("/etc/passwd"), "there is a link"),
    ],
)
def test_folders_that_cannot_be_packed(
    folder: Path, tmp_path: Path, plant: Callable[[Path], Any], sentence: str
) -> None:
    plant(folder)
    with pytest.raises(CrosstrainError, match=sentence):
        crosstrain.bundle(folder, out=tmp_path / "out.zip")
    assert not (tmp_path / "out.zip").exists()


def test_a_file_that_cannot_be_written(folder: Path, tmp_path: Path) -> None:
    for out in (tmp_path, tmp_path / "nowhere" / "run.zip"):
        with pytest.raises(CrosstrainError, match="name a file in an existing folder"):
            bundle(folder, out)


# -- bundles of strangers ---------------------------------------------------------------------------
CELL = "run/cells/mlp-8-torch-s0-r0.json"


def changed(**files: bytes) -> Change:
    return lambda there: there.update({name.replace("__", "/"): data for name, data in files.items()})


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda files: files.update({CELL: b"{}"}), f"was altered: {CELL} is not what was packed"),
        (lambda files: files.pop(CELL), f"was altered: it lacks {CELL}"),
        (changed(**{"run__more.json": b"{}"}), "was altered: it has besides run/more.json"),
        (changed(**{"README.md": b"trust me"}), "was altered: README.md is not"),
        (changed(SHA256SUMS=b"nonsense\n"), "SHA256SUMS is not a list of hashes"),
        (changed(SHA256SUMS=b"\xff\xfe"), "SHA256SUMS is not text"),
        (lambda files: files.pop(SUMS), "no bundle: it has no SHA256SUMS"),
        (lambda files: files.pop(MANIFEST), "no bundle: it has no bundle.json"),
        (lambda files: [files.update({n: b"x"}) for n in files if "/cells/" in n], " and 5 more are not"),
    ],
)  # fmt: skip
def test_what_was_altered_is_named(packed: Path, tmp_path: Path, change: Change, sentence: str) -> None:
    files = content(packed)
    change(files)
    path = write(tmp_path / "altered.zip", files)
    with pytest.raises(CrosstrainError, match=sentence):
        crosstrain.verify(path, retrain=False, progress=False)


@pytest.mark.parametrize(
    "name",
    [
        "../evil",
        "/etc/evil",
        "run/../../evil",
        "C:/evil",
        "run\\..\\evil",
        "run//evil",
        "run/./evil",
        "run/a\nb",
    ],
)
def test_no_path_leads_out(packed: Path, tmp_path: Path, name: str) -> None:
    path = write(tmp_path / "evil.zip", with_sums({**content(packed), name: b"evil"}))
    with pytest.raises(CrosstrainError, match="may lie outside it"):
        open_bundle(path)


def test_links_and_doubles_are_refused(packed: Path, tmp_path: Path) -> None:
    link = zipfile.ZipInfo("run/link")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    files = with_sums({**content(packed), "run/link": b"/etc/passwd"})
    path = write(tmp_path / "link.zip", {n: d for n, d in files.items() if n != "run/link"})
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(link, b"/etc/passwd")
    with pytest.raises(CrosstrainError, match="run/link is a link or a device"):
        open_bundle(path)
    path = write(tmp_path / "both.zip", with_sums({**content(packed), f"{CELL}/inner": b""}))
    with pytest.raises(CrosstrainError, match="is a file and a folder in it"):
        open_bundle(path)
    path = write(tmp_path / "twice.zip", content(packed))
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr(CELL, b"another")
    with pytest.raises(CrosstrainError, match=f"it has {CELL} more than once"):
        open_bundle(path)


def test_what_is_no_bundle_is_one_sentence(packed: Path, tmp_path: Path) -> None:
    with pytest.raises(CrosstrainError, match="there is no file"):
        open_bundle(tmp_path / "nothing.zip")
    (tmp_path / "text.zip").write_text("no zip")
    with pytest.raises(CrosstrainError, match="not a zip archive"):
        open_bundle(tmp_path / "text.zip")
    manifest = json.loads(content(packed)[MANIFEST])
    for value in (json.dumps({**manifest, "format": 99}), "[]"):
        newer = write(tmp_path / "newer.zip", with_sums({**content(packed), MANIFEST: value.encode()}))
        with pytest.raises(CrosstrainError, match="this version of crosstrain reads 1"):
            open_bundle(newer)


def test_a_cited_hash_is_held(packed: Path) -> None:
    own = hashlib.sha256(packed.read_bytes()).hexdigest()
    assert crosstrain.verify(packed, sha256=own.upper(), retrain=False, progress=False).ok
    with pytest.raises(CrosstrainError, match=f"its SHA-256 is {own}, not 1234"):
        crosstrain.verify(packed, sha256="1234", retrain=False, progress=False)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_torn_byte_passes(packed: Path, data: st.DataObject) -> None:
    """One byte of the file is changed, or its end is missing: it is refused in a sentence, or nothing that is
    read has changed (the zip's own padding and dates)."""
    whole, path = packed.read_bytes(), packed.with_name("torn.zip")
    at = data.draw(st.integers(0, len(whole) - 1))
    torn = (
        whole[:at] if data.draw(st.booleans()) else whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :]
    )
    path.write_bytes(torn)
    try:
        found = open_bundle(path)
        found.check()
    except CrosstrainError:
        return
    assert found.sums == open_bundle(packed).sums


def test_extracting_writes_only_what_was_packed(packed: Path, tmp_path: Path) -> None:
    open_bundle(packed).extract("run", tmp_path / "out")
    files = content(packed)
    for name, data in files.items():
        if name.startswith("run/"):
            assert (tmp_path / "out" / name.removeprefix("run/")).read_bytes() == data
    torn = write(tmp_path / "torn.zip", {**files, CELL: b"{}"})
    with pytest.raises(CrosstrainError, match=f"{CELL} is not what was packed"):
        open_bundle(torn).extract("run", tmp_path / "other")
    assert not (tmp_path / "other" / CELL.removeprefix("run/")).exists()
