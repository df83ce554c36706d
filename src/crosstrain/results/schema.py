"""The JSON of results: what ``--json`` writes and the folder keeps. Readers may meet further keys."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

FORMAT = 1

CellStatus = Literal[
    "done",
    "failed",
    "crashed",
    "timeout",
    "memory",
    "interrupted",
    "cannot",
    "missing",
    "left out",
    "pending",
]
CertificateStatus = Literal["proved", "departs", "cannot", "none"]
Size = int | list[int] | None


class _Open(BaseModel):
    """Unknown keys are kept: a newer worker may tell more than this version knows."""

    model_config = ConfigDict(extra="allow", allow_inf_nan=False)


class Epoch(_Open):
    """One pass over the training examples. ``train_seconds`` is the training clock alone."""

    train_seconds: float
    images_per_second: float
    train_loss: float | None = None
    validation_loss: float | None = None
    validation_accuracy: float | None = None

    def metric(self, name: str) -> Any:
        """``validation_loss``, ``validation_map_50``, …; of several outputs, whose keys are as
        ``validation_rois/map_50``, that of the first that has it. None where none has."""
        own = getattr(self, name, None)
        part, _, last = name.partition("_")
        others = (self.model_extra or {}).items()
        of_outputs = (v for key, v in others if key.startswith(f"{part}_") and key.endswith(f"/{last}"))
        return own if own is not None else next(of_outputs, None)


class Measure(_Open):
    """What a trained network is judged by, from 0 to 1, larger being better: a metric's name, what tables
    call it, its value on the test set, and its 95 % limits where they do not follow from the number of
    examples."""

    name: str
    title: str
    value: float | None = None
    low: float | None = None
    high: float | None = None


class CellResult(_Open):
    """One measurement: network × engine × device × input size × seed × repeat, in a process of its own.

    Times are seconds, memory bytes. ``status`` other than ``done`` comes with ``error``, a sentence;
    ``diverged`` is one too, of a training whose loss became no number, and ``stopped`` of one that ended
    early. ``test_…`` are of the last epoch's weights, ``best_test_…`` of those that validated best, where
    they are kept; ``measure`` is the task's main metric of the former, ``classes`` are the names of what
    label maps and boxes have; ``train_accuracy`` is that on a part of the training examples, in the end.
    ``train_seconds`` is this process's training; a cell that was taken up again has more in ``epochs``.
    ``other_load`` and ``stolen_load`` are what other processes and the hypervisor took of the cores
    meanwhile, in cores' worth; ``throttled`` counts how often a core was slowed for its heat. ``device_…``
    are a GPU's: the peak of the framework's own allocator, and apart from it what the driver held for the
    process; what others held of it, and their share of its time; ``device_throttled`` counts the seconds in
    which it was slowed for its heat. ``macs`` are the network's multiply-accumulates for one example.
    ``compilations_reused`` counts what an earlier process had compiled: ``compile_seconds`` are without it.
    ``twin`` numbers the rounding twins of a training (0: itself). ``workers`` have trained it together:
    ``communication_seconds`` of the training went into adding up their gradients, ``waiting_seconds`` of
    these into waiting for the slowest; ``apart`` tells in what it is another training than one worker's.
    """

    id: str
    network: str
    engine: str
    engine_version: str | None = None
    device: str = "cpu"
    precision: str = "float32"
    input_size: Size = None
    seed: int = 0
    repeat: int = 0
    twin: int = 0
    division: Literal["closed", "open"] = "closed"
    options: dict[str, Any] = Field(default_factory=dict)
    status: CellStatus
    error: str | None = None
    certificate: CertificateStatus = "none"
    epochs: list[Epoch] = Field(default_factory=list)
    best_epoch: int | None = None
    stopped: str | None = None
    diverged: str | None = None
    train_seconds: float = 0.0
    import_seconds: float = 0.0
    compile_seconds: float = 0.0
    compilations_reused: int = 0
    workers: int = 1
    communication_seconds: float | None = None
    waiting_seconds: float | None = None
    apart: list[str] = Field(default_factory=list)
    prepare_seconds: float = 0.0
    evaluate_seconds: float = 0.0
    wall_seconds: float = 0.0
    test_accuracy: float | None = None
    best_test_accuracy: float | None = None
    train_accuracy: float | None = None
    measure: Measure | None = None
    classes: list[str] = Field(default_factory=list)
    test_examples: int = 0
    test_metrics: dict[str, Any] = Field(default_factory=dict)
    best_test_metrics: dict[str, Any] = Field(default_factory=dict)
    peak_memory_bytes: int | None = None
    other_load: float | None = None
    stolen_load: float | None = None
    throttled: int | None = None
    megahertz: float | None = None
    device_allocated_bytes: int | None = None
    device_driver_bytes: int | None = None
    device_other_bytes: int | None = None
    device_utilisation: float | None = None
    device_other_load: float | None = None
    device_megahertz: float | None = None
    device_throttled: int | None = None
    batch_size: int | None = None
    parameters: int | None = None
    macs: int | None = None
    graph_hash: str | None = None
    data_hash: str | None = None
    notes: list[str] = Field(default_factory=list)

    def complete(self, epochs: int) -> bool:
        """Whether a training of so many epochs has nothing left to do."""
        return len(self.epochs) == epochs or bool(self.stopped and len(self.epochs) < epochs)

    @property
    def score(self) -> float | None:
        """The main metric's value: the accuracy, unless ``measure`` says otherwise."""
        return self.test_accuracy if self.measure is None else self.measure.value

    @property
    def title(self) -> str:
        """What the main metric is called."""
        return "accuracy" if self.measure is None else self.measure.title

    @property
    def best_score(self) -> float | None:
        """The main metric of the weights that validated best."""
        if self.measure is None or self.measure.name == "accuracy":
            return self.best_test_accuracy
        value: float | None = test_metric(self.best_test_metrics, self.measure.name)
        return value

    @property
    def epoch_seconds(self) -> list[float]:
        return [epoch.train_seconds for epoch in self.epochs]


