"""What is where in a picture, as boxes: their mathematics, anchors, suppression, and average precision.

Boxes are ``(ymin, xmin, ymax, xmax)`` in pixels of the prepared picture, edges half-open: the whole picture
of H×W is ``(0, 0, H, W)``. A data set's target is one array of a fixed shape, float32 (examples, most, 5): a
box and its class in each row; rows that stand for nothing are ``(0, 0, 0, 0, -1)`` (``truths.py``). What a
network answers becomes ``Detections`` by one rule for all engines (``heads.py``, ``suppression.py``).

Functions of arrays take NumPy's arrays, or tensors with ``ops=keras.ops``. NumPy is all that is imported
here.
"""
