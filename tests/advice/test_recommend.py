"""Recommendations rest on proof, say ties as ties, and name their evidence."""

from __future__ import annotations

from typing import Any

import pytest

from crosstrain.advice.preferences import weights
from crosstrain.advice.recommendation import pareto, recommend
from crosstrain.errors import CrosstrainError
from crosstrain.results.rows import rows
from crosstrain.results.schema import CellResult, Recommendation
from tests.comparison.fakes import cell


def of(*cells: CellResult) -> Recommendation:
    return recommend(rows(cells))


def processes(engine: str, seconds: float, **given: object) -> list[CellResult]:
    """Three processes of three epochs."""
    times = [seconds, seconds * 1.01, seconds * 0.99]
    return [cell(engine, times, repeat=r, **given) for r in range(3)]


def test_the_fastest_of_equals_is_taken_with_its_ratio() -> None:
    advice = of(*processes("torch", 1.0), *processes("jax", 2.0))
    assert (advice.engine, advice.network, advice.input_size) == ("torch", "net", 32)
    assert advice.headline == "Take torch with net at 32 pixels: 1 s an epoch, test accuracy 95.00 %."
    assert "It is 2.00 [1.97–2.03] times as fast as jax" in advice.why[1]
    assert advice.why[0] == "Pooled over 2 engines, its test accuracy is 95.00 %."


@pytest.mark.parametrize(("load", "cores", "said"), [(0.8, 2, True), (0.8, 64, False), (0.05, 2, False)])
def test_what_others_took_of_the_machine_is_said_at_the_time(load: float, cores: int, said: bool) -> None:
    cells = [*processes("torch", 1.0, other_load=load), *processes("jax", 2.0, other_load=0.9 * load)]
    advice = recommend(rows(cells), cores=cores)
    caveat = f"¹ Other processes took {0.95 * load:.2g} of {cores} cores meanwhile: times may be too long."
    assert advice.caveats == ([caveat] if said else [])
    assert ("1 s¹ an epoch" in advice.headline) == said


def test_the_accuracy_of_a_network_comes_before_speed() -> None:
    quick = processes("torch", 1.0, network="quick", test_accuracy=0.90)
    advice = of(*quick, *processes("torch", 2.0, network="good", test_accuracy=0.95))
    assert advice.network == "good"
    assert "95.00 %, the best." in advice.reason


def test_an_accuracy_within_noise_of_the_best_does_not_cost_the_speed() -> None:
    examples = {"test_examples": 270}
    quick = processes("torch", 1.0, network="quick", test_accuracy=0.95, **examples)
    advice = of(*quick, *processes("torch", 2.0, network="good", test_accuracy=0.96, **examples))
    assert advice.network == "quick"
    assert "within noise of the best: 96.00 % with good at 32 pixels" in advice.why[0]
    assert "270 test examples" in advice.why[2]


def test_engines_that_do_the_same_work_are_not_chosen_by_their_luck() -> None:
    """Rounding, amplified by training, made one better; that is no property of the engine."""
    lucky = processes("jax", 2.0, test_accuracy=0.95)
    advice = of(*processes("torch", 1.0, test_accuracy=0.85), *lucky)
    assert advice.engine == "torch"
    # The headline has the row's own accuracy, the sentence below it the pooled one, each with the mark.
    assert advice.headline.endswith("test accuracy 85.00 %¹.")
    assert advice.why[0] == "Pooled over 2 engines, its test accuracy is 90.00 %¹."
    (caveat,) = advice.caveats
    assert caveat.startswith("¹ Trainings of this same work end from 85.00 % to 95.00 %")


def test_the_spread_of_training_is_noise_too() -> None:
    """Two networks whose accuracies scatter more than they differ."""
    one = [cell("torch", network="a", repeat=r, test_accuracy=x) for r, x in enumerate((0.80, 0.95))]
    other = [
        cell("torch", [2.0] * 3, network="b", repeat=r, test_accuracy=x) for r, x in enumerate((0.92, 0.90))
    ]
    assert of(*one, *other).network == "a"


