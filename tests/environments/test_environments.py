"""Environments made with the real venv and pip, of distributions that are tiny and at hand."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import psutil
import pytest

import crosstrain
from crosstrain.api.doctor import examine
from crosstrain.engines import registry
from crosstrain.engines.registry import EngineRow
from crosstrain.environments import environments
from crosstrain.environments.environments import MANIFEST, find, folder_of, isolated, own_environment, ready
from crosstrain.environments.installing import install, interpreter, log_of, remove, sweep
from crosstrain.environments.pip import explained
from crosstrain.errors import CrosstrainError, StorageError
from crosstrain.runs.descriptions import describe, forget
from crosstrain.system.locks import locked
from tests.engines import fake_framework as fake

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two versions of the framework, for two engines, and NumPy."""
    folder = tmp_path_factory.mktemp("wheels")
    fake.framework(folder, "1.0")
    fake.framework(folder, "2.0", "newframe")
    fake.numpy_by_link(folder)
    return folder


@pytest.fixture(scope="module", autouse=True)
def offline(wheels: Path) -> Iterator[None]:
    """pip finds these wheels and nothing else; environments go to a folder of the module."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("PIP_")]:
            patch.delenv(name)
        patch.setenv("PIP_CONFIG_FILE", os.devnull)
        patch.setenv("PIP_NO_INDEX", "1")
        patch.setenv("PIP_FIND_LINKS", str(wheels))
        patch.setenv("CROSSTRAIN_CACHE", str(wheels.parent / "environments-of-tests"))
        yield


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the test's own; the folder of environments in it."""
    monkeypatch.setenv("CROSSTRAIN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "environments"


def requirements(folder: Path, text: str) -> Path:
    path = folder / "requirements.txt"
    path.write_text(text)
    return path


@pytest.fixture(scope="module")
def rows(wheels: Path) -> dict[str, EngineRow]:
    """Two engines that need two versions of the same framework."""
    result = {}
    for name, version in ((fake.NAME, "1.0"), ("newframe", "2.0")):
        (wheels / name).mkdir()
        result[name] = fake.row(requirements(wheels / name, f"borrowed==1.0\nfakeframe=={version}\n"), name)
    return result


@pytest.fixture
def known(rows: dict[str, EngineRow], monkeypatch: pytest.MonkeyPatch) -> None:
    """The two engines stand among those that there are."""

    class Point(EntryPoint):
        def load(self) -> EngineRow:
            return rows[self.name]

    points = [Point(name, "unused", registry.GROUP) for name in rows]
    monkeypatch.setattr(registry, "entry_points", lambda group: points)


@pytest.fixture(scope="module")
def installed(offline: None, rows: dict[str, EngineRow]) -> dict[str, EngineRow]:
    """Both engines, with their environments."""
    for row in rows.values():
        assert install(row).fresh
    return rows


def contents(folder: Path) -> list[str]:
    """What lies among the environments, without locks."""
    return sorted(p.name for p in folder.iterdir() if p.suffix != ".lock") if folder.exists() else []


# -- what is made -------------------------------------------------------------------------------
def test_an_environment_is_made_once_and_says_what_it_is(installed: dict[str, EngineRow]) -> None:
    row = installed[fake.NAME]
    here = find(row)
    assert here is not None
    assert here.folder == folder_of(row)
    assert (here.version, here.own) == ("1.0", False)
    assert here.manifest["requirements"] == ["borrowed==1.0", "fakeframe==1.0"]
    assert here.manifest["python_version"].startswith(f"3.{sys.version_info.minor}.")
    assert here.manifest["seconds"] > 0
    assert here.manifest["bytes"] > 10**6
    assert not log_of(here.folder).exists()
    messages: list[str] = []
    again = install(row, messages.append)
    assert (again.fresh, again.environment, messages) == (False, here, [])


@pytest.mark.usefixtures("known")
def test_two_engines_do_not_disturb_each_other(installed: dict[str, EngineRow]) -> None:
    descriptions = {
        name: describe(row, environments.find(row) or pytest.fail(name)) for name, row in installed.items()
    }
    states = {name: (each["status"], each["error"]) for name, each in descriptions.items()}
    assert states == {fake.NAME: ("ready", None), "newframe": ("ready", None)}
    assert [descriptions[name]["version"] for name in (fake.NAME, "newframe")] == ["1.0", "2.0"]
    assert {*installed} <= {*ready()}
    assert not {*installed} & {*ready(training=True)}


@pytest.mark.usefixtures("known")
def test_descriptions_are_remembered(
    installed: dict[str, EngineRow], monkeypatch: pytest.MonkeyPatch
) -> None:
    row = installed[fake.NAME]
    here = find(row)
    assert here is not None
    forget(row)
    first = describe(row, here)
    calls: list[Any] = []
    original = environments.python_of
    monkeypatch.setattr(
        "crosstrain.runs.process.python_of", lambda name: calls.append(name) or original(name)
    )
    assert describe(row, here) == first
    assert calls == []
    assert describe(row, here, anew=True) == first
    assert calls == [fake.NAME]


def test_another_list_is_another_environment(tmp_path: Path, rows: dict[str, EngineRow]) -> None:
    other = fake.row(requirements(tmp_path, "borrowed==1.0\nfakeframe==2.0\n"))
    assert folder_of(other) != folder_of(rows[fake.NAME])
    assert folder_of(other, 11) != folder_of(other, 12)


# -- several processes --------------------------------------------------------------------------
def begin(path: Path, sources: str = "") -> subprocess.Popen[str]:
    """An installation in a process of its own."""
    command = [sys.executable, "-m", "tests.engines.fake_framework", str(path), sources]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_two_processes_at_once_make_one_environment(empty_cache: Path, tmp_path: Path) -> None:
    path = requirements(tmp_path, "borrowed==1.0\nfakeframe==1.0\n")
    ended = [(p.communicate(timeout=120), p.returncode) for p in [begin(path), begin(path)]]
    assert [code for _, code in ended] == [0, 0], ended
    printed = [out.splitlines() for (out, _), _ in ended]
    reports = [json.loads(lines[-1]) for lines in printed]
    assert sorted(each["fresh"] for each in reports) == [False, True]
    assert reports[0]["python"] == reports[1]["python"]
    waited = next(lines for lines, each in zip(printed, reports, strict=True) if not each["fresh"])
    assert "# waiting: another process is installing fakeframe" in waited
    assert len(contents(empty_cache)) == 1


def within(seconds: float, true: Callable[[], Any]) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if true():
            return True
        time.sleep(0.05)
    return False


def at_work(folder: Path) -> list[str]:
    """The processes whose command line or executable lies in a folder."""
    processes = []
    for process in psutil.process_iter(["cmdline", "pid"]):
        words = process.info["cmdline"] or []
        if process.info["pid"] != os.getpid() and any(str(folder) in word for word in words):
            processes.append(" ".join(words))
    return processes


@pytest.fixture
def slow_build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wheels: Path) -> Path:
    """The framework comes as source, whose build lasts until the file given is gone."""
    index, slow = tmp_path / "index", tmp_path / "slow"
    index.mkdir()
    slow.touch()
    fake.source(index, "1.0", slow)
    fake.numpy_by_link(index)
    monkeypatch.setenv("PIP_FIND_LINKS", str(index))
    return slow


