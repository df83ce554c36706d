"""Energy counters: what is read, what it is attributed to, and what is said where there are none."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from crosstrain.system import energy
from crosstrain.system.energy import Meter, counters, per_epoch
from tests.fake_nvml import Card, FakeNvml

RANGE = 1_000_000_000


def zone(root: Path, number: str, name: str, microjoules: int = 0) -> Path:
    folder = root / f"intel-rapl:{number}"
    folder.mkdir(parents=True)
    for file, content in (("name", name), ("max_energy_range_uj", RANGE), ("energy_uj", microjoules)):
        (folder / file).write_text(f"{content}\n")
    return folder


def test_only_whole_packages_count(tmp_path: Path) -> None:
    zone(tmp_path, "0", "package-0")
    zone(tmp_path, "0:0", "core")  # a part of it
    zone(tmp_path, "1", "package-1")
    zone(tmp_path, "2", "psys")  # all of it once more
    available, reason = counters(powercap=tmp_path)
    assert ([counter.name for counter in available], reason) == (["package-0", "package-1"], "")


def test_joules_go_to_the_phase_in_which_they_were_taken(tmp_path: Path) -> None:
    package = zone(tmp_path, "0", "package-0", RANGE - 5_000_000)

    def show(microjoules: int) -> None:
        (package / "energy_uj").write_text(str(microjoules))

    with Meter(energy_counters=counters(powercap=tmp_path)[0]) as meter:
        received: list[str] = []
        on_event = meter.wrap(lambda event: received.append(event["event"]))
        show(RANGE - 4_000_000)  # 1 J of import
        on_event({"event": "phase", "name": "train"})
        show(2_000_000)  # 6 J of training, over the counter's end
        on_event({"event": "epoch", "epoch": 1})
        show(3_000_000)  # 1 J of saving
        on_event({"event": "phase", "name": "train"})
        show(11_000_000)  # 8 J of training
        on_event({"event": "phase", "name": "evaluate"})
        show(14_000_000)  # 3 J of evaluating
        on_event({"event": "epoch", "epoch": 2})
        show(16_000_000)  # 2 J until the process is gone
    energy = meter.to_json()
    assert received == ["phase", "epoch", "phase", "phase", "epoch"]
    assert energy["energy_joules"] == pytest.approx(21.0)
    assert energy["energy_training_joules"] == pytest.approx(14.0)
    assert energy["energy_epochs"] == 2
    assert "package-0" in energy["energy_covers"]
    assert per_epoch([energy, {}]) == pytest.approx(7.0)
    assert per_epoch([{}]) is None


def test_a_counter_that_goes_away_spoils_the_sum(tmp_path: Path) -> None:
    package = zone(tmp_path, "0", "package-0")
    with Meter(energy_counters=counters(powercap=tmp_path)[0]) as meter:
        (package / "energy_uj").unlink()
        meter.on_event({"event": "phase", "name": "train"})
    assert meter.to_json() == {}


def test_long_phases_are_sampled_in_between(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a counter that starts anew twice would lose its whole range."""
    monkeypatch.setattr(energy, "SAMPLE_SECONDS", 0.001)
    seen = iter([0.0, *(999.0 * (i % 2) for i in range(1, 8)), *([999.0] * 10**6)])

    class Counter:
        name, limit = "fast", 1000.0
        reads = 0

        def read(self) -> float:
            self.reads += 1
            return next(seen)

    counter = Counter()
    with Meter(energy_counters=[counter]) as meter:
        while counter.reads < 12:
            pass
    # 0 → 999, over the end → 0 (1 J), → 999, …: three times over the end.
    assert meter.joules == pytest.approx(4 * 999 + 3 * 1)


def four_cards() -> FakeNvml:
    return FakeNvml(*(Card(f"GPU {number}") for number in range(4)))


def test_a_gpu_counts_beside_the_processor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package, nvml = zone(tmp_path, "0", "package-0"), four_cards()
    monkeypatch.setitem(sys.modules, "pynvml", nvml)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    available, reason = counters("cuda:1", tmp_path)
    assert ([counter.name for counter in available], reason) == (["package-0", "GPU 1"], "")
    with Meter(energy_counters=available) as meter:
        meter.on_event({"event": "phase", "name": "train"})
        (package / "energy_uj").write_text("2000000")
        nvml.cards[1].millijoules += 40_000
    assert meter.to_json()["energy_training_joules"] == pytest.approx(42.0)
    assert [counter.name for counter in counters("cuda", tmp_path / "none")[0]] == ["GPU 0"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,2")  # of those, the second
    assert counters("cuda:1", tmp_path / "none")[0][0].name == "GPU 2"
    monkeypatch.setitem(sys.modules, "pynvml", FakeNvml(Card(millijoules=None)))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    available, reason = counters("cuda:0", tmp_path)
    assert not available  # the processor's joules alone would be no answer
    assert "does not report its energy: Not Supported" in reason


def test_why_there_is_no_counter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "no energy counter" in counters(powercap=tmp_path / "nothing")[1]
    package = zone(tmp_path, "0", "package-0")

    def denied(self: object) -> float:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(energy.Rapl, "read", denied)
    assert counters(powercap=tmp_path) == (
        [],
        "the processor's energy counters may be read by the administrator alone",
    )
    monkeypatch.undo()
    (package / "energy_uj").unlink()
    assert "cannot be read" in counters(powercap=tmp_path)[1]
    assert Meter(energy_counters=[]).to_json() == {}
