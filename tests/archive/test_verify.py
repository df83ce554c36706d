"""A bundle verified: its own claims, and a sample that is proved and trained again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import crosstrain
from crosstrain.archive.packing import bundle
from crosstrain.errors import CrosstrainError
from crosstrain.runs.process import Outcome
from tests.archive.test_bundle import content, with_sums, write
from tests.comparison.fakes import SPEED, Prover, Workers


def verify(path: Path, out: Path, **arguments: Any) -> Any:
    return crosstrain.verify(path, out=out, progress=False, **arguments)


def test_what_is_the_same_here_held(
    packed: Path, workers: Workers, quick_definitions: list[Any], tmp_path: Path
) -> None:
    workers.jobs.clear()
    quick_definitions.clear()
    found = verify(packed, tmp_path / "again")
    assert found.ok
    assert not found.of("not told")
    assert [claim.text for claim in found.claims] == [
        "The result has all 4 cells as they were stored.",
        "The rows of the tables follow from the cells.",
        "mlp at 8 pixels on torch: the very same accuracy, 95.00 %.",
        "mlp at 8 pixels on jax: the very same accuracy, 95.00 %.",
        "mlp at 8 pixels on torch: the same certificate: proved.",
        "mlp at 8 pixels on jax: the same certificate: proved.",
        "mlp at 8 pixels: jax took 2.00 [1.80–2.22] times the time of torch, here 2.00 [1.80–2.22] times.",
    ]
    assert found.answer().headline == "7 claims held."
    assert workers.cells == ["mlp-8-torch-s0-r0", "mlp-8-jax-s0-r0"], "one seed"
    assert not quick_definitions, "the network is not defined anew: the bundle's own is taken"
    assert {job["recipe"]["epochs"] for job in workers.jobs} == {2}
    json.dumps(found.to_json(), allow_nan=False)
    jobs = len(workers.jobs)
    assert verify(packed, tmp_path / "again").claims == found.claims
    assert len(workers.jobs) == jobs, "what is there is not trained again"


def test_what_is_otherwise_here_is_told(
    packed: Path, workers: Workers, prover: Prover, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    trained = workers.trained

    def otherwise(job: Mapping[str, Any], on_event: Any) -> dict[str, Any]:
        return {**trained(job, on_event), "test_accuracy": 0.5}

    monkeypatch.setattr(workers, "trained", otherwise)
    monkeypatch.setitem(SPEED, "jax", 0.25)
    prover.status = {"jax": "departs"}
    found = verify(packed, tmp_path / "again")
    failed = [claim.text for claim in found.of("did not hold")]
    assert any("on torch: another accuracy: −45.0" in text for text in failed)
    assert "mlp at 8 pixels on jax: another certificate: departs after proved." in failed
    assert any("jax took 2.00 [1.80–2.22] times the time of torch, here 0.25 [" in text for text in failed)
    assert not found.ok
    assert found.answer().headline.startswith("4 of 7 claims did not hold")


def test_an_engine_that_fails_here_says_nothing(packed: Path, workers: Workers, tmp_path: Path) -> None:
    workers.fail = lambda job: (
        Outcome("crashed", None, "it fell over", tmp_path, 1.0, None) if job["engine"] == "jax" else None
    )
    found = verify(packed, tmp_path / "again")
    assert [claim.text for claim in found.of("not told")] == ["mlp at 8 pixels on jax: it fell over."]
    assert found.ok


def test_a_sample_is_chosen(packed: Path, workers: Workers, tmp_path: Path) -> None:
    workers.jobs.clear()
    verify(packed, tmp_path / "one", engines="jax", networks="all", repeats=2)
    assert workers.cells == ["mlp-8-jax-s0-r0", "mlp-8-jax-s0-r1"]
    with pytest.raises(CrosstrainError, match="has no training on 'mxnet'; it has torch, jax"):
        verify(packed, tmp_path / "two", engines="mxnet")
    with pytest.raises(CrosstrainError, match="has no network 'lenet5' that was trained; it has mlp"):
        verify(packed, tmp_path / "two", networks=["lenet5"])
    with pytest.raises(CrosstrainError, match="repeats must be at least 1"):
        verify(packed, tmp_path / "two", repeats=0)


def test_other_data_is_refused_before_anything_is_trained(
    packed: Path, workers: Workers, tmp_path: Path
) -> None:
    workers.jobs.clear()
    with pytest.raises(CrosstrainError, match=r"--data says where the data lies here"):
        verify(packed, tmp_path / "two", data=f"arrays:{tmp_path / 'absent.npz'}")
    files = content(packed)
    cells = [name for name in files if name.startswith("run/cells/") and name.endswith(".json")]
    result = json.loads(files["run/result.json"])
    for name in cells:
        files[name] = json.dumps({**json.loads(files[name]), "data_hash": "0" * 64}).encode()
    result["cells"] = [{**cell, "data_hash": "0" * 64} for cell in result["cells"]]
    files["run/result.json"] = json.dumps(result).encode()
    other = write(tmp_path / "other.zip", with_sums(files))
    with pytest.raises(CrosstrainError, match="is not what was trained on: as prepared here its hash is"):
        verify(other, tmp_path / "three")
    assert not workers.jobs


def test_a_table_that_was_edited_before_packing_is_told(folder: Path, tmp_path: Path) -> None:
    result = json.loads((folder / "result.json").read_text())
    result["rows"][0]["seconds_per_epoch"]["value"] *= 0.5
    (folder / "result.json").write_text(json.dumps(result))
    edited = bundle(folder, tmp_path / "edited.zip").path
    found = verify(edited, tmp_path / "x", retrain=False)
    assert [claim.text for claim in found.of("did not hold")] == ["The rows do not follow from the cells."]
    result["cells"][0]["test_accuracy"] = 1.0
    (folder / "result.json").write_text(json.dumps(result))
    found = verify(bundle(folder, tmp_path / "edited.zip").path, tmp_path / "x", retrain=False)
    name = result["cells"][0]["id"]
    assert found.of("did not hold")[0].text == f"result.json has {name} otherwise than cells/{name}.json."
    assert found.folder is None


def altered(packed: Path, **changes: Any) -> Path:
    """A bundle with JSON that someone has written anew, hashes and all; names end without ``.json``, and
    ``__`` stands for ``/``."""
    files = content(packed)
    for name, change in changes.items():
        path = f"run/{name.replace('__', '/')}.json"
        data = json.loads(files[path])
        change(data)
        files[path] = json.dumps(data).encode()
    return write(packed.with_name("strange.zip"), with_sums(files))


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d.update(source="evil.py:main"),
        lambda d: d.update(source="evil.keras"),
        lambda d: next(iter(d["losses"].values())).update(name="evil.py:loss"),
    ],
)
def test_a_network_of_a_file_is_trained_and_not_proved(
    packed: Path, workers: Workers, prover: Prover, tmp_path: Path, change: Any
) -> None:
    """Its author's code would run in the truth of a proof."""
    prover.calls.clear()
    strange = altered(packed, **{"networks__mlp-8-s0__definition": change})
    found = verify(strange, tmp_path / "again")
    assert not prover.calls
    assert [claim.text for claim in found.of("not told")] == [
        f"mlp at 8 pixels on {engine}: not proved again, which would run its author's code."
        for engine in ("torch", "jax")
    ]
    assert any("the very same accuracy" in claim.text for claim in found.of("held"))


