"""What is trained on what: for each network and input size, its data and its definitions by seed."""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from crosstrain import data, zoo
from crosstrain.comparison.plan import labels
from crosstrain.comparison.progress.account import Account
from crosstrain.comparison.settings import Settings
from crosstrain.data.prepared import Prepared
from crosstrain.data.registry import parse
from crosstrain.data.trained_preparation import TrainedPreparation
from crosstrain.errors import CrosstrainError
from crosstrain.graph.cost import cost
from crosstrain.graph.foreign import FOREIGN, beside
from crosstrain.graph.graph import SEED
from crosstrain.results.rows import size_text
from crosstrain.results.schema import Size
from crosstrain.runs.definition import Definition, define, source
from crosstrain.training.spelling import BALANCED, MEDIAN, PictureSize

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Subject:
    """One network at one input size, with its data; ``definitions`` are by seed."""

    network: str
    size: Size
    data: Prepared
    definitions: dict[int, Definition] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.network if self.size is None else f"{self.network} at {size_text(self.size)}"

    @property
    def definition(self) -> Definition:
        """That of the first seed, which counts where seeds make no difference."""
        return next(iter(self.definitions.values()))

    @cached_property
    def macs(self) -> int:
        """Multiply-accumulates for one example."""
        return cost(self.definition.graph).macs


@dataclass(frozen=True)
class Refused:
    """A network at an input size that cannot be trained, and why."""

    network: str
    size: Size
    reason: str


