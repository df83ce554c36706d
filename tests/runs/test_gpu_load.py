"""What a GPU did while a job ran, told by a driver that a test plays."""

from __future__ import annotations

import sys

import pytest

from crosstrain.system import gpu_load, gpus
from crosstrain.system.gpu_load import GpuLoad
from tests.fake_nvml import GIB, Card, FakeNvml, Memory, Process, Sample

OWN, STRANGER = 100, 7


@pytest.fixture
def card(monkeypatch: pytest.MonkeyPatch) -> Card:
    fake = Card("NVIDIA H200", memory=Memory(139 * GIB, GIB))
    monkeypatch.setitem(sys.modules, "pynvml", FakeNvml(fake))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(gpu_load, "SAMPLE_SECONDS", 0.0)
    return fake


def test_memory_is_the_jobs_own_and_others_are_seen(card: Card) -> None:
    watched = GpuLoad("cuda:0", lambda: [OWN])
    card.processes = [Process(OWN, 3 * GIB), Process(STRANGER, 20 * GIB)]
    card.samples = [Sample(OWN, 60, 10), Sample(STRANGER, 30, 10)]
    card.utilisation, card.megahertz = 80, 1500
    watched.sample()
    card.processes = [Process(OWN, 2 * GIB)]
    card.samples, card.slowed = [Sample(OWN, 60, 20)], 0x40
    watched.sample()
    report = watched.to_json()
    assert report["device_driver_bytes"] == 3 * GIB
    assert report["device_other_bytes"] == 20 * GIB
    # Three samples: before the job, with the stranger, without.
    assert report["device_other_load"] == pytest.approx(0.1)
    assert report["device_megahertz"] == round((1980 + 2 * 1500) / 3)
    assert report["device_throttled"] == 1


def test_a_sample_counts_once(card: Card) -> None:
    """The driver hands out the last seconds again and again."""
    watched = GpuLoad("cuda:0", lambda: [OWN])
    card.processes, card.samples = [Process(OWN, GIB)], [Sample(STRANGER, 90, 10)]
    watched.sample()
    watched.sample()
    assert watched.to_json()["device_other_load"] == pytest.approx(0.3)


def test_in_a_container_memory_is_the_cards_growth_and_nobody_is_accused(card: Card) -> None:
    watched = GpuLoad("cuda:0", lambda: [OWN])
    card.memory.used = 5 * GIB
    card.samples = [Sample(4711, 90, 10)]  # the job's, under the number that the host gives it
    watched.sample()
    report = watched.to_json()
    assert report["device_driver_bytes"] == 4 * GIB
    assert "device_other_load" not in report
    assert "device_other_bytes" not in report


def test_what_the_driver_does_not_tell_is_left_out(card: Card, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object) -> None:
        raise FakeNvml.NVMLError("Not Supported")

    for question in ("nvmlDeviceGetUtilizationRates", "nvmlDeviceGetClockInfo", "nvmlDeviceGetMemoryInfo"):
        monkeypatch.setattr(FakeNvml, question, refuse)
    watched = GpuLoad("cuda:0", lambda: [OWN])
    watched.sample()
    assert set(watched.to_json()) == {"device_throttled"}


@pytest.mark.parametrize("device", ["cpu", "mps", "cuda:1"])
def test_a_device_that_is_none_of_the_drivers_tells_nothing(card: Card, device: str) -> None:
    watched = GpuLoad(device, lambda: [OWN])
    watched.sample()
    assert watched.to_json() == {}


@pytest.mark.parametrize(
    ("visible", "names"),
    [(None, ["A", "B", "C"]), ("2,0", ["C", "A"]), ("", []), ("-1", []), ("1,-1,0", ["B"]), ("GPU-c", ["C"])],
)
def test_cards_are_those_that_cuda_shows_in_its_order(
    monkeypatch: pytest.MonkeyPatch, visible: str | None, names: list[str]
) -> None:
    cards = [Card(name, f"GPU-{name.lower()}") for name in "ABC"]
    monkeypatch.setitem(sys.modules, "pynvml", FakeNvml(*cards))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    available = gpus.gpus()
    assert [card.name for card in available.cards] == names
    assert bool(available.reason) == (not names)
    assert available.cuda == (13, 0)
    assert gpus.may_exist() == bool(names)


def test_a_driver_that_cannot_be_asked_is_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", FakeNvml(fault="NVML Shared Library Not Found"))
    available = gpus.gpus()
    assert not available.cards
    assert "NVML Shared Library Not Found" in available.reason
    assert gpus.free_memory("cuda:0") is None
