"""Pictures of what classical networks learn and do, as PNG, SVG or HTML files, and GIFs of what moves.

Each function takes plain arrays or a fitted estimator and the file to write, and returns the file's path:
``decision_boundary``, ``error_curve``, ``error_surface``, ``energy_landscape``, ``energy_course``,
``u_matrix``, ``hit_map``, ``component_planes``, ``recall``, ``filters``, ``courses``, ``tour``.
"""

from __future__ import annotations

from crosstrain.classic.pictures.courses import courses, tour
from crosstrain.classic.pictures.decision import decision_boundary
from crosstrain.classic.pictures.energy import energy_course, energy_landscape
from crosstrain.classic.pictures.errors import error_curve, error_surface, slice_through
from crosstrain.classic.pictures.filters import filters
from crosstrain.classic.pictures.maps import component_planes, hit_map, u_matrix
from crosstrain.classic.pictures.recall import recall

__all__ = [
    "component_planes",
    "courses",
    "decision_boundary",
    "energy_course",
    "energy_landscape",
    "error_curve",
    "error_surface",
    "filters",
    "hit_map",
    "recall",
    "slice_through",
    "tour",
    "u_matrix",
]
