"""R-CNN: regions with features of a convolutional network, and linear classifiers."""

from __future__ import annotations

from crosstrain.classic.regions.rcnn import RCNN
from crosstrain.classic.regions.warping import warped

__all__ = ["RCNN", "warped"]
