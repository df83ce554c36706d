"""Comparing engines at inference: one trained network, served by each."""

from crosstrain.inference.run import run
from crosstrain.inference.settings import InferenceSettings, inference_settings
from crosstrain.results.inference import InferenceResult

__all__ = ["InferenceResult", "InferenceSettings", "inference_settings", "run"]
