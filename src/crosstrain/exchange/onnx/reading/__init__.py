"""ONNX models as graphs: opsets 1 to the newest of the installed onnx."""
