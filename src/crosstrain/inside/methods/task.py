"""The worker's task: everything that was asked for, computed on one engine and written as arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from crosstrain.data.prepared import Prepared, pair
from crosstrain.errors import CrosstrainError
from crosstrain.graph.graph import Graph
from crosstrain.inside.methods import backward, examples
from crosstrain.inside.methods.anatomy import Anatomy, Layer, anatomy
from crosstrain.inside.methods.machine import Machine
from crosstrain.inside.methods.occlusion import occlusion, probabilities
from crosstrain.system.files import read_arrays, write_arrays

Arrays = dict[str, np.ndarray]
ON_PICTURE = ("maps", "projection", "saliency", "guided", "grad-cam", "occlusion")
"""Views of one picture."""
ON_EXAMPLES = ("exciting", "features")
"""Views that need a data set."""
VIEWS = ("filters", *ON_PICTURE, *ON_EXAMPLES)


def run(job: Mapping[str, Any], emit: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """Compute ``job["views"]`` and write their arrays to ``job["out"]`` (``.npz``).

    The job has ``network_folder``, ``weights`` (``.npz``; None: the initial ones), ``pictures`` (``.npz``,
    with ``picture`` (H, W, C) where one is looked at), ``data_folder`` (None: no examples) with the
    ``positions`` of test examples, ``layer`` (None: the last that makes maps), ``target`` (a class; None: the
    likeliest), ``units``, ``best`` (examples for each unit) and ``square`` (pixels; None: a fifth of the
    picture). Gradients are in float64; what goes through many examples is in float32.
    """
    from crosstrain.engines.torch.inspector import Inspector

    graph, initial = Graph.load(Path(job["network_folder"]) / "network.json")
    weights = read_arrays(Path(job["weights"])) if job["weights"] else initial
    look = _Look(Inspector(graph, weights), anatomy(graph), job)
    picture = read_arrays(Path(job["pictures"])).get("picture")
    arrays = {**look.filters(), **look.of_picture(picture)}
    if job["data_folder"]:
        many = _Look(Inspector(graph, weights, "float32"), look.anatomy, job)
        inputs, _ = Prepared.load(Path(job["data_folder"])).arrays("test")
        pictures = inputs[pair([look.anatomy.input], inputs, "input")[look.anatomy.input]]
        arrays |= many.of_examples(pictures, np.asarray(job["positions"]), arrays.get("units"))
    write_arrays(Path(job["out"]), arrays)
    return {
        "layer": look.layer.name,
        "maps_of": look.map_layer and look.map_layer.name,
        "layers": [layer.name for layer in look.anatomy.layers],
        "target": look.target,
        "rectified": look.anatomy.rectified,
        "arrays": sorted(arrays),
    }


class _Look:
    """The views of one network."""

    def __init__(self, machine: Machine, inside: Anatomy, job: Mapping[str, Any]) -> None:
        self.machine, self.anatomy, self.job = machine, inside, job
        self.layer: Layer = inside.layer(job["layer"])
        self.map_layer = self._map_layer()
        self.target: int | None = None

    def filters(self) -> Arrays:
        """``filters`` (n, h, w, c): the first convolution's, or a first dense layer's weights as pictures."""
        if "filters" not in self.job["views"] or self.anatomy.kernel is None:
            return {}
        kernel = self._weight(self.anatomy.kernel)
        if kernel.ndim == 2:
            kernel = kernel.reshape(*self.anatomy.shape, -1)
        return {"filters": np.moveaxis(kernel, -1, 0)}

    def of_picture(self, picture: np.ndarray | None) -> Arrays:
        """The views of one picture; its class is settled first."""
        if picture is None:
            return {}
        batch = picture[None].astype(np.float64)
        known = probabilities(self.machine, self.anatomy, batch)[0]
        self.target = _target(self.job["target"], known)
        arrays: Arrays = {"probabilities": known}
        for view, compute in (
            ("maps", self._maps), ("projection", self._projection), ("saliency", self._saliency),
            ("guided", self._guided), ("grad-cam", self._grad_cam), ("occlusion", self._occlusion),
        ):  # fmt: skip
            if view in self.job["views"]:
                arrays |= compute(batch)
        return arrays

    def of_examples(self, pictures: np.ndarray, positions: np.ndarray, units: np.ndarray | None) -> Arrays:
        """``exciting`` (units, k), positions among ``pictures`` (N, H, W, C), their ``strengths``, and
        ``features`` (positions, F); only the examples at ``positions`` are gone through."""
        views = self.job["views"]
        arrays: Arrays = {}
        read = examples.activity(self.machine, self.anatomy, pictures, positions, self.layer)
        if "exciting" in views:
            if units is None:
                units = backward.strongest(read.peaks, self.job["units"])
            best, strengths = examples.most_exciting(read.peaks, units, self.job["best"])
            arrays |= {"units": units, "exciting": positions[best], "strengths": strengths}
        if "features" in views and read.features is not None:
            arrays["features"] = read.features
        return arrays

    # -- of one picture -----------------------------------------------------------------------------
    def _maps(self, picture: np.ndarray) -> Arrays:
        activity = self._activity(picture)
        units = backward.strongest(activity, self.job["units"])
        return {"units": units} | ({"maps": activity[..., units]} if activity.ndim == 3 else {})

    def _projection(self, picture: np.ndarray) -> Arrays:
        activity = self._activity(picture)
        units = backward.strongest(activity, self.job["units"])
        down = lambda kept: backward.projection(self.machine, self.anatomy, picture, self.layer, kept)
        single = [down(backward.alone(activity, int(unit))) for unit in units]
        return {"units": units, "projection": down(activity), "projections": np.stack(single)}

    def _saliency(self, picture: np.ndarray) -> Arrays:
        gradient = self._gradient(picture, "gradient")
        return {"gradient": gradient, "saliency": backward.saliency(gradient)}

    def _guided(self, picture: np.ndarray) -> Arrays:
        return {"guided": self._gradient(picture, "guided")}

    def _grad_cam(self, picture: np.ndarray) -> Arrays:
        if self.map_layer is None:
            return {}
        assert self.target is not None
        seen = backward.grad_cam(self.machine, self.anatomy, picture, self.target, self.map_layer)
        return {"grad-cam": seen}

    def _occlusion(self, picture: np.ndarray) -> Arrays:
        assert self.target is not None
        result = occlusion(self.machine, self.anatomy, picture, self.target, self.job["square"])
        return {
            "occlusion": result.loss, "covered": result.covered, "tops": result.tops, "lefts": result.lefts,
        }  # fmt: skip

    # -- help ---------------------------------------------------------------------------------------
    def _gradient(self, picture: np.ndarray, rule: str) -> np.ndarray:
        assert self.target is not None
        return backward.class_gradient(self.machine, self.anatomy, picture, self.target, rule)

    def _activity(self, picture: np.ndarray) -> np.ndarray:
        values = self.machine.values({self.anatomy.input: picture}, [self.layer.reference])
        return np.asarray(values[self.layer.reference][0])

    def _weight(self, reference: str) -> np.ndarray:
        """A weight's value, which may be computed from others."""
        blank = np.zeros((1, *self.anatomy.shape))
        return self.machine.values({self.anatomy.input: blank}, [reference])[reference]

    def _map_layer(self) -> Layer | None:
        """The layer of Grad-CAM: the one looked at if it has maps, else the last that makes some."""
        if len(self.layer.shape) == 3:
            return self.layer
        last = self.anatomy.layer(None)
        return last if last.makes_maps else None


def _target(target: int | None, known: np.ndarray) -> int:
    if target is None:
        return int(known.argmax())
    if not 0 <= target < len(known):
        raise CrosstrainError(f"there is no class {target}; the network has {len(known)}, from 0 on")
    return target
