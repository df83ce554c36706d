"""Whole comparisons, with tuning and criteria where they are asked for, and studies made of several.

``comparison`` drives one comparison; ``plan`` is a study in a TOML file, ``run`` drives it, ``original``
sets it beside what others have published.
"""
