"""Engines for inference alone: each runs a trained network out of a file (ONNX, .tflite), one module each."""
