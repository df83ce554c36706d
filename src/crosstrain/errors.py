"""The one exception that users see as a sentence."""

from __future__ import annotations


class CrosstrainError(ValueError):
    """Wrong use or unusable input. The message says what is wrong, where, and what would be right; the
    command line prints it and exits with code 2."""
