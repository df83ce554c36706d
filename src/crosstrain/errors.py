"""The exceptions that users see as one sentence."""

from __future__ import annotations


class CrosstrainError(ValueError):
    """Wrong use or unusable input. The message says what is wrong, where, and what would be right; the
    command line prints it and exits with code 2."""


class EngineMissingError(CrosstrainError):
    """An engine's framework is not installed; the message holds the command that installs it."""


class StorageError(OSError):
    """The disk does not take what has to be kept (full, over quota, read-only). One sentence says where;
    nothing half-written stays. The command line prints it and exits with code 1."""
