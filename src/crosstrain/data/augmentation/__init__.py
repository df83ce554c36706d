"""Augmentation of pictures, and of what belongs to them, by OpenCV: the same bytes for every engine.

``crosstrain.training.augmentation`` names the settings. Nothing here knows of networks or of processes.
"""