class ClassicalResult(_Open):
    """One fit of a classical estimator, in a process of its own, on the training examples of the networks,
    and tested on their test examples.

    Times are seconds, memory bytes. ``estimator`` is how it is written, ``classic:NAME:…``;
    ``predict_seconds`` are for all test examples. It is another network, trained by its own rule: there is no
    certificate. ``notes`` are its warnings.
    """

    id: str
    estimator: str
    division: Literal["classic"] = "classic"
    input_size: Size = None
    seed: int = 0
    repeat: int = 0
    threads: int | None = None
    status: CellStatus
    error: str | None = None
    fit_seconds: float | None = None
    predict_seconds: float | None = None
    iterations: int | None = None
    test_accuracy: float | None = None
    test_examples: int = 0
    peak_memory_bytes: int | None = None
    data_hash: str | None = None
    notes: list[str] = Field(default_factory=list)


class CertificateResult(_Open):
    """A certificate of one network at one input size; errors are norm-wise and relative (``"inf"`` and
    ``"nan"`` where they are not finite)."""

    network: str
    input_size: Size = None
    engine: str
    precision: str
    status: Literal["proved", "departs", "cannot"]
    outputs: float | str | None = None
    loss: float | str | None = None
    gradients: float | str | None = None
    weights_after_steps: float | str | None = None
    first_departure: dict[str, Any] | None = None
    reason: str = ""


class Recommendation(_Open):
    """What to take, and why; everything None where nothing can be recommended.

    ``headline`` says what to take with that row's own numbers, ``why`` in at most three sentences why this
    network, why this engine and how sure that is, and in one more what ``--require`` leaves out; ``caveats``
    begin with the mark (¹) that stands at the numbers which they concern. ``reason`` is all of these in one
    paragraph. ``sentences`` tell what larger inputs and deeper networks cost and bring, what concerns the
    choice first (as data in ``steps``), ``changes`` what would change the choice; ``weights`` are those of
    ``--prefer``, ``required`` what ``--require`` says.
    """

    engine: str | None = None
    network: str | None = None
    input_size: Size = None
    reason: str
    headline: str = ""
    why: list[str] = Field(default_factory=list)
    caveats: list[str] = Field(default_factory=list)
    sentences: list[str] = Field(default_factory=list)
    changes: list[str] = Field(default_factory=list)
    weights: dict[str, float] = Field(default_factory=dict)
    required: list[str] = Field(default_factory=list)
    steps: list[dict[str, Any]] = Field(default_factory=list)