def test_a_tie_in_time_is_reported_and_memory_decides() -> None:
    lean = processes("jax", 1.005, peak_memory_bytes=100 * 2**20)
    advice = of(*processes("torch", 1.0), *lean)
    assert advice.engine == "jax"
    assert advice.why[1].startswith("It ties in time with torch (1.00 [")
    assert advice.why[1].endswith("needs the least memory: 100 MiB.")


def test_one_process_each_does_not_tell_five_percent_apart() -> None:
    advice = of(cell("torch", [1.0, 1.0, 1.0]), cell("jax", [1.05, 1.05, 1.05]))
    assert "ties in time with" in advice.why[1]
    (caveat,) = advice.caveats
    assert "fewer than 3 processes" in caveat
    assert advice.headline.count("¹") == advice.why[1].count("¹") == 1


def test_what_is_not_proved_is_never_recommended() -> None:
    for status in ("departs", "cannot", "none"):
        advice = of(*processes("torch", 0.1, certificate=status), *processes("jax", 2.0))
        assert advice.engine == "jax"
    assert of(*processes("torch", 1.0, certificate="none")).engine is None
    assert "certified" in of(*processes("torch", 1.0, certificate="none")).reason


def test_one_departing_cell_spoils_its_row() -> None:
    fast = processes("torch", 0.1)
    fast[1] = fast[1].model_copy(update={"certificate": "departs"})
    assert of(*fast, *processes("jax", 2.0)).engine == "jax"


def test_neither_open_nor_failed_nor_diverged_rows_are_recommended() -> None:
    good = processes("jax", 2.0)
    assert of(*processes("torch", 0.1, division="open"), *good).engine == "jax"
    assert of(*processes("torch", 0.1)[:2], cell("torch", status="crashed", repeat=2), *good).engine == "jax"
    assert of(*processes("torch", 0.1, diverged="the loss was nan"), *good).engine == "jax"


def test_nothing_finished_gives_a_reason_and_no_engine() -> None:
    advice = of(cell("torch", [], status="failed"))
    assert advice.engine is None
    assert advice.headline == "No recommendation can be given."
    assert advice.why == ["No cell was finished."]


def test_without_accuracy_the_test_loss_decides() -> None:
    worse = processes("torch", 0.1, network="a", test_accuracy=None, test_metrics={"loss": 2.0})
    better = processes("torch", 2.0, network="b", test_accuracy=None, test_metrics={"loss": 1.0})
    assert of(*worse, *better).network == "b"


def test_a_left_out_repeat_does_not_spoil_a_row() -> None:
    assert of(*processes("torch", 1.0), cell("torch", [], status="left out", repeat=3)).engine == "torch"


# -- larger inputs and deeper networks --------------------------------------------------------------
def sized(size: int, seconds: float, accuracy: float, **given: object) -> list[CellResult]:
    return processes(
        "torch", seconds, input_size=size, test_accuracy=accuracy, **{"test_examples": 12_630, **given}
    )


def test_a_small_input_is_enough_where_the_larger_brings_nothing_that_shows() -> None:
    advice = of(*sized(32, 1.0, 0.985), *sized(64, 3.9, 0.986))
    assert advice.input_size == 32
    assert advice.sentences == [
        "32 pixels are enough: 64 pixels cost 3.90 [3.84–3.96] times the time for +0.1 ± 0.3 points."
    ]
    (step,) = advice.steps
    assert (step["concerns"], step["verdict"]) == (True, "enough")
    assert (step["by"], step["network"], step["input_size"]) == ("input size", "net", 64)
    assert step["over"] == {"network": "net", "input_size": 32}
    assert step["cost"]["low"] < 3.9 < step["cost"]["high"]
    assert step["gain"]["low"] < 0 < step["gain"]["high"]


def test_few_test_examples_do_not_say_that_a_small_input_is_enough() -> None:
    advice = of(*sized(32, 1.0, 0.985, test_examples=430), *sized(64, 3.9, 0.986, test_examples=430))
    assert advice.sentences[0].startswith("No gain of 64 pixels over 32 pixels that this data can show")
    assert any("More test examples than 430" in change for change in advice.changes)


