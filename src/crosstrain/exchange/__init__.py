"""Networks out of crosstrain and into it, in others' formats: ONNX, and what ``crosstrain export`` writes."""
