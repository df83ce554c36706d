"""The graph of a network as a picture: SVG, and PNG made from it."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from pathlib import Path

from crosstrain.errors import CrosstrainError
from crosstrain.reporting.network.folding import Box, Folded
from crosstrain.reporting.network.layout import Layout, layout
from crosstrain.system.files import write_bytes

FONT = "Helvetica, Arial, 'DejaVu Sans', 'Liberation Sans', sans-serif"
LETTER = 6.6
"""Pixels that a letter of the title is wide, at most on average."""
HEIGHT, PITCH, MARGIN, RADIUS = 38.0, 62.0, 28.0, 6.0
COLOURS = {
    "Conv": "#dbeafe", "Depthwise": "#cffafe", "Transposed": "#dbeafe", "Dense": "#ede9fe",
    "Attention": "#fae8ff",
    "Max pool": "#fee2e2", "Average pool": "#fee2e2", "Global average": "#fee2e2", "Add": "#dcfce7",
    "Concat": "#dcfce7", "Multiply": "#dcfce7", "Input": "#f3f4f6",
}  # fmt: skip
"""Fill by the beginning of the title."""
OTHER = "#fef9c3"
SCALE = 2.0
"""Pixels of a PNG for each of the SVG."""


def svg(folded: Folded, heading: str) -> str:
    """The drawing as SVG: a box for layers that follow each other, a frame around blocks that repeat."""
    titles = _titles(folded)
    widths = [max(LETTER * max(map(len, lines)), 60.0) + 20.0 for lines in titles]
    places = layout([box.inputs for box in folded.boxes], widths)
    middle = [x + MARGIN for x in places.across]
    top = [MARGIN + 34.0 + rank * PITCH for rank in places.ranks]
    right = max(x + w / 2 for x, w in zip(middle, widths, strict=True))
    points = [x + MARGIN for bends in places.bends.values() for x in bends]
    width = max([right, *points, LETTER * 1.2 * len(heading) + MARGIN]) + MARGIN + 34.0
    height = max(top) + HEIGHT + MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
        f'viewBox="0 0 {width:.0f} {height:.0f}" font-family="{FONT}" font-size="12">',
        f'<rect width="{width:.0f}" height="{height:.0f}" fill="white"/>',
        f'<text x="{MARGIN}" y="{MARGIN}" font-size="15" font-weight="bold">{escape(heading)}</text>',
        *_frames(folded, places, middle, widths, top),
        *_edges(folded, places, middle, top),
    ]
    for box, lines, x, y, w in zip(folded.boxes, titles, middle, top, widths, strict=True):
        parts.append(_box(box, lines, x, y, w))
    return "\n".join([*parts, "</svg>", ""])


def _titles(folded: Folded) -> list[tuple[str, str]]:
    """Two lines for each box: what it does, and its output."""
    names: dict[int, list[str]] = {}
    for name, place in folded.outputs.items():
        names.setdefault(place, []).append(name)
    lines = []
    for place, box in enumerate(folded.boxes):
        below = shape_text(box.output)
        if len(folded.outputs) > 1 and place in names:
            below = f"{', '.join(names[place])}: {below}"
        lines.append((box.title, below))
    return lines


def shape_text(shape: tuple[int | None, ...]) -> str:
    """A shape without the batch: ``56×56×64``."""
    return "×".join("?" if length is None else str(length) for length in shape) or "a number"


def _box(box: Box, lines: tuple[str, str], x: float, y: float, width: float) -> str:
    colour = next((fill for start, fill in COLOURS.items() if box.title.startswith(start)), OTHER)
    return (
        f"<g><title>{escape(box.name)}: {box.parameters:,} parameters, {box.macs:,} MACs</title>"
        f'<rect x="{x - width / 2:.1f}" y="{y:.1f}" width="{width:.1f}" height="{HEIGHT}" rx="{RADIUS}" '
        f'fill="{colour}" stroke="#4b5563"/>'
        f'<text x="{x:.1f}" y="{y + 16:.1f}" text-anchor="middle">{escape(lines[0])}</text>'
        f'<text x="{x:.1f}" y="{y + 31:.1f}" text-anchor="middle" fill="#4b5563" font-size="11">'
        f"{escape(lines[1])}</text></g>"
    )


def _edges(folded: Folded, places: Layout, middle: list[float], top: list[float]) -> list[str]:
    """A curve for each edge, through its bends, and an arrow at its end."""
    drawn = []
    for target, box in enumerate(folded.boxes):
        for source in box.inputs:
            x, y = middle[source], top[source] + HEIGHT
            path = [f"M{x:.1f} {y:.1f}"]
            for number, bend in enumerate(places.bends[source, target], 1):
                row = MARGIN + 34.0 + (places.ranks[source] + number) * PITCH
                path.append(_curve(x, y, bend + MARGIN, row))
                x, y = bend + MARGIN, row + HEIGHT
                path.append(f"L{x:.1f} {y:.1f}")
            path.append(_curve(x, y, middle[target], top[target] - 5))
            drawn.append(f'<path d="{" ".join(path)}" fill="none" stroke="#6b7280" stroke-width="1.3"/>')
        if box.inputs:
            x, y = middle[target], top[target]
            drawn.append(
                f'<path d="M{x - 4:.1f} {y - 7:.1f} L{x + 4:.1f} {y - 7:.1f} L{x:.1f} {y:.1f} Z" '
                'fill="#6b7280"/>'
            )
    return drawn


def _curve(x: float, y: float, to_x: float, to_y: float) -> str:
    half = (y + to_y) / 2
    return f"C{x:.1f} {half:.1f} {to_x:.1f} {half:.1f} {to_x:.1f} {to_y:.1f}"


def _frames(
    folded: Folded, places: Layout, middle: list[float], widths: list[float], top: list[float]
) -> list[str]:
    drawn = []
    for frame in folded.frames:
        inside = range(frame.first, frame.stop)
        left = min(middle[i] - widths[i] / 2 for i in inside)
        right = max(middle[i] + widths[i] / 2 for i in inside)
        bends = [
            x + MARGIN
            for (a, b), xs in places.bends.items()
            if b in inside and a >= frame.first - 1
            for x in xs
        ]
        left, right = min([left, *bends]) - 10, max([right, *bends]) + 10
        upper, lower = min(top[i] for i in inside) - 12, max(top[i] for i in inside) + HEIGHT + 8
        drawn.append(
            f'<rect x="{left:.1f}" y="{upper:.1f}" width="{right - left:.1f}" height="{lower - upper:.1f}" '
            'rx="10" fill="#f9fafb" stroke="#9ca3af" stroke-dasharray="5 4"/>'
            f'<text x="{right + 6:.1f}" y="{(upper + lower) / 2 + 5:.1f}" font-size="15" font-weight="bold">'
            f"×\N{NO-BREAK SPACE}{frame.count}</text>"
        )
    return drawn


def _png(text: str) -> bytes:
    import vl_convert

    return bytes(vl_convert.svg_to_png(text, scale=SCALE))


WRITERS: dict[str, Callable[[str], bytes]] = {".svg": str.encode, ".png": _png}
"""By the ending of the file."""


def check_drawing(path: Path) -> None:
    """Raise ``CrosstrainError`` where ``path`` is no place for a drawing."""
    if path.suffix.lower() not in WRITERS:
        raise CrosstrainError(f"cannot draw to {path}: name a file that ends in {' or '.join(WRITERS)}")
    if path.is_dir() or not path.absolute().parent.is_dir():
        raise CrosstrainError(f"cannot write {path}: name a file in an existing folder")


def draw(folded: Folded, heading: str, path: Path) -> None:
    """Write the drawing to ``path``, as its ending says: ``.svg`` or ``.png``."""
    check_drawing(path)
    write_bytes(path, WRITERS[path.suffix.lower()](svg(folded, heading)))