def test_each_size_is_set_against_the_last_that_gained() -> None:
    advice = of(*sized(32, 1.0, 0.90), *sized(48, 2.2, 0.95), *sized(64, 3.9, 0.95))
    assert advice.input_size == 48
    first, second = advice.sentences
    assert first.startswith("48 pixels bring +5.0 ± 0.6 points over 32 pixels, for 2.20 [")
    assert second.startswith("48 pixels are enough: 64 pixels cost 1.77 [")


def test_a_deeper_network_has_its_price_at_each_size() -> None:
    shallow = processes("torch", 1.0, network="resnet20", test_accuracy=0.95)
    advice = of(*shallow, *processes("torch", 1.6, network="resnet32", test_accuracy=0.948))
    assert advice.sentences[0].startswith("Resnet20 is enough at 32 pixels: resnet32 costs 1.60 [")
    assert "for −0.2 ± 0.6 points" in advice.sentences[0]
    assert of(*shallow, *processes("torch", 1.6, network="lenet5")).sentences == []


def learning(size: int, seconds: float, last_loss: float) -> list[CellResult]:
    """Trainings of equal accuracy whose loss ends at ``last_loss``, from 1 in the epoch before."""
    cells = sized(size, seconds, 0.985)
    for each in cells:
        each.epochs[-2].train_loss, each.epochs[-1].train_loss = 1.0, last_loss
    return cells


def test_what_was_stopped_while_it_learned_is_not_called_enough() -> None:
    advice = of(*learning(32, 1.0, 0.7), *learning(64, 3.9, 0.7))
    assert advice.sentences[0].startswith("Too early to tell 64 pixels from 32 pixels")
    assert advice.caveats[0].startswith(
        "¹ Training was not over: its loss still fell by 30 % in the last epoch."
    )
    advice = of(*learning(32, 1.0, 0.99), *learning(64, 3.9, 0.99))
    assert advice.sentences[0].startswith("32 pixels are enough")
    assert "not over" not in advice.reason


def test_sizes_of_several_networks_are_named() -> None:
    other = [c.model_copy(update={"network": "other"}) for c in (*sized(32, 1.0, 0.9), *sized(64, 3.9, 0.9))]
    advice = of(*sized(32, 1.0, 0.985), *sized(64, 3.9, 0.986), *other)
    assert advice.sentences[0].startswith("Net: 32 pixels are enough")
    assert any(sentence.startswith("Other: 32 pixels are enough") for sentence in advice.sentences)


# -- what would change it ---------------------------------------------------------------------------
def test_the_repeats_that_would_tell_two_engines_apart_are_counted() -> None:
    def noisy(engine: str, seconds: float, count: int) -> list[CellResult]:
        """Processes that differ evenly by up to 10 %."""
        times = [seconds * (0.9 + 0.2 * i / (count - 1)) for i in range(count)]
        return [cell(engine, [t] * 3, repeat=r) for r, t in enumerate(times)]

    advice = of(*noisy("torch", 1.0, 3), *noisy("jax", 1.1, 3))
    assert "ties" in advice.reason
    sentence = next(change for change in advice.changes if "more repeats would tell" in change)
    assert "torch" in sentence
    assert "jax" in sentence
    more = int(sentence.split()[1])
    assert 1 <= more <= 50
    assert "ties" not in of(*noisy("torch", 1.0, 3 + more), *noisy("jax", 1.1, 3 + more)).reason


def test_times_that_are_equal_need_no_more_repeats() -> None:
    advice = of(*processes("torch", 1.0), *processes("jax", 1.001))
    assert any(
        change.startswith("Not more repeats: torch and jax differ in time by less than 1 %")
        for change in advice.changes
    )


def test_what_another_preference_would_choose_has_its_price() -> None:
    lean = processes("jax", 1.4, peak_memory_bytes=300 * 2**20)
    advice = of(*processes("torch", 1.0), *lean)
    assert advice.engine == "torch"
    assert (
        "If memory counted most: jax, 300 MiB instead of 500 MiB, for 1.4 times the time." in advice.changes
    )


# -- stated weights ---------------------------------------------------------------------------------
def preferring(weights: str, *cells: CellResult, **given: Any) -> Recommendation:
    return recommend(rows(cells), preference=weights, **given)


