"""What a backtest left in its folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from crosstrain.errors import CrosstrainError

FILE = "backtest.json"


def load_backtest(folder: Path) -> dict[str, Any] | None:
    """The record of a backtest in ``folder`` (``studies.backtest.Backtest.to_json``); None where there is
    none. ``CrosstrainError`` for a damaged one."""
    path = folder / FILE
    try:
        data = json.loads(path.read_bytes())
        if {"data", "ends", "entries", "parts"} <= set(data) and len(data["ends"]) == len(data["parts"]):
            return dict(data)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise CrosstrainError(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, TypeError):  # no JSON, or not a backtest's
        pass
    raise CrosstrainError(f"{path} is damaged; run the backtest again to write it anew")
