"""What in a picture a unit or a class owes its value to: methods that go back through the network.

Pictures are (1, H, W, C). A class's score is its number before softmax or sigmoid.
"""

from __future__ import annotations

import numpy as np

from crosstrain.inside.methods.anatomy import Anatomy, Layer
from crosstrain.inside.methods.machine import Machine


def class_gradient(
    machine: Machine, anatomy: Anatomy, picture: np.ndarray, target: int, rule: str = "gradient"
) -> np.ndarray:
    """The score's gradient at the picture, (H, W, C).

    By the rule ``gradient`` it is that of Simonyan, Vedaldi and Zisserman (Deep Inside Convolutional
    Networks, 2013, section 3); by ``guided`` that of Springenberg et al. (2014).
    """
    pixels = f"%{anatomy.input}"
    seeds = {anatomy.score: _one_hot(anatomy.classes, target)}
    gradient = machine.gradients({anatomy.input: picture}, seeds, [pixels], rule)[pixels]
    return np.asarray(gradient[0])


def saliency(gradient: np.ndarray) -> np.ndarray:
    """The largest magnitude over the channels, (H, W) (Simonyan et al. 2013, section 3.1)."""
    return np.asarray(np.abs(gradient).max(axis=-1))


def grad_cam(
    machine: Machine, anatomy: Anatomy, picture: np.ndarray, target: int, layer: Layer
) -> np.ndarray:
    """Where a class is seen, (h, w) of the layer's maps, not negative.

    Σ over maps of ``weight · map``, rectified, a map's weight being the mean over its places of the score's
    gradient (Selvaraju et al., Grad-CAM, 2017, equations 1 and 2).
    """
    inputs = {anatomy.input: picture}
    maps = machine.values(inputs, [layer.reference])[layer.reference][0]
    seeds = {anatomy.score: _one_hot(anatomy.classes, target)}
    gradient = machine.gradients(inputs, seeds, [layer.reference])[layer.reference][0]
    return np.asarray(np.maximum(maps @ gradient.mean(axis=(0, 1)), 0))


def projection(
    machine: Machine, anatomy: Anatomy, picture: np.ndarray, layer: Layer, kept: np.ndarray
) -> np.ndarray:
    """A layer's activity projected down to the pixels by a deconvnet, (H, W, C) (Zeiler and Fergus,
    Visualizing and Understanding Convolutional Networks, 2014, section 2.1).

    ``kept``, of the layer's shape, is its activity with all units that are not looked at set to 0.
    Max-pooling is undone by its switches, rectifiers rectify what comes down, filters are transposed.
    """
    pixels = f"%{anatomy.input}"
    inputs = {anatomy.input: picture}
    below = machine.gradients(inputs, {layer.reference: kept[None]}, [pixels], "deconvnet")[pixels]
    return np.asarray(below[0])


def strongest(activity: np.ndarray, units: int) -> np.ndarray:
    """The units (last axis) with the largest values, the largest first; one number each."""
    peaks = activity.reshape(-1, activity.shape[-1]).max(axis=0)
    return np.argsort(-peaks, kind="stable")[:units]


def alone(activity: np.ndarray, unit: int) -> np.ndarray:
    """The activity with nothing left of it but the largest value of one unit."""
    flat = activity.reshape(-1, activity.shape[-1])
    kept = np.zeros_like(flat)
    place = int(flat[:, unit].argmax())
    kept[place, unit] = flat[place, unit]
    return kept.reshape(activity.shape)


def _one_hot(classes: int, target: int) -> np.ndarray:
    return np.asarray(np.eye(classes)[target][None])