@pytest.mark.parametrize("stage", ["venv", "pip"])
def test_killed_half_way_and_again(stage: str, empty_cache: Path, tmp_path: Path, slow_build: Path) -> None:
    path = requirements(tmp_path, "borrowed==1.0\nfakeframe==1.0\n")
    row = fake.row(path, sources=(fake.NAME,))
    reached = folder_of(row) / "bin" if stage == "venv" else tmp_path / "building"
    process = begin(path, fake.NAME)
    assert within(120, reached.exists), process.communicate()
    process.kill()
    process.communicate(timeout=30)
    assert within(10, lambda: not at_work(empty_cache)), at_work(empty_cache)
    assert folder_of(row).exists(), "it was to be killed half-way"
    assert find(row) is None
    slow_build.unlink()
    assert install(row).fresh
    assert contents(empty_cache) == [folder_of(row).name]
    assert (folder_of(row) / MANIFEST).exists()


def test_interrupted_leaves_nothing(empty_cache: Path, tmp_path: Path, slow_build: Path) -> None:
    path = requirements(tmp_path, "borrowed==1.0\nfakeframe==1.0\n")
    process = begin(path, fake.NAME)
    assert within(120, (tmp_path / "building").exists), process.communicate()
    process.send_signal(signal.SIGINT)
    _, printed = process.communicate(timeout=30)
    assert "KeyboardInterrupt" in printed
    assert [name for name in contents(empty_cache) if not name.endswith(".log")] == []
    assert at_work(empty_cache) == []


def test_leftovers_go_unless_someone_is_at_work(empty_cache: Path, tmp_path: Path) -> None:
    for name in ("gone-0123456789ab", "busy-0123456789ab"):
        (empty_cache / name / "bin").mkdir(parents=True)
    (empty_cache / "notes").mkdir()
    with locked(empty_cache / "busy-0123456789ab.lock"):
        sweep()
        assert contents(empty_cache) == ["busy-0123456789ab", "notes"]
        busy = fake.row(requirements(tmp_path, ""), "busy")
        with pytest.raises(CrosstrainError, match="another process is installing busy"):
            remove(busy)
    sweep()
    assert contents(empty_cache) == ["notes"]


