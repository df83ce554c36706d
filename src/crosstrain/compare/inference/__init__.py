"""Comparing engines at inference: one trained network, served by each."""

from crosstrain.compare.inference.result import InferenceResult
from crosstrain.compare.inference.run import run
from crosstrain.compare.inference.settings import InferenceSettings, inference_settings

__all__ = ["InferenceResult", "InferenceSettings", "inference_settings", "run"]
