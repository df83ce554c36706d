"""Metrics of single tasks: label maps, boxes, texts that are read, captions."""
