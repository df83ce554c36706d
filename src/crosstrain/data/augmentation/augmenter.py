"""Batches of training, augmented: the whole chain from prepared pictures to what a network is fed."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from crosstrain.data.augmentation import mixing
from crosstrain.data.augmentation.colour import coloured
from crosstrain.data.augmentation.draws import Draws, Uniforms
from crosstrain.data.augmentation.geometry import Placement, centred, moves, placed
from crosstrain.data.augmentation.normalizing import normalized
from crosstrain.data.prepared import VOID
from crosstrain.data.source import Size
from crosstrain.detection.truths import compacted

Arrays = Mapping[str, np.ndarray]


class Augmenter:
    """Applies checked settings of ``training.augmentation`` to examples of a data set.

    ``statistics`` are those of ``normalizing.fitted``, ``boxes`` the names of the targets that are boxes.
    Several pictures of one example are changed alike.
    """

    def __init__(
        self,
        settings: Mapping[str, Any],
        statistics: Mapping[str, np.ndarray],
        seed: int,
        boxes: Collection[str] = (),
    ) -> None:
        self.settings = settings
        self.statistics = statistics
        self.seed = seed
        self.boxes = boxes
        self._epoch: tuple[int, Uniforms] | None = None

    def draws(self, epoch: int, examples: np.ndarray) -> Draws:
        """The random numbers of examples (their positions in the training part) in an epoch (from 0)."""
        if self._epoch is None or self._epoch[0] != epoch:
            self._epoch = epoch, Uniforms(self.seed, epoch)
        return self._epoch[1].of(examples)

    def batch(
        self,
        pictures: Arrays,
        targets: Arrays,
        epoch: int,
        examples: np.ndarray,
        regions: Arrays = MappingProxyType({}),
    ) -> tuple[Arrays, Arrays]:
        """``pictures``, whole training arrays by name, at ``examples`` as training sees them, float32
        (N, H, W, C); and their targets: label maps (N, H, W) are moved with the pictures, what comes from
        beyond the edge being void, boxes (N, most, 5) likewise, those of which little remains being left out,
        and mixing changes the others. ``regions``, inputs (N, n, 4) that are shares of the pictures' sides,
        are moved too and are among the pictures then; one of which little remains is zeros."""
        draws = self.draws(epoch, examples)
        kept = mixing.weights(self.settings, draws)
        size = next((array.shape[1:3] for array in pictures.values()), (0, 0))
        changed = {name: self.pictures(array, examples, draws) for name, array in pictures.items()}
        place = placed(self.settings, draws, size) if moves(self.settings) else None
        return (
            {name: mixing.mixed(array, kept) for name, array in changed.items()}
            | {name: _regions_taken(array, examples, place, size) for name, array in regions.items()},
            {name: self._target(name, array, examples, place, kept) for name, array in targets.items()},
        )

    def _target(
        self, name: str, array: np.ndarray, examples: np.ndarray, place: Placement | None, kept: Any
    ) -> np.ndarray:
        moved = name in self.boxes or _is_map(array)
        if not moved:
            return mixing.mixed(array[examples], kept)
        return (_boxes_taken if name in self.boxes else _maps_taken)(array, examples, place)

    def pictures(self, array: np.ndarray, examples: np.ndarray, draws: Draws) -> np.ndarray:
        """Pictures before they are mixed: moved, coloured, normalised, cut."""
        place = placed(self.settings, draws, array.shape[1:3]) if moves(self.settings) else None
        pictures = _taken(array, examples, place)
        coloured(self.settings, draws, pictures, self.statistics.get("colours"))
        normalized(self.settings, pictures, self.statistics)
        mixing.cut_out(self.settings, draws, pictures)
        return pictures


def evaluated(
    settings: Mapping[str, Any], pictures: np.ndarray, statistics: Mapping[str, np.ndarray]
) -> np.ndarray:
    """Pictures (N, H, W, C) as evaluation sees them, float32: the centre, normalised."""
    place = centred(settings, len(pictures), pictures.shape[1:3]) if "crop" in settings else None
    result = _taken(pictures, np.arange(len(pictures)), place)
    normalized(settings, result, statistics)
    return result


def evaluated_maps(settings: Mapping[str, Any], maps: np.ndarray) -> np.ndarray:
    """Label maps (N, H, W) as evaluation sees them: the centre."""
    place = centred(settings, len(maps), maps.shape[1:3]) if "crop" in settings else None
    return _maps_taken(maps, np.arange(len(maps)), place)


def evaluated_boxes(settings: Mapping[str, Any], boxes: np.ndarray, size: Size) -> np.ndarray:
    """Boxes (N, most, 5) of pictures of ``size`` (height, width) as evaluation sees them: the centre."""
    place = centred(settings, len(boxes), size) if "crop" in settings else None
    return _boxes_taken(boxes, np.arange(len(boxes)), place)


def _is_map(target: np.ndarray) -> bool:
    return target.ndim == 3 and target.dtype.kind == "i"


def _maps_taken(array: np.ndarray, examples: np.ndarray, place: Placement | None) -> np.ndarray:
    if place is None:
        return np.asarray(array[examples])
    maps = np.empty((len(examples), *place.size), array.dtype)
    for row, example in enumerate(examples.tolist()):
        maps[row] = place.label_map(row, array[example].astype(np.uint8), VOID)
    return maps


def _boxes_taken(array: np.ndarray, examples: np.ndarray, place: Placement | None) -> np.ndarray:
    taken = np.array(array[examples])
    for row, own in enumerate(taken if place is not None else ()):
        assert place is not None
        own[:, :4][:, [1, 0, 3, 2]], kept = place.boxes(row, own[:, [1, 0, 3, 2]])
        taken[row] = compacted(own, kept & (own[:, 4] >= 0))
    return taken


def _regions_taken(
    array: np.ndarray, examples: np.ndarray, place: Placement | None, size: Size
) -> np.ndarray:
    taken = np.array(array[examples])
    sides = np.asarray([size[1], size[0]] * 2, np.float32)
    for row, own in enumerate(taken if place is not None else ()):
        assert place is not None
        moved, kept = place.boxes(row, own[:, [1, 0, 3, 2]] * sides)
        own[:, [1, 0, 3, 2]] = np.where(kept[:, None], moved / (place.size[::-1] * 2), 0)
    return taken


def _taken(array: np.ndarray, examples: np.ndarray, place: Placement | None) -> np.ndarray:
    if place is None:
        return np.asarray(array[examples], np.float32)
    pictures = np.empty((len(examples), *place.size, array.shape[3]), np.float32)
    for row, example in enumerate(examples.tolist()):
        place.picture(row, array[example].astype(np.float32, copy=False), pictures[row])
    return pictures
