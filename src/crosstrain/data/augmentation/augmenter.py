"""Batches of training, augmented: the whole chain from prepared pictures to what a network is fed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from crosstrain.data.augmentation import mixing
from crosstrain.data.augmentation.colour import coloured
from crosstrain.data.augmentation.draws import Draws, Uniforms
from crosstrain.data.augmentation.geometry import Placement, centred, moves, placed
from crosstrain.data.augmentation.normalizing import normalized
from crosstrain.data.prepared import VOID

Arrays = Mapping[str, np.ndarray]


class Augmenter:
    """Applies checked settings of ``training.augmentation`` to examples of a data set.

    ``statistics`` are those of ``normalizing.fitted``. Several pictures of one example are changed alike.
    """

    def __init__(self, settings: Mapping[str, Any], statistics: Mapping[str, np.ndarray], seed: int) -> None:
        self.settings = settings
        self.statistics = statistics
        self.seed = seed
        self._epoch: tuple[int, Uniforms] | None = None

    def draws(self, epoch: int, examples: np.ndarray) -> Draws:
        """The random numbers of examples (their positions in the training part) in an epoch (from 0)."""
        if self._epoch is None or self._epoch[0] != epoch:
            self._epoch = epoch, Uniforms(self.seed, epoch)
        return self._epoch[1].of(examples)

    def batch(
        self, pictures: Arrays, targets: Arrays, epoch: int, examples: np.ndarray
    ) -> tuple[Arrays, Arrays]:
        """``pictures``, whole training arrays by name, at ``examples`` as training sees them, float32
        (N, H, W, C); and their targets: label maps (N, H, W) are moved with the pictures, what comes from
        beyond the edge being void, and mixing changes the others."""
        draws = self.draws(epoch, examples)
        kept = mixing.weights(self.settings, draws)
        changed = {name: self.pictures(array, examples, draws) for name, array in pictures.items()}
        return (
            {name: mixing.mixed(array, kept) for name, array in changed.items()},
            {
                name: self._maps(array, examples, draws)
                if _is_map(array)
                else mixing.mixed(array[examples], kept)
                for name, array in targets.items()
            },
        )

    def _maps(self, array: np.ndarray, examples: np.ndarray, draws: Draws) -> np.ndarray:
        place = placed(self.settings, draws, array.shape[1:3]) if moves(self.settings) else None
        return _maps_taken(array, examples, place)

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


def _is_map(target: np.ndarray) -> bool:
    return target.ndim == 3 and target.dtype.kind == "i"


def _maps_taken(array: np.ndarray, examples: np.ndarray, place: Placement | None) -> np.ndarray:
    if place is None:
        return np.asarray(array[examples])
    maps = np.empty((len(examples), *place.size), array.dtype)
    for row, example in enumerate(examples.tolist()):
        maps[row] = place.label_map(row, array[example].astype(np.uint8), VOID)
    return maps


def _taken(array: np.ndarray, examples: np.ndarray, place: Placement | None) -> np.ndarray:
    if place is None:
        return np.asarray(array[examples], np.float32)
    pictures = np.empty((len(examples), *place.size, array.shape[3]), np.float32)
    for row, example in enumerate(examples.tolist()):
        place.picture(row, array[example].astype(np.float32, copy=False), pictures[row])
    return pictures
