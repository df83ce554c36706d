"""Takes the pictures of a report that the README and the docs show: light, dark, mistakes, and on a phone.

python docs/picture_report.py crosstrain-runs/traffic-signs docs/report

writes docs/report-light.png, -dark.png, -mistakes.png (where predictions were kept) and -phone.png. Needs
Playwright and Chromium, as the tests do.
"""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from playwright.sync_api import Browser, sync_playwright

from crosstrain.reporting.page import write_page

LARGEST = 300_000
"""Bytes of a picture: they lie in the repository."""
LEVELS = (256, 128, 64, 32, 18)
"""So many of each colour are tried until a picture is small enough."""


@dataclass(frozen=True)
class Shot:
    """One picture: what the screen is like, and the part of the page that it begins with."""

    name: str
    width: int
    height: int
    scheme: str
    section: str = ""
    scale: float = 1.0


SHOTS = (
    Shot("light", 1280, 1400, "light"),
    Shot("dark", 1280, 1100, "dark", "charts"),
    Shot("mistakes", 1280, 1000, "light", "mistakes"),
    Shot("phone", 390, 844, "light", scale=2.0),
)


def take(browser: Browser, page_file: Path, shot: Shot) -> bytes | None:
    """The visible part of the page as PNG; None where it has no such section."""
    size = {"width": shot.width, "height": shot.height}
    context = browser.new_context(viewport=size, color_scheme=shot.scheme, device_scale_factor=shot.scale)  # type: ignore[arg-type]
    page = context.new_page()
    page.goto(page_file.as_uri())
    page.wait_for_selector("html[data-ready]", state="attached")
    section = page.locator(f"#{shot.section}" if shot.section else "body")
    there = section.count() > 0
    if there:
        section.evaluate("part => part.scrollIntoView({behavior: 'instant'})")
    png = page.screenshot() if there else None
    context.close()
    return png


def smaller(png: bytes) -> bytes:
    """The picture with few enough levels of each colour that it is at most ``LARGEST`` bytes."""
    picture = np.asarray(cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR))
    for levels in LEVELS:
        step = 255 / (levels - 1)
        rounded = np.rint(np.rint(picture / step) * step).astype(np.uint8)
        found = cv2.imencode(".png", rounded, [cv2.IMWRITE_PNG_COMPRESSION, 9])[1].tobytes()
        if len(found) <= LARGEST:
            return found
    raise SystemExit(f"the picture has {len(found)} bytes, even with {LEVELS[-1]} levels of each colour")


def main(folder: Path, target: str) -> None:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        sys.exit("there is no chromium on this machine")
    page_file = write_page(folder).resolve()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for shot in SHOTS:
            png = take(browser, page_file, shot)
            if png is None:
                continue
            path = Path(f"{target}-{shot.name}.png")
            path.write_bytes(smaller(png))
            print(f"{path}: {path.stat().st_size:,} bytes")
        browser.close()


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), sys.argv[2])
