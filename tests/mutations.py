"""Ways to damage files: their bytes, the members of zips, texts, and values in JSON."""

from __future__ import annotations

import copy
import io
import json
import math
import random
import zipfile
from collections.abc import Callable
from typing import Any

STRANGE_BYTES = (
    b"\x00",
    b"\xff",
    b"\xff\xff\xff\xff",
    b"\x00\x00\x00\x80",
    b"\xff\xff\xff\x7f",
    b"\n",
    b"PK",
)
STRANGE_TEXTS = (
    "", "0", "-1", "1e400", "nan", "inf", "9" * 40, "null", "true", "[", "]", "{", "}", '"', "=", ";", "\n",
    "\x00", "é", "../../x", "[[" * 40, "'" * 3, "1979-05-27",
)  # fmt: skip
STRANGE_VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2**31, 2**63, 10**30, 0.5, 1e308, math.nan, math.inf, "", "x",
    "../../x", "float64", [], {}, [[]], [None], [0], ["x"], {"class_name": "Dense"},
    {"class_name": "Dense", "config": None},
)  # fmt: skip
Mutation = Callable[[bytes, random.Random], bytes]


def damaged(data: bytes, rng: random.Random) -> bytes:
    """One to three changes anywhere: flipped bits, lost, doubled or foreign pieces, a cut end."""
    for _ in range(rng.randint(1, 3)):
        place = rng.randrange(len(data) + 1)
        length = min(rng.choice((1, 1, 2, 4, 16, 200)), len(data))
        kind = rng.randrange(6)
        if kind == 0 and place < len(data):
            data = data[:place] + bytes((data[place] ^ 1 << rng.randrange(8),)) + data[place + 1 :]
        elif kind == 1:
            strange = rng.choice(STRANGE_BYTES)
            data = data[:place] + strange + data[place + len(strange) :]
        elif kind == 2:
            data = data[:place] + data[place + length :]
        elif kind == 3:
            data = data[:place] + data[place : place + length] + data[place:]
        elif kind == 4:
            data = data[:place] + rng.randbytes(length) + data[place + length :]
        elif rng.random() < 0.3:
            data = data[:place]
    return data


def reworded(data: bytes, rng: random.Random) -> bytes:
    """A text with a field, a line or a piece replaced; now and then damaged as bytes."""
    if rng.random() < 0.2:
        return damaged(data, rng)
    lines = data.decode("utf-8", "replace").split("\n")
    row = rng.randrange(len(lines))
    kind = rng.randrange(4)
    if kind == 0:
        lines[row] = rng.choice(STRANGE_TEXTS)
    elif kind == 1:
        lines.insert(row, rng.choice(lines))
    else:
        separator = rng.choice((";", " = ", " ", ",", "."))
        parts = lines[row].split(separator)
        parts[rng.randrange(len(parts))] = rng.choice(STRANGE_TEXTS)
        lines[row] = separator.join(parts)
    return "\n".join(lines).encode("utf-8", "replace")


def other_value(data: bytes, rng: random.Random) -> bytes:
    """JSON with one to three values that are strange, missing or from elsewhere in it."""
    content = json.loads(data)
    for _ in range(rng.randint(1, 3)):
        places = _places(content)
        holder, key = rng.choice(places)
        kind = rng.randrange(3)
        if kind == 0 and isinstance(holder, dict):
            holder.pop(key, None)
        elif kind == 1:
            other, name = rng.choice(places)
            holder[key] = json.loads(json.dumps(other[name]))
        else:
            holder[key] = copy.deepcopy(rng.choice(STRANGE_VALUES))
    return json.dumps(content).encode()


def _places(value: Any) -> list[tuple[Any, Any]]:
    found: list[tuple[Any, Any]] = [({"": value}, "")]
    waiting = [value]
    while waiting:
        one = waiting.pop()
        pairs = one.items() if isinstance(one, dict) else enumerate(one) if isinstance(one, list) else ()
        for key, inner in pairs:
            found.append((one, key))
            waiting.append(inner)
    return found


def in_member(data: bytes, rng: random.Random) -> bytes:
    """A zip that is whole, with one member damaged, renamed or left out; now and then damaged itself."""
    if rng.random() < 0.25:
        return damaged(data, rng)
    with zipfile.ZipFile(io.BytesIO(data)) as given:
        members = {name: given.read(name) for name in given.namelist()}
    victim = rng.choice(list(members))
    content = members.pop(victim)
    if victim.endswith(".json") and rng.random() < 0.8:
        members[victim] = other_value(content, rng)
    elif (kind := rng.random()) < 0.1:
        members[rng.choice(("../" + victim, "/" + victim, victim + "x"))] = content
    elif kind > 0.15:
        members[victim] = damaged(content, rng)
    result = io.BytesIO()
    with zipfile.ZipFile(result, "w", rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))) as new:
        for name, content in members.items():
            new.writestr(name, content)
    return result.getvalue()