def test_one_preference_decides_among_what_predicts_as_well() -> None:
    lean = processes("jax", 1.4, peak_memory_bytes=300 * 2**20)
    poor = processes("torch", 0.1, network="poor", test_accuracy=0.5, peak_memory_bytes=2**20)
    cells = [*processes("torch", 1.0), *lean, *poor]
    assert preferring("time", *cells).engine == "torch"
    assert preferring("time", *cells).network == "net"
    advice = preferring("memory", *cells)
    assert (advice.engine, advice.weights) == ("jax", {"memory": 1.0})
    assert advice.why[0].startswith("Best in memory, 300 MiB, of what is within noise of the best accuracy;")


def test_accuracy_with_a_weight_is_traded() -> None:
    """Twice the errors (5 %, 10 %) for a third of the time: worth it by weight 1, not by weight 2."""
    good = processes("torch", 3.0, network="good", test_accuracy=0.95)
    cells = [*good, *processes("torch", 1.0, network="quick", test_accuracy=0.90)]
    assert preferring("accuracy=1,time=1", *cells).network == "quick"
    assert preferring("accuracy=2,time=1", *cells).network == "good"
    assert preferring("accuracy", *cells).network == "good"


def test_the_weight_that_would_turn_the_choice_is_the_one_that_does() -> None:
    lean = processes("jax", 1.5, peak_memory_bytes=250 * 2**20)
    cells = [*processes("torch", 1.0), *lean]
    advice = preferring("time=2,memory=1", *cells)
    assert advice.engine == "torch"
    # 2 ln 1.5 = w ln 2 at w = 1.17.
    assert "With memory 1.2 times as important: jax." in advice.changes
    assert preferring("time=2,memory=1.16", *cells).engine == "torch"
    assert preferring("time=2,memory=1.18", *cells).engine == "jax"


def test_weights_that_change_nothing_are_said() -> None:
    best = processes("torch", 1.0, peak_memory_bytes=250 * 2**20)
    cells = [*best, *processes("jax", 1.5, peak_memory_bytes=500 * 2**20)]
    assert preferring("time=2,memory=1", *cells).changes == [
        "Not time or memory up to 4 times as important: it would be the same choice."
    ]
    assert preferring("time", *cells).changes == []
    assert preferring("time=2,memory=1", *best).changes == []


def test_a_score_within_the_noise_is_no_difference() -> None:
    advice = preferring("time", *processes("torch", 1.0), *processes("jax", 1.002))
    assert "No difference that this data can show from jax" in advice.reason
    advice = preferring("time", *processes("torch", 1.0), *processes("jax", 1.5))
    assert "No difference" not in advice.reason
    assert "The next, jax, costs 1.50 [1.48–1.52] times as much." in advice.reason


def test_latency_counts_where_it_was_measured() -> None:
    cells = [*processes("torch", 1.0), *processes("jax", 2.0)]
    entry = {"network": "net", "input_size": 32}
    measured = [
        {**entry, "engine": "torch", "latency_p50": 0.004},
        {**entry, "engine": "jax", "latency_p50": 0.002},
    ]
    advice = preferring("latency", *cells, criteria=measured)
    assert advice.engine == "jax"
    assert "Best in latency, 2 ms an answer," in advice.reason
    unknown = preferring("latency", *cells)
    assert unknown.engine == "torch"
    assert "Latency was not measured and not weighed" in unknown.caveats[0]


def test_weights_choose_among_proved_rows_only() -> None:
    quick = processes("torch", 0.1, certificate="departs")
    assert preferring("time", *quick, *processes("jax", 2.0)).engine == "jax"
    assert preferring("time", *quick).engine is None


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("speed", "there is no criterion 'speed'; there are accuracy, time, latency, memory"),
        ("time=fast", "the weight of time is 'fast', which is not a number"),
        ("time=-1", "the weight of time is -1; weights are 0 or more"),
        ("time=nan", "weights are 0 or more"),
        ("time,time=2", "time has two weights"),
        ("time=0", "no weight in 'time=0' is more than 0"),
    ],
)
def test_what_cannot_be_preferred_is_refused(text: str, sentence: str) -> None:
    with pytest.raises(CrosstrainError, match=sentence):
        weights(text)