class Wall(_Open):
    """Where a comparison's wall time went, in seconds. ``proving`` contains the engines' own work for the
    certificates; ``preparing`` is data and definitions; ``criteria`` is what else decides (``--criteria``);
    ``rest`` is crosstrain's own cost."""

    total: float = 0.0
    training: float = 0.0
    compiling: float = 0.0
    importing: float = 0.0
    evaluating: float = 0.0
    proving: float = 0.0
    preparing: float = 0.0
    criteria: float = 0.0

    @property
    def rest(self) -> float:
        used = self.training + self.compiling + self.importing + self.evaluating
        return max(self.total - used - self.proving - self.preparing - self.criteria, 0.0)

    @property
    def own_share(self) -> float:
        """The share of the time, proofs and criteria apart, in which no framework worked: preparing and the
        rest."""
        apart = self.total - self.proving - self.criteria
        return (self.preparing + self.rest) / apart if apart > 0 else 0.0


class SearchTrial(_Open):
    """One training of a search. ``values`` are by keyword, as ``learning_rate``; ``score`` is None where it
    did not end well, which ``error`` explains; ``seconds`` are those of its process."""

    values: dict[str, Any]
    state: CellStatus | Literal["diverged"]
    score: float | None = None
    seconds: float = 0.0
    error: str | None = None


class SearchResult(_Open):
    """A search for the best settings, on one engine, before the comparison: ``space`` is what was searched,
    by keyword, ``measure`` what the score is, of which more is better, ``best`` the index of the trial whose
    values the comparison has. The trials are in ``folder``."""

    engine: str
    space: dict[str, str]
    measure: str
    trials: list[SearchTrial]
    best: int
    folder: str

    @property
    def best_trial(self) -> SearchTrial:
        return self.trials[self.best]


class ComparisonResult(_Open):
    """The whole of a comparison, or with ``running`` what there was of it while it ran."""

    format: int = FORMAT
    running: bool = False
    crosstrain: str
    folder: str
    cells: list[CellResult]
    certificates: list[CertificateResult] = Field(default_factory=list)
    rows: list[dict[str, Any]] = Field(default_factory=list)
    recommendation: Recommendation
    machine: dict[str, Any] = Field(default_factory=dict)
    data: dict[str, Any] = Field(default_factory=dict)
    settings: dict[str, Any] = Field(default_factory=dict)
    wall: dict[str, float] = Field(default_factory=dict)
    stability: list[dict[str, Any]] = Field(default_factory=list)
    growth: list[dict[str, Any]] = Field(default_factory=list)
    ratios: list[dict[str, Any]] = Field(default_factory=list)
    criteria: list[dict[str, Any]] = Field(default_factory=list)
    tuning: list[dict[str, Any]] = Field(default_factory=list)
    front: list[dict[str, Any]] = Field(default_factory=list)
    twins: list[CellResult] = Field(default_factory=list)
    rounding: dict[str, Any] = Field(default_factory=dict)
    classical: list[ClassicalResult] = Field(default_factory=list)
    search: SearchResult | None = None
    forecasts: dict[str, Any] = Field(default_factory=dict)
    notes: list[str] = Field(default_factory=list)


def test_metric(metrics: Mapping[str, Any], name: str) -> Any:
    """The metric ``name`` of the first output that has it; None where none has."""
    return next((each for key, each in metrics.items() if key == name or key.endswith(f"/{name}")), None)


def finite(value: Any) -> Any:
    """``value`` with what JSON has no number for (NaN, infinities) as None."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [finite(each) for each in value]
    return value
