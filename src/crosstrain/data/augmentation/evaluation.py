"""The form of a prepared data set that evaluation sees: what augmentation does to every example alike.

Centres of pictures, normalised; class numbers as one-hot rows where targets are mixed. It is a prepared data
set of its own, in the cache, so that whoever evaluates, proves or serves needs to know nothing of
augmentation. Training takes its pictures from the data set it was made of.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from crosstrain.data.augmentation.augmenter import evaluated, evaluated_boxes, evaluated_maps
from crosstrain.data.augmentation.geometry import result_size
from crosstrain.data.augmentation.normalizing import Statistics, fitted
from crosstrain.data.cache import Cache
from crosstrain.data.images.decoding import one_by_one
from crosstrain.data.prepared import FORMAT, MANIFEST, SPLITS, Prepared, array_file, kept_file
from crosstrain.data.writing import create
from crosstrain.errors import CrosstrainError
from crosstrain.system.files import read_arrays, write_arrays, write_json
from crosstrain.training.augmentation import checked, parts, spelled

STATISTICS = "statistics.npz"
PIECE = 256
"""Examples that are in memory at a time."""


def evaluation_form(data: Prepared, augmentation: Mapping[str, Any], cache: Cache) -> Prepared:
    """The data set as evaluation sees it under ``augmentation``; ``data`` itself where that changes nothing.

    Its manifest has ``augmented_from``, the folder of ``data``, for ``training_form``. ``CrosstrainError``
    where an augmentation does not fit the data.
    """
    settings = checked(augmentation)
    check_fits(data, settings)
    lasting = {**parts(settings, "evaluated"), **parts(settings, "fitted")}
    if "mixup" in settings:
        lasting["mixup"] = True
    if not lasting:
        return data
    text = json.dumps({"format": FORMAT, "data": data.hash, "augmentation": lasting}, sort_keys=True)
    key = hashlib.sha256(text.encode()).hexdigest()
    name = data.folder.name.partition("-")[0]
    form = cache.obtain(f"{name}-{key[:32]}", lambda folder: _fill(folder, key, data, lasting))
    return Prepared(form.folder, {**form.manifest, "spec": data.manifest["spec"]}, form.cached)


def training_form(data: Prepared) -> tuple[Prepared, Statistics]:
    """What training takes its pictures from, and the statistics of it, for the data set that a job names."""
    source = data.manifest.get("augmented_from")
    if source is None:
        return data, {}
    return Prepared.load(data.folder.parent / source), read_arrays(data.folder / STATISTICS)


# -- whether it fits ----------------------------------------------------------------------------------
def check_fits(data: Prepared, settings: Mapping[str, Any]) -> None:
    """``CrosstrainError`` names the first augmentation that this data set cannot have."""
    if not settings:
        return
    spec = data.manifest["spec"]
    pictures = data.pictures()
    on_pictures = [name for name in settings if name != "mixup"]
    if on_pictures and not pictures:
        raise CrosstrainError(f"the augmentation {on_pictures[0]} works on pictures; {spec} has none")
    if "crop" in settings and data.regions():
        raise CrosstrainError(
            f"crop would cut the pictures away from the proposals of {spec}; leave it out, or the proposals"
        )
    for shape in pictures.values():
        height, width, channels = shape
        for name in ("crop", "cutout"):
            if settings.get(name, 0) > min(height, width):
                raise CrosstrainError(
                    f"{name}={settings[name]} is larger than the pictures of {spec}, which are "
                    f"{height}×{width}; name fewer pixels, or prepare larger pictures with --sizes"
                )
        for name in ("shift", "shift-x", "shift-y"):
            if settings.get(name, 0) >= max(height, width):
                raise CrosstrainError(
                    f"{name}={settings[name]} would move pictures of {height}×{width} out of sight"
                )
        for name in ("saturation", "hue"):
            if name in settings and channels != 3:
                raise CrosstrainError(f"{name} works on red, green and blue; {spec} has {channels} channels")
        if "pca-colour" in settings and channels > 4:
            raise CrosstrainError(
                f"pca-colour takes up to 4 channels; the pictures of {spec} have {channels}"
            )
    if len(pictures) > 1 and (fit := parts(settings, "fitted")):
        raise CrosstrainError(f"{next(iter(fit))} takes one input of pictures; {spec} has {len(pictures)}")
    if colour := parts(settings, "colour"):
        _check_range(data, next(iter(colour)), pictures)
    if "mixup" in settings:
        for name, target in data.manifest["targets"].items():
            _check_mixes(spec, name, target)


def _check_range(data: Prepared, name: str, pictures: Mapping[str, Any]) -> None:
    inputs, _ = data.arrays("train")
    for each in pictures:
        sample = inputs[each][:PIECE]
        if sample.min() < 0 or sample.max() > 1:
            raise CrosstrainError(
                f"{name} works on pictures with values from 0 to 1, those of {data.manifest['spec']} reach "
                f"from {sample.min():.3g} to {sample.max():.3g}; standardize with --augment standardize, "
                "which comes after colours, in place of --prepare"
            )


def _check_mixes(spec: str, name: str, target: Mapping[str, Any]) -> None:
    if target.get("boxes"):
        raise CrosstrainError(f"mixup mixes classes and numbers; the targets of {spec} are boxes")
    whole = target["dtype"].startswith("int")
    if whole and (target["shape"] or not target["classes"]):
        raise CrosstrainError(
            f"mixup mixes one class for each example, one-hot rows or numbers; the target {name!r} of {spec} "
            f"has integers of shape {tuple(target['shape'])}"
        )


# -- making it ----------------------------------------------------------------------------------------
def _fill(folder: Path, key: str, data: Prepared, settings: dict[str, Any]) -> None:
    inputs = data.manifest["inputs"]
    statistics: Statistics = {}
    pictures = list(data.pictures())
    shapes = {n: _shape(settings, s["shape"]) if n in pictures else s["shape"] for n, s in inputs.items()}
    changes = parts(settings, "evaluated")
    with one_by_one():
        if parts(settings, "fitted"):
            array = data.arrays("train")[0][pictures[0]]
            crop = {name: settings[name] for name in ("crop",) if name in settings}
            statistics = fitted(settings, partial(_pieces, array, crop), int(np.prod(shapes[pictures[0]])))
        for split in SPLITS:
            arrays, targets = data.arrays(split)
            for name, array in arrays.items():
                file = array_file(split, "input", name)
                if not changes or name not in pictures:
                    _link(data.folder / file, folder / file)
                    continue
                out = create(folder / file, (len(array), *shapes[name]), "float32")
                for start in range(0, len(array), PIECE):
                    out[start : start + PIECE] = evaluated(changes, array[start : start + PIECE], statistics)
                out.flush()
            for name, target in targets.items():
                if name in data.label_maps() and "crop" in changes:
                    _write_maps(folder / array_file(split, "target", name), target, changes)
                    continue
                if name in data.boxes() and "crop" in changes:
                    size = data.manifest["inputs"][pictures[0]]["shape"][:2]
                    out = create(folder / array_file(split, "target", name), target.shape, "float32")
                    out[...] = evaluated_boxes(changes, target, (size[0], size[1]))
                    out.flush()
                    continue
                _write_target(folder, data, split, name, target, soft="mixup" in settings)
    for path in data.folder.glob(kept_file("*")):
        _link(path, folder / path.name)
    write_arrays(folder / STATISTICS, statistics)
    manifest = {
        **data.manifest,
        "hash": key,
        "inputs": {n: {**s, "shape": shapes[n]} for n, s in inputs.items()},
        "targets": {n: _target_spec(s, settings) for n, s in data.manifest["targets"].items()},
        "augmented_from": data.folder.name,
        "augmentation": spelled(settings),
    }  # fmt: skip
    if only_scaled := _undoing(settings, statistics):
        manifest["standardized"] = {pictures[0]: only_scaled}
    write_json(folder / MANIFEST, manifest)


def _pieces(array: np.ndarray, crop: Mapping[str, Any]) -> Iterator[np.ndarray]:
    for start in range(0, len(array), PIECE):
        yield evaluated(crop, array[start : start + PIECE], {})


def _shape(settings: Mapping[str, Any], shape: list[int]) -> list[int]:
    return [*result_size(settings, (shape[0], shape[1])), shape[2]]


def _undoing(settings: Mapping[str, Any], statistics: Statistics) -> dict[str, list[float]] | None:
    """What a report needs to show the pictures as they were, where each channel was only scaled."""
    if set(parts(settings, "evaluated")) - {"crop", "center", "standardize"} or "mean" not in statistics:
        return None
    deviation = statistics["deviation"] if "standardize" in settings else np.ones_like(statistics["mean"])
    return {"mean": statistics["mean"].tolist(), "deviation": deviation.tolist()}


def _write_maps(path: Path, maps: np.ndarray, changes: Mapping[str, Any]) -> None:
    out = create(path, (len(maps), *result_size(changes, (maps.shape[1], maps.shape[2]))), str(maps.dtype))
    for start in range(0, len(maps), PIECE):
        out[start : start + PIECE] = evaluated_maps(changes, maps[start : start + PIECE])
    out.flush()


def _target_spec(spec: Mapping[str, Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    if spec.get("void") is not None:
        return {**spec, "shape": list(result_size(settings, (spec["shape"][0], spec["shape"][1])))}
    if "mixup" not in settings or not str(spec["dtype"]).startswith("int"):
        return dict(spec)
    return {**spec, "shape": [spec["classes"]], "dtype": "float32"}


def _write_target(
    folder: Path, data: Prepared, split: str, name: str, target: np.ndarray, *, soft: bool
) -> None:
    file = array_file(split, "target", name)
    classes = data.manifest["targets"][name]["classes"]
    if not soft or target.dtype.kind != "i":
        _link(data.folder / file, folder / file)
        return
    out = create(folder / file, (len(target), classes), "float32")
    out[np.arange(len(target)), target] = 1
    out.flush()


def _link(source: Path, target: Path) -> None:
    """The same file under a second name, or a copy where the disk has no links."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
