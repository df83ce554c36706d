"""The trainers: ``train_gd`` and the others, each a :class:`~crosstrain.classic.neurolab.core.Trainer`."""

from __future__ import annotations

from typing import Any

from crosstrain.classic.neurolab.core import Trainer
from crosstrain.classic.neurolab.train import delta, gd, lvq, spo, wta


def trainer(Train: Any, **kwargs: Any) -> Trainer:
    """A trainer of this algorithm, whose documentation is the algorithm's."""
    made = Trainer(Train, **kwargs)
    made.__doc__ = Train.__doc__
    return made


train_gd = trainer(gd.TrainGD)
train_gdm = trainer(gd.TrainGDM)
train_gda = trainer(gd.TrainGDA)
train_gdx = trainer(gd.TrainGDX)
train_rprop = trainer(gd.TrainRprop)

train_bfgs = trainer(spo.TrainBFGS)
train_cg = trainer(spo.TrainCG)
train_ncg = trainer(spo.TrainNCG)

train_wta = trainer(wta.TrainWTA)
train_cwta = trainer(wta.TrainCWTA)
train_lvq = trainer(lvq.TrainLVQ)
train_delta = trainer(delta.TrainDelta)