# -- what goes wrong ----------------------------------------------------------------------------
def sentence(caught: pytest.ExceptionInfo[BaseException]) -> str:
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_no_network(empty_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", "")
    row = fake.row(requirements(tmp_path, "fakeframe==1.0\n"))
    with pytest.raises(CrosstrainError) as caught:
        install(row)
    message = sentence(caught)
    assert "the package index http://127.0.0.1:9/simple cannot be reached" in message
    assert contents(empty_cache) == [log_of(folder_of(row)).name]
    assert log_of(folder_of(row)).name in message
    # Without retries, pip does not tell a silent index from one that has nothing.
    output = (
        "Looking in indexes: http://here/simple\nERROR: No matching distribution found for fakeframe==1.0\n"
    )
    quiet = explained("fakeframe", tmp_path, tmp_path / "log", output, "3.11")
    assert "in the package index http://here/simple, or it cannot be reached" in str(quiet)


def test_a_version_that_there_is_not(empty_cache: Path, tmp_path: Path) -> None:
    row = fake.row(requirements(tmp_path, "fakeframe==9.9\n"))
    with pytest.raises(CrosstrainError) as caught:
        install(row)
    message = sentence(caught)
    assert f"there is no fakeframe==9.9 for Python 3.{sys.version_info.minor}" in message
    assert "1.0, 2.0" in message
    assert contents(empty_cache) == [log_of(folder_of(row)).name]


def test_a_list_without_its_framework(empty_cache: Path, tmp_path: Path) -> None:
    with pytest.raises(CrosstrainError, match="list of requirements lacks fakeframe"):
        install(fake.row(requirements(tmp_path, "borrowed==1.0\n")))
    with pytest.raises(CrosstrainError, match="brings no list"):
        install(EngineRow("bare", "bare", ("bare_that_is_not_there",), "bare"))


def test_a_build_that_fails_says_so(empty_cache: Path, tmp_path: Path, slow_build: Path) -> None:
    slow_build.unlink()
    shutil.rmtree(tmp_path / "index" / "built")
    row = fake.row(requirements(tmp_path, "fakeframe==1.0\n"), sources=(fake.NAME,))
    with pytest.raises(CrosstrainError, match="cannot install fakeframe: FileNotFoundError") as caught:
        install(row)
    log = Path(sentence(caught).rpartition("log: ")[2].rstrip(")"))
    assert "FileNotFoundError" in log.read_text()


def test_source_is_not_built_where_wheels_are_wanted(
    empty_cache: Path, tmp_path: Path, slow_build: Path
) -> None:
    with pytest.raises(CrosstrainError, match=r"there is no fakeframe==1\.0"):
        install(fake.row(requirements(tmp_path, "fakeframe==1.0\n")))


def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: dict[str, EngineRow]) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(disk)]
    try:
        done = subprocess.run(mount, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no mount here")
    if done.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {done.stderr.strip()}")
    try:
        monkeypatch.setenv("CROSSTRAIN_CACHE", str(disk))
        with pytest.raises(StorageError, match="the disk is full") as caught:
            install(rows[fake.NAME])
        assert str(disk) in sentence(caught)
        assert [name for name in contents(disk / "environments") if not name.endswith(".log")] == []
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def test_a_file_in_the_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: dict[str, EngineRow]
) -> None:
    (tmp_path / "cache").write_text("")
    monkeypatch.setenv("CROSSTRAIN_CACHE", str(tmp_path / "cache"))
    with pytest.raises(StorageError, match="is a file, not a folder"):
        install(rows[fake.NAME])


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_no_right_to_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: dict[str, EngineRow]
) -> None:
    (tmp_path / "cache").mkdir(mode=0o500)
    monkeypatch.setenv("CROSSTRAIN_CACHE", str(tmp_path / "cache"))
    with pytest.raises(StorageError, match="no right to write"):
        install(rows[fake.NAME])


def test_a_compiler_that_is_missing_is_reported_before_anything_is_loaded(
    empty_cache: Path, tmp_path: Path
) -> None:
    row = fake.row(requirements(tmp_path, "fakeframe==1.0\n"), programs=("g++-of-nobody", "clang-of-nobody"))
    with pytest.raises(CrosstrainError, match=r"needs g\+\+-of-nobody or clang-of-nobody, which is not on"):
        install(row)
    assert contents(empty_cache) == []


