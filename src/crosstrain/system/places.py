"""Where crosstrain keeps what it makes for a user and can make again."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

VARIABLE = "CROSSTRAIN_CACHE"


def cache_root() -> Path:
    """``$CROSSTRAIN_CACHE``, else the user's cache folder. It need not exist yet."""
    chosen = os.environ.get(VARIABLE) or platformdirs.user_cache_path("crosstrain")
    return Path(chosen).expanduser().absolute()