class Workshop:
    """Prepares data and defines networks into ``folder``, each once; what is there already is kept.

    ``seed`` decides which examples the data holds out; it is one for all cells of a comparison, so that
    they are tested on the same examples.
    """

    def __init__(self, settings: Settings, folder: Path, tell: Tell, account: Account | None = None) -> None:
        self.settings = settings
        self.folder = folder / "networks"
        self.tell = tell
        self.account = account or Account()
        self._labels = labels(settings.networks)
        self._data: dict[tuple[Any, int | None], Prepared] = {}
        self._quarter = ("", 0)

    def subjects(self) -> Iterator[Subject | Refused]:
        """Each network at each of its sizes; one that does not fit comes as ``Refused``."""
        parse(self.settings.data)
        for network, size in self.settings.subjects():
            try:
                yield self._subject(network, size)
            except CrosstrainError as error:
                yield Refused(network, _square(size), str(error))

    def _subject(self, network: str, size: PictureSize | None) -> Subject:
        wanted: Any = size
        channels = None
        if size is None:
            wanted, channels = self._own_size(network)
        prepared = self._prepared(wanted, channels)
        subject = Subject(network, _size_of(prepared, wanted), prepared)
        for seed in range(self.settings.recipe.seed, self.settings.recipe.seed + self.settings.seeds):
            subject.definitions[seed] = self._definition(subject, seed)
        return subject

    def _own_size(self, network: str) -> tuple[Any, int | None]:
        """The picture size (and channels) that a network was made for; None leaves the data's own: arrays
        are not resized unless asked for, and networks and data without pictures have no such size."""
        if not parse(self.settings.data)[0].resized:
            return None, None
        if variant := zoo.variant(network):
            return (variant.input_shape[:2], None) if len(variant.input_shape) == 3 else (None, None)
        self.tell(f"Looking at {network}")
        try:
            with self._making(self.folder / f"{self._labels[network]}-own") as folder:
                definition = self._define(network, folder)
        except CrosstrainError:
            # It may need to be told the data's shape: then the data comes at its own size, and what is
            # wrong with the network shows when it is defined for it.
            return None, None
        inputs = [spec.shape[1:] for name, spec in definition.graph.inputs.items() if name != SEED]
        pictures = [shape for shape in inputs if len(shape) == 3 and None not in shape]
        if len(inputs) != 1 or not pictures:
            return None, None
        height, width, channels = pictures[0]
        return (height, width), channels if channels in (1, 3) else None

    def _prepared(self, size: Any, channels: int | None) -> Prepared:
        key = (size, channels)
        if key not in self._data:
            self.tell(f"Preparing {self.settings.data}" + (f" at {size_text(_square(size))}" if size else ""))
            if "mixup" in self.settings.recipe.augmentation:
                self.tell("Targets are mixed: classes become shares, which a categorical cross-entropy takes")
            with self.account.part("preparing"):
                self._data[key] = data.prepare(
                    self.settings.data,
                    size=size,
                    channels=channels,
                    progress=self._progress,
                    steps=self.settings.prepare,
                    split=self.settings.split,
                    limit=self.settings.limit,
                    augmentation=self.settings.recipe.augmentation,
                )
        return self._data[key]

    def _progress(self, done: int, total: int, what: str) -> None:
        """Report each quarter of a long preparation."""
        quarter = (what, 4 * done // max(total, 1))
        if total >= 5000 and 0 < quarter[1] < 4 and quarter != self._quarter:
            self._quarter = quarter
            self.tell(f"Preparing {self.settings.data}: {what}, {done:,} of {total:,}")

    def _definition(self, subject: Subject, seed: int) -> Definition:
        folder = self.folder / definition_name(self._labels[subject.network], subject.size, seed)
        if (folder / "definition.json").exists():
            return Definition.load(folder)
        self.tell(f"Defining {subject}" + (f", seed {seed}" if self.settings.seeds > 1 else ""))
        manifest = subject.data.manifest
        with self._making(folder):
            definition = self._define(
                subject.network,
                folder,
                input_shapes={name: spec["shape"] for name, spec in manifest["inputs"].items()},
                classes=classes_of(manifest),
                vocabulary=vocabulary_of(manifest),
                targets=subject.data.target_specs(),
                seed=seed,
                label_smoothing=self.settings.recipe.label_smoothing,
                class_weight=class_weights(self.settings.recipe.class_weight, manifest),
                kernel_initializer=self.settings.recipe.kernel_initializer,
            )
            TrainedPreparation.of(subject.data, self.settings.recipe.augmentation).save(folder)
            return definition

    def _define(self, network: str, folder: Path, **shapes: Any) -> Definition:
        losses = self.settings.recipe.to_json()["losses"]
        started = begun = time.monotonic()

        def imported(event: dict[str, Any]) -> None:
            nonlocal begun
            begun = time.monotonic()

        try:
            return define(
                source(network),
                folder=folder,
                losses=losses if shapes else None,
                trust=self.settings.trust,
                output=self.settings.output,
                weights=self.settings.weights if shapes else "",
                replace_head=self.settings.replace_head and bool(shapes),
                freeze_until=self.settings.freeze_until if shapes else "",
                whole=self.settings.whole,
                on_event=imported,
                **shapes,
            )
        finally:
            self.account.add("importing", begun - started)
            self.account.add("preparing", time.monotonic() - begun)

    @contextmanager
    def _making(self, folder: Path) -> Iterator[Path]:
        """A folder that is emptied, except for the logs, where its content cannot be completed."""
        try:
            yield folder
        except BaseException:
            for entry in folder.iterdir() if folder.is_dir() else ():
                if entry.name != "logs":
                    shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
            raise


def definition_name(label: str, size: Size, seed: int) -> str:
    """What the folder of a definition is called; ``label`` stands for the network (``plan.labels``)."""
    return f"{label}{'' if size is None else f'-{size_text(size)}'.replace('×', 'x')}-s{seed}"


def subject_of(settings: Settings, folder: Path, tell: Tell) -> Subject:
    """The first network of the settings with its data; ``CrosstrainError`` where they do not fit."""
    subject = next(Workshop(settings, folder, tell).subjects())
    if isinstance(subject, Refused):
        raise CrosstrainError(subject.reason)
    return subject


def class_weights(asked: Mapping[str, Any], manifest: Mapping[str, Any]) -> dict[str, float]:
    """The weights of classes that a recipe asks for, from the training part.

    Balanced ones are scikit-learn's (``compute_class_weight``): examples, of label maps pixels, / (classes ·
    those of the class). By median frequency, of label maps: the median of the frequencies over the class's
    own (Eigen and Fergus 2015, section 6.3.2).
    """
    if MEDIAN in asked:
        frequencies = manifest.get("class_frequency")
        if not frequencies:
            raise CrosstrainError(
                f"the data {manifest['spec']} has no label maps, so classes have no frequency; {BALANCED} is "
                "for one class for each example"
            )
        middle = float(np.median([each for each in frequencies if each]))
        return {str(c): middle / each for c, each in enumerate(frequencies) if each}
    if BALANCED not in asked:
        return dict(asked)
    counts = (manifest.get("class_counts") or {}).get("train") or (manifest.get("pixel_counts") or {}).get(
        "train"
    )
    if not counts:
        raise CrosstrainError(
            f"the data {manifest['spec']} has no one class for each example, so classes cannot be balanced"
        )
    present = sum(count > 0 for count in counts)
    return {str(c): sum(counts) / (present * count) for c, count in enumerate(counts) if count}


def classes_of(manifest: Mapping[str, Any]) -> int | None:
    """How many numbers a network answers with: a score for each class, or the numbers to predict."""
    specs = list(manifest["targets"].values())
    if len(specs) != 1:
        return None
    numbers = specs[0]["shape"] if specs[0]["dtype"] == "float32" else []
    return specs[0].get("classes") or (int(numbers[0]) if len(numbers) == 1 else None)


def vocabulary_of(manifest: Mapping[str, Any]) -> int | None:
    """How many numbers the tokens of the only input that is some can be; None where there is none."""
    sizes = [spec["vocabulary"] for spec in manifest["inputs"].values() if spec.get("vocabulary")]
    return sizes[0] if len(sizes) == 1 else None


def _square(size: Any) -> Size:
    """(32, 32) as 32, (32, 48) as [32, 48]."""
    if size is None or isinstance(size, int):
        return size
    height, width = size
    return int(height) if height == width else [int(height), int(width)]


def _size_of(prepared: Prepared, wanted: Any) -> Size:
    """The pictures' size as results tell it: from the data where nothing was asked for."""
    if wanted is not None:
        return _square(wanted)
    shapes = [spec["shape"] for spec in prepared.manifest["inputs"].values()]
    return _square(shapes[0][:2]) if len(shapes) == 1 and len(shapes[0]) == 3 else None


OWN = (".py", ".keras", ".h5", ".hdf5", *FOREIGN, ".npz", ".safetensors")
"""Endings of the user's own files."""


def source_hashes(settings: Settings) -> dict[str, str]:
    """SHA-256 of the user's own files (networks and losses): a change of them is a change of settings."""
    names = [*settings.networks, *filter(None, [settings.weights])]
    names += [loss.name for loss in (settings.recipe.losses or {}).values()]
    hashes = {}
    for name in names:
        path = Path(name.rpartition(":")[0] if ".py:" in name else name)
        if path.suffix in OWN and path.is_file():
            hashes[name] = hashlib.sha256(path.read_bytes()).hexdigest()
            for other in filter(Path.is_file, beside(path)):
                hashes[str(other)] = hashlib.sha256(other.read_bytes()).hexdigest()
    return hashes


def fingerprint(value: Any) -> str:
    """A short hash of anything that is JSON."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]
