"""Two comparisons of one question: where nothing changed nothing is said to have, and a slowdown is told."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.stats import binom

from crosstrain.advice.changed import LEVEL, Changes, changes
from crosstrain.errors import CrosstrainError
from crosstrain.results.schema import CellResult, CertificateResult, ComparisonResult, Recommendation
from tests.comparison.fakes import cell

NAMES = ("monday", "friday")
ENGINES = ("torch", "tensorflow", "jax")


def run(
    seed: int, processes: int, *, slower: float = 1.0, noise: float = 0.02, **fields: Any
) -> ComparisonResult:
    """Three engines; processes differ by ``noise``, epochs by half of it, accuracies as trainings' do.
    ``slower`` multiplies the times of jax."""
    random = np.random.default_rng(seed)
    cells: list[CellResult] = []
    for repeat in range(processes):
        for place, engine in enumerate(ENGINES):
            level = (
                (1 + place) * (slower if engine == "jax" else 1.0) * np.exp(noise * random.standard_normal())
            )
            epochs = level * np.exp(noise / 2 * random.standard_normal(4))
            accuracy = random.binomial(10_000, 0.95) / 10_000
            cells.append(
                cell(engine, epochs.tolist(), repeat=repeat, engine_version="1", test_accuracy=accuracy)
            )
    return of_cells(cells, **fields)


def of_cells(cells: list[CellResult], **fields: Any) -> ComparisonResult:
    return ComparisonResult(
        crosstrain="1", folder="", cells=cells, recommendation=Recommendation(reason=""), **fields
    )


def between(first: ComparisonResult, second: ComparisonResult) -> Changes:
    return changes(first, second, NAMES)


@pytest.mark.parametrize("processes", [3, 5, 8])
def test_of_two_runs_of_the_same_few_reports_say_that_something_changed(
    processes: int,
) -> None:
    reports = 100
    alarms = sum(
        bool(between(run(2 * seed, processes), run(2 * seed + 1, processes)).of("changed"))
        for seed in range(reports)
    )
    # More alarms have a probability below 1 % where each report has one of 1 %.
    assert alarms <= binom.ppf(0.99, reports, LEVEL)


def test_two_runs_of_the_same_say_no_change() -> None:
    for seed in range(10):
        told = between(run(100 + seed, 5), run(200 + seed, 5))
        assert told.headline == "No change beyond noise in 12 findings."


def test_a_slowdown_of_ten_percent_is_told() -> None:
    others = 0
    for seed in range(10):
        usual, slow = run(300 + seed, 5), run(400 + seed, 5, slower=1.10)
        for told, words in (
            (between(usual, slow), "net at 32 pixels on jax: slower: 1."),
            (between(slow, usual), "net at 32 pixels on jax: faster: 0."),
        ):
            assert told.headline.startswith("Beyond noise, ")
            changed = told.of("changed")
            assert any(finding.text.startswith(words) for finding in changed)
            others += len(changed) - 1
    assert others <= 2


def test_what_noise_hides_is_not_called_unchanged() -> None:
    """Never "unchanged" for a slowdown of 10 %, however few and noisy the processes are."""
    wrong = [
        finding.text
        for seed in range(60)
        for finding in between(run(seed, 3, noise=0.08), run(seed + 999, 3, noise=0.08, slower=1.1)).findings
        if (finding.quantity, finding.engine, finding.verdict) == ("time", "jax", "unchanged")
    ]
    assert len(wrong) <= binom.ppf(0.99, 60, 0.05)


def test_one_process_each_tells_no_slowdown_of_ten_percent_but_one_of_a_half() -> None:
    one = of_cells([cell("torch")])
    told = between(one, of_cells([cell("torch", [1.1, 1.12, 1.08])]))
    assert [f.verdict for f in told.findings if f.quantity == "time"] == ["not told"]
    (change,) = between(one, of_cells([cell("torch", [1.5, 1.52, 1.48])])).of("changed")
    assert "slower: 1.50 [" in change.text


def test_another_accuracy_is_told_beyond_its_noise_only() -> None:
    def of(accuracy: float) -> ComparisonResult:
        return of_cells([cell("torch", test_accuracy=accuracy, repeat=r) for r in range(3)])

    (change,) = between(of(0.95), of(0.93)).of("changed")
    assert "another accuracy: −2.0 ± 0.7 points, 93.00 % after 95.00 %" in change.text
    assert not between(of(0.95), of(0.949)).of("changed")


def test_certificates_and_memory_that_changed_are_told() -> None:
    def of(status: str, node: str | None, memory: int) -> ComparisonResult:
        proof = CertificateResult(
            network="net", input_size=32, engine="torch", precision="float32",
            status="departs" if status == "departs" else "proved",
            first_departure={"node": node} if node else None,
        )  # fmt: skip
        cells = [cell("torch", certificate=status, repeat=r, peak_memory_bytes=memory) for r in range(3)]
        return of_cells(cells, certificates=[proof])

    texts = [
        f.text for f in between(of("proved", None, 10**9), of("departs", "conv", 2 * 10**9)).of("changed")
    ]
    assert any("another certificate: departs after proved" in text for text in texts)
    assert any("more memory: 1.86 GiB at the peak after 954 MiB" in text for text in texts)
    (change,) = between(of("departs", "conv", 10**9), of("departs", "pool", 10**9)).of("changed")
    assert "it departs at pool after conv" in change.text


def test_versions_and_machines_are_never_mixed_silently() -> None:
    one, other = (
        run(1, 3, machine={"processor": "A", "cores": 2}),
        run(2, 3, machine={"processor": "B", "cores": 2}),
    )
    for each in other.cells:
        each.engine_version = "2" if each.engine == "torch" else "1"
    assert list(between(one, other).facts) == ["torch 2 after 1.", "Another machine: processor is B after A."]


def test_a_row_that_only_one_has_is_named() -> None:
    one, other = run(1, 3), run(2, 3)
    fewer = of_cells([c for c in other.cells if c.engine != "jax"])
    (lost,) = [f for f in between(one, fewer).findings if f.quantity == "row"]
    assert lost.text == "net at 32 pixels on jax: not part of friday."


@pytest.mark.parametrize(
    ("one", "other", "sentence"),
    [
        ({"data": "digits"}, {"data": "mnist"}, "data is digits in the one and mnist in the other"),
        ({"recipe": {"epochs": 3, "seed": 0}}, {"recipe": {"epochs": 5, "seed": 0}},
         "recipe.epochs is 3 in the one and 5 in the other"),
        ({"networks": ["a"]}, {"networks": ["a", "b"]}, "monday and friday are comparisons of different"),
    ],
)  # fmt: skip
def test_different_questions_are_refused(one: dict[str, Any], other: dict[str, Any], sentence: str) -> None:
    with pytest.raises(CrosstrainError, match=sentence):
        between(of_cells([cell()], settings=one), of_cells([cell()], settings=other))


def test_the_same_examples_elsewhere_are_the_same_question() -> None:
    here = of_cells([cell()], settings={"data": "gtsrb:/here"}, data={"hash": "1" * 64})
    assert between(here, of_cells([cell()], settings={"data": "gtsrb:/there"}, data={"hash": "1" * 64}))
    with pytest.raises(CrosstrainError, match="data is 111111111111 in the one"):
        between(here, of_cells([cell()], settings={"data": "gtsrb:/here"}, data={"hash": "2" * 64}))