def test_another_python_is_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = fake.row(requirements(tmp_path, ""), python=((3, 7), (3, 8)))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CrosstrainError, match=r"needs a Python from 3\.7 to 3\.8, and there is none"):
        interpreter(old)
    for name, words in (("python3.8", "8 /opt/python3.8"), ("python3.7", "11 /usr/bin/python3.11")):
        (tmp_path / name).write_text(f"#!/bin/sh\necho {words}\n")
        (tmp_path / name).chmod(0o755)
    assert interpreter(old) == ("/opt/python3.8", 8)
    (tmp_path / "python3.8").write_text("#!/bin/sh\necho no such version >&2; exit 127\n")
    with pytest.raises(CrosstrainError, match="there is none on the PATH"):
        interpreter(old)


# -- doctor and remove --------------------------------------------------------------------------
@pytest.mark.usefixtures("known")
def test_a_framework_broken_by_hand_is_found_and_mended(
    empty_cache: Path, rows: dict[str, EngineRow]
) -> None:
    row = rows[fake.NAME]
    (missing,) = examine([row])
    assert (missing.faults, missing.mend) == (
        ("fakeframe is not installed",),
        "crosstrain engines install fakeframe",
    )
    install(row)
    (sound,) = examine([row])
    assert sound.well, sound.faults
    assert sound.description["version"] == "1.0"

    folder = folder_of(row)
    (package,) = folder.glob("lib/python3*/site-packages/fakeframe")
    kernels = package / "kernels.py"
    kernels.write_text(kernels.read_text().replace("+", "-"))
    (changed,) = examine([row])
    assert changed.faults == ("fakeframe: fakeframe/kernels.py is not as it was installed",)
    again = "crosstrain engines remove fakeframe && crosstrain engines install fakeframe"
    assert changed.mend == again

    shutil.rmtree(package)
    (broken,) = examine([row])
    assert "fakeframe/__init__.py is missing" in broken.faults[0]
    assert "fakeframe cannot be imported" in broken.faults[-1]
    assert broken.mend == again

    (dist,) = folder.glob("lib/python3*/site-packages/fakeframe-1.0.dist-info")
    shutil.rmtree(dist)
    (without,) = examine([row])
    assert without.faults[0] == "the package fakeframe is missing"

    assert remove(row) > 10**6
    assert find(row) is None
    assert remove(row) == 0
    assert install(row).fresh
    assert next(iter(examine([row]))).well


def test_remove_takes_former_pins_and_leaves_links_targets_and_others(
    empty_cache: Path, tmp_path: Path
) -> None:
    row = fake.row(requirements(tmp_path, "fakeframe==1.0\n"))
    old, other = empty_cache / "fakeframe-0123456789ab", empty_cache / "fakeframe-x-0123456789ab"
    target = tmp_path / "elsewhere"
    for folder in (old, other, target):
        folder.mkdir(parents=True)
        (folder / MANIFEST).write_text("{}")
    (empty_cache / "fakeframe-ba9876543210").symlink_to(target)
    remove(row)
    assert contents(empty_cache) == [other.name]
    assert (target / MANIFEST).exists()


def test_the_own_python_is_never_touched(empty_cache: Path) -> None:
    row = EngineRow("numpy", "numpy", ("numpy",), "numpy", "torch.txt")
    here = find(row)
    assert here is not None
    assert (here.own, here.python) == (True, sys.executable)
    assert own_environment(row) is None
    assert remove(row) == 0


def test_a_folder_of_the_same_name_is_no_framework(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "fakeframe").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    assert not fake.row(requirements(tmp_path, "")).importable


# -- crosstrain in a foreign Python -------------------------------------------------------------
def test_another_python_sees_the_package_alone(
    empty_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "site-packages" / "thing"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package.parent / "numpy").mkdir()
    place = isolated(package)
    assert [entry.name for entry in place.iterdir()] == ["thing"]
    assert (place / "thing").is_symlink()
    assert isolated(package) == place

    def refuse(*arguments: Any, **more: Any) -> None:
        raise OSError("links are not for everyone here")

    (place / "thing").unlink()
    monkeypatch.setattr(Path, "symlink_to", refuse)
    copy = isolated(package)
    assert (copy / "thing" / "__init__.py").is_file()
    assert isolated(package) == copy
    (package / "more.py").write_text("")
    assert (isolated(package) / "thing" / "more.py").is_file()


