"""Grad-CAM by its definition, from Keras alone: ``python -m tests.inside.keras_grad_cam PICTURE.npz OUT.npy``
with Keras on PyTorch, float64. Weights as ``imported`` draws them for the seed in the file."""

from __future__ import annotations

import sys
from pathlib import Path

import keras
import numpy as np
import torch

from tests.inside.networks import imported, signs


def main(given: Path, out: Path) -> None:
    """(classes, h, w): Σ over maps of the mean gradient of a class's score before its softmax, times the map,
    rectified (Selvaraju et al. 2017)."""
    with np.load(given) as arrays:
        picture, seed = arrays["picture"], int(arrays["seed"])
    model = signs(last=None)
    imported(model, seed)
    maps = keras.Model(model.inputs, model.get_layer("conv2").output)(picture)
    maps = maps.detach().requires_grad_(True)
    scores = maps
    for layer in model.layers[model.layers.index(model.get_layer("conv2")) + 1 :]:
        scores = layer(scores)
    seen = []
    for score in scores[0]:
        (gradient,) = torch.autograd.grad(score, maps, retain_graph=True)
        weighted = (maps * gradient.mean(dim=(1, 2), keepdim=True)).sum(dim=-1)
        seen.append(torch.relu(weighted)[0].detach().cpu().numpy())
    np.save(out, np.stack(seen))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