# -- the front --------------------------------------------------------------------------------------
def on_the_front(*cells: CellResult, **given: Any) -> list[tuple[str, str]]:
    return [(row["network"], row["engine"]) for row in pareto(rows(cells), **given)]


def test_the_front_keeps_what_is_best_in_something() -> None:
    lean = processes("jax", 2.0, peak_memory_bytes=300 * 2**20)
    good = processes("torch", 9.0, network="good", test_accuracy=0.99)
    worse = processes("tensorflow", 3.0, peak_memory_bytes=600 * 2**20)
    front = on_the_front(*processes("torch", 1.0), *lean, *worse, *good)
    assert front == [("net", "torch"), ("net", "jax"), ("good", "torch")]


def test_a_tie_dominates_nothing() -> None:
    assert len(on_the_front(*processes("torch", 1.0), *processes("jax", 1.002))) == 2
    assert len(on_the_front(*processes("torch", 1.0), *processes("jax", 1.2))) == 1
    slightly = processes("jax", 1.0, peak_memory_bytes=505 * 2**20)
    assert len(on_the_front(*processes("torch", 1.0), *slightly)) == 2


def test_the_front_has_values_and_only_proved_rows() -> None:
    entry = {"network": "net", "input_size": 32, "engine": "torch", "latency_p50": 0.004}
    cells = [*processes("torch", 1.0), *processes("jax", 0.1, certificate="none")]
    (row,) = pareto(rows(cells), [entry])
    assert (row["engine"], row["latency_p50"], row["peak_memory_bytes"]) == ("torch", 0.004, 500 * 2**20)
    assert row["seconds_per_epoch"]["value"] == 1.0
    assert row["accuracy"]["low"] < 0.95 < row["accuracy"]["high"]


# -- what is required -------------------------------------------------------------------------------
def latencies(**seconds: float) -> list[dict[str, Any]]:
    return [{"network": "net", "input_size": 32, "engine": e, "latency_p50": s} for e, s in seconds.items()]


def test_what_is_too_slow_is_left_out() -> None:
    cells = [*processes("torch", 1.0), *processes("jax", 2.0)]
    criteria = latencies(torch=0.1, jax=0.02)
    assert recommend(rows(cells), criteria).engine == "torch"
    advice = recommend(rows(cells), criteria, requirement="fps>=25")
    assert (advice.engine, advice.required) == ("jax", ["fps>=25"])
    assert advice.why[-1] == "It meets fps>=25 (50 frames/s); torch does not."
    assert recommend(rows(cells), criteria, requirement="fps>=10,latency<=0.1").engine == "torch"
    assert recommend(rows(cells), criteria, "time", "latency<=0.05").engine == "jax"


def test_where_nothing_meets_it_the_closest_is_named() -> None:
    cells = [*processes("torch", 1.0), *processes("jax", 2.0)]
    advice = recommend(rows(cells), latencies(torch=0.1, jax=0.05), requirement="fps>=25")
    assert advice.engine is None
    closest = "No row meets fps>=25: jax with net at 32 pixels comes closest, 20 frames/s."
    assert (advice.why, advice.required) == ([closest], ["fps>=25"])
    unmeasured = recommend(rows(cells), requirement="fps>=25")
    assert unmeasured.why == ["No row meets fps>=25: no fps was measured."]
    both = recommend(rows(cells), latencies(torch=0.1, jax=0.02), requirement="fps>=25,time<=1.5")
    assert both.why == ["No row meets fps>=25 and time<=1.5 at once."]


@pytest.mark.parametrize(
    ("required", "engine"), [("memory<=400M", "jax"), ("accuracy>=90%", "torch"), ("time<=1.2", "torch")]
)
def test_memory_time_and_accuracy_can_be_required(required: str, engine: str) -> None:
    cells = [*processes("torch", 1.0), *processes("jax", 1.4, peak_memory_bytes=300 * 2**20)]
    assert recommend(rows(cells), requirement=required).engine == engine