def test_no_file_here_is_taken_for_a_network_of_the_bundle(
    packed: Path, workers: Workers, quick_definitions: list[Any], tmp_path: Path
) -> None:
    """A network without a size would be built to ask it for one."""

    def own(data: dict[str, Any]) -> None:
        for cell in data["cells"]:
            cell.update(network="here.py:main", input_size=None)

    quick_definitions.clear()
    with pytest.raises(CrosstrainError, match=r"has no input size for here.py:main, which its data needs"):
        verify(altered(packed, result=own), tmp_path / "again")
    assert not quick_definitions


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"plan": lambda d: d.update(identity={})}, "has a plan that this version of crosstrain cannot read"),
        ({"plan": lambda d: d["identity"]["recipe"].update(loss=3)}, "has a plan that this version"),
        ({"result": lambda d: d.update(cells=3)}, "has a result that this version of crosstrain cannot read"),
        (
            {"result": lambda d: [c.update(definition="../elsewhere") for c in d["cells"]]},
            "lacks the definition of mlp",
        ),
    ],
)
def test_plans_and_results_that_make_no_sense_are_one_sentence(
    packed: Path, workers: Workers, tmp_path: Path, changes: Any, sentence: str
) -> None:
    with pytest.raises(CrosstrainError, match=sentence):
        verify(altered(packed, **changes), tmp_path / "again")


@pytest.mark.parametrize(
    "proof", [False, pytest.param(True, marks=pytest.mark.slow("proves a network twice, for real"))]
)
def test_a_real_comparison_is_verified(proof: bool, tmp_path: Path) -> None:
    """In processes of their own: the same machine and versions end at the very same accuracy."""
    crosstrain.compare(
        "mlp", "digits", engines="torch", sizes=8, epochs=1, threads=1, proof=proof, out=tmp_path / "run",
        progress=False,
    )  # fmt: skip
    bundled = crosstrain.bundle(tmp_path / "run", out=tmp_path / "run.zip")
    found = verify(bundled.path, tmp_path / "again", sha256=bundled.sha256)
    assert any("on torch: the very same accuracy, " in claim.text for claim in found.of("held"))
    assert found.ok
    untold = [] if proof else ["mlp at 8 pixels on torch: not proved in either."]
    assert [claim.text for claim in found.of("not told")] == untold
