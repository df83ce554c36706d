"""Caffe files (prototxt and caffemodel), written."""
