"""Engines for inference alone: each runs a trained network out of a file, one module each.

ONNX Runtime, OpenVINO and OpenCV's DNN module read ONNX files; LiteRT reads .tflite files. They do not train
and know nothing of crosstrain's graphs: the exporters in ``exchange`` write the file, and the engine gets its
path, the number of threads and its own options. The reference for their outputs is the graph's own meaning in
NumPy, as for every engine.

Read ``opencv`` first, the shortest. What is measured: ``docs/inference.md``.
"""