# -- releases -------------------------------------------------------------------------------------
@pytest.fixture
def released(wheels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, known: None) -> Path:
    """Further releases of the framework, as pip finds them."""
    folder = tmp_path / "releases"
    folder.mkdir()
    for version in ("1.2.0", "1.2.3", "1.10.0"):
        fake.framework(folder, version)
    monkeypatch.setenv("PIP_FIND_LINKS", f"{wheels} {folder}")
    return folder


@pytest.mark.usefixtures("released")
def test_a_release_is_an_engine_with_an_environment_of_its_own(installed: dict[str, EngineRow]) -> None:
    newest, exact = (registry.engine_row(f"{fake.NAME}@{release}") for release in ("1.2", "1.2.0"))
    assert find(newest) is None
    assert not newest.importable
    assert newest.how_to_install == f"crosstrain engines install {fake.NAME}@1.2"
    for row, version in ((newest, "1.2.3"), (exact, "1.2.0")):
        here = install(row).environment
        assert here.version == version
        assert here.folder != folder_of(installed[fake.NAME])
        assert here == find(row)
        assert describe(row, here)["version"] == version, "its own worker says so"
    assert find(installed[fake.NAME]).version == "1.0"  # type: ignore[union-attr]
    assert f"{fake.NAME}@1.2" not in list(registry.engines()), "it is not listed"
    remove(newest)
    assert find(newest) is None
    assert find(exact) is not None


@pytest.mark.usefixtures("released", "empty_cache")
def test_a_release_that_does_not_exist_is_one_sentence() -> None:
    with pytest.raises(CrosstrainError, match=r"there is no fakeframe==7\.1\.\* for Python 3") as error:
        install(registry.engine_row(f"{fake.NAME}@7.1"))
    assert "1.2.3, 1.10.0" in str(error.value), "the last that there are"
    assert find(registry.engine_row(f"{fake.NAME}@7.1")) is None


@pytest.mark.usefixtures("released")
def test_a_comparison_makes_what_is_missing(empty_cache: Path) -> None:
    from crosstrain.environments.installing import provide

    messages: list[str] = []
    rows = [registry.engine_row(name) for name in (fake.NAME, f"{fake.NAME}@1.10")]
    provide(rows, messages.append)
    assert [name.rpartition("-")[0] for name in contents(empty_cache)] == [f"{fake.NAME}@1.10"]
    assert messages[0] == f"{fake.NAME}@1.10: fetching 2 packages, among them fakeframe"
    heard = len(messages)
    provide(rows, messages.append)
    assert len(messages) == heard


def test_names_of_releases() -> None:
    engines = registry.engines()
    assert engines["torch@2.12"].release == "2.12"
    assert engines["torch@2.12"].module == engines["torch"].module
    assert engines.get("torch@2.12.1rc1") is not None
    for name in ("torch@2", "torch@cf", "torhc@2.12", "torch@2.12@cf", "torch@", "@2.12"):
        assert name not in engines
        assert engines.get(name) is None
        with pytest.raises(ValueError, match="there is no engine"):
            registry.engine_row(name)
    for entrant, engine in {
        "torch@2.12": "torch@2.12", "torch@2.12@cf": "torch@2.12", "torch@cf": "torch", "torch@2": "torch",
    }.items():  # fmt: skip
        assert registry.engine_of(entrant) == engine


@pytest.mark.parametrize(
    ("release", "version", "same"),
    [
        ("2.12", "2.12", True), ("2.12", "2.12.1", True), ("2.12", "2.12.1+cpu", True),
        ("2.1", "2.12.1", False), ("2.12.1", "2.12.10", False), ("2.12", "2.13.0", False), ("", "1", True),
    ],
)  # fmt: skip
def test_a_version_is_of_its_release(release: str, version: str, same: bool) -> None:
    assert replace(registry.engines()["torch"], release=release).is_of(version) is same


def test_pins_of_a_release() -> None:
    engines = registry.engines()
    torch, plain = (environments.pins_of(engines[name]) for name in ("torch@2.12", "torch"))
    assert torch[0] == "torch==2.12.*"
    assert "numpy" in torch
    assert len(torch) == len(plain)
    assert "jax==0.9.2" in environments.pins_of(engines["jax@0.9.2"])
    keras = environments.pins_of(engines["keras-jax@3.12"])
    assert "keras==3.12.*" in keras
    assert any(pin.startswith("jax==") for pin in keras), "its backend stays as it is"


@pytest.mark.usefixtures("empty_cache")
def test_a_comparison_with_a_release_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(CrosstrainError, match=r"cannot install torch@0\.0: there is no torch==0\.0\.\* for"):
        crosstrain.compare("mlp", "digits", engines="torch@0.0", out=tmp_path / "out", progress=False)
    assert not (tmp_path / "out").exists()
