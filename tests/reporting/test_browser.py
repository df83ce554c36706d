"""The report in a real browser: what it draws, what it lets in, and who can use it."""

from __future__ import annotations

import json
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from crosstrain.comparison.progress.publish import Published
from crosstrain.comparison.progress.watch import Silent
from crosstrain.reporting import page as report
from crosstrain.reporting.serving import open_server
from crosstrain.system.files import write_json
from tests.reporting.making import CLASSES, IMAGE, SCRIPT, SECONDS, comparison

sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = [
    pytest.mark.skipif(
        CHROMIUM is None, reason="there is no chromium on this machine (apt install chromium)"
    ),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # Playwright's own pipes
]
ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
DESKTOP = {"width": 1280, "height": 900}
PHONE = {"width": 320, "height": 640}
PAPER = {"width": 718, "height": 1000}
"""A4 with margins of 1 cm, in CSS pixels."""
ROWS = "#key-table tbody tr"
TIMEOUT = 15_000
UNFOLD = "for (const each of document.querySelectorAll('details')) each.open = true"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A comparison full of hostile names, with its report."""
    path = tmp_path_factory.mktemp("report") / "out"
    comparison(path)
    report.write_page(path)
    return path


@dataclass
class Opened:
    """A page and all that it did which a report must not do."""

    page: Any
    faults: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def drawn(self) -> Opened:
        self.page.wait_for_selector("html[data-ready]", state="attached", timeout=TIMEOUT)
        return self

    def act(self, action: Callable[[], Any]) -> None:
        """Do something after which the charts are drawn again, and wait for that."""
        # A mark on the drawings goes away with them.
        self.page.evaluate("for (const s of document.querySelectorAll('.chart svg')) s.dataset.old = 1")
        action()
        charts = "[...document.querySelectorAll('.chart:not([hidden])')]"
        self.until(f"{charts}.every(c => c.querySelector('svg:not([data-old])'))")
        self.drawn()

    def until(self, condition: str) -> None:
        """Wait until JavaScript finds it true. Playwright's own waiting needs ``eval``, which the page
        forbids."""
        end = time.monotonic() + TIMEOUT / 1000
        while not self.page.evaluate(condition):
            assert time.monotonic() < end, f"never came: {condition}"
            self.page.wait_for_timeout(25)

    def axe(self, context: str | None = None) -> list[str]:
        """Serious and critical violations in a part of the page (default: all), with where they are."""
        from axe_playwright_python.sync_playwright import Axe

        violations = Axe().run(self.page, context, {"resultTypes": ["violations"]}).response["violations"]
        return [
            f"{v['id']}: {v['help']}: {[n['html'][:120] for n in v['nodes'][:3]]}"
            for v in violations
            if v["impact"] in ("serious", "critical")
        ]


@pytest.fixture
def opened(browser: Any) -> Iterator[Callable[..., Opened]]:
    """Opens addresses in contexts of their own; at the end nothing may have gone wrong in any of them."""
    pages: list[Opened] = []

    def open_(address: str, **context: Any) -> Opened:
        place = browser.new_context(**{"viewport": DESKTOP, **context})
        page = place.new_page()
        one = Opened(page)
        page.on("console", lambda m: one.faults.append(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda error: one.faults.append(str(error)))
        page.on("dialog", lambda dialog: (one.faults.append(f"dialog {dialog.message}"), dialog.dismiss()))
        place.on("request", lambda request: one.requests.append(request.url))
        pages.append(one)
        page.goto(address)
        return one.drawn()

    yield open_
    for one in pages:
        one.page.context.close()
        assert one.faults == []


@pytest.fixture
def shown(opened: Callable[..., Opened], folder: Path) -> Opened:
    """The report as a file, without a network."""
    return opened((folder / "report.html").as_uri(), offline=True)


def colours(page: Any) -> tuple[str, set[str]]:
    """The background of the page, and those of its charts."""
    back = page.evaluate("getComputedStyle(document.body.parentElement).backgroundColor")
    charts = page.evaluate(
        "[...document.querySelectorAll('.chart svg')].map(s => getComputedStyle(s).backgroundColor)"
    )
    return back, set(charts)


# -- what it shows ------------------------------------------------------------------------------------
def test_every_chart_draws_and_nothing_leaves_the_file(shown: Opened, folder: Path) -> None:
    charts = shown.page.locator("figure[data-chart]")
    names = [charts.nth(i).get_attribute("data-chart") for i in range(charts.count())]
    assert {"time-by-size", "time-by-network", "accuracy-by-time", "latency", "memory", "tuning"} <= set(
        names
    )
    for name in names:
        marks = shown.page.locator(f"#chart-{name} svg [class*='mark-'] > path")
        # Axes are marks too: those of the data stand in the plot's own group.
        data = shown.page.locator(f"#chart-{name} svg .mark-group .role-mark path")
        assert marks.count() > 0, name
        assert data.count() > 0, f"{name} has axes and nothing in them"
        assert shown.page.locator(f"[data-chart='{name}'] table tbody tr").count() > 0, name
    others = [u for u in shown.requests if not u.startswith(("data:", "blob:"))]
    assert others == [(folder / "report.html").as_uri()]


def test_learning_curves_of_several_networks_have_a_panel_each(shown: Opened) -> None:
    panels = "#chart-learning-by-epoch svg .mark-group.role-scope.cell > g"
    rows = shown.page.evaluate(
        "JSON.parse(document.getElementById('chart-specs').textContent)['learning-by-epoch'].datasets.rows"
    )
    of_task = {row["task"]: row["network"] for row in rows}
    assert len(of_task) > 1
    assert shown.page.locator(panels).count() == len(of_task)
    network = next(iter(of_task.values()))
    shown.act(lambda: shown.page.select_option("[data-filter='network']", network))
    kept = sum(name == network for name in of_task.values())
    assert shown.page.locator(panels).count() == (kept if kept > 1 else 0)


def test_hostile_names_are_only_text(shown: Opened) -> None:
    page = shown.page
    page.evaluate(UNFOLD)
    text = page.inner_text("body")
    for name in (*CLASSES, SCRIPT, IMAGE, "</script><script>alert(2)</script>", "<!-- <script>"):
        assert name in text, name
    assert page.locator("img[src='x'], img[onerror], main script").count() == 0
    assert page.evaluate("[...document.scripts].length") == page.evaluate(
        "[...document.querySelectorAll('body > script')].length"
    )
    assert page.locator("#mistakes .gallery img").count() > 0
    assert page.evaluate("[...document.images].filter(i => !i.complete || !i.naturalWidth).length") == 0
    assert shown.faults == []


def test_the_policy_stops_what_would_get_in(
    opened: Callable[..., Opened], folder: Path, tmp_path: Path
) -> None:
    """Markup planted in the page itself: the second line of defence."""
    html = (folder / "report.html").read_text()
    bad = tmp_path / "bad.html"
    bad.write_text(html.replace("<main", f"{SCRIPT}{IMAGE}<main", 1))
    page = opened(bad.as_uri(), offline=True)
    faults, page.faults = page.faults, []
    assert len(faults) >= 2
    assert all("Content Security Policy" in fault for fault in faults), faults


# -- what one can do ----------------------------------------------------------------------------------
def test_filters_take_rows_and_marks_away(shown: Opened) -> None:
    page = shown.page
    rows = page.locator(ROWS)
    before = rows.count()
    lines = page.locator("#chart-time-by-size .role-mark path").count()
    shown.act(lambda: page.select_option("#filter-engine", "jax"))
    visible = [row for row in rows.all() if row.is_visible()]
    assert len(visible) == 4 < before  # two networks at two sizes
    assert all("jax" in row.inner_text() for row in visible)
    assert page.inner_text("#filter-count") == f"4 of {before} rows"
    assert 0 < page.locator("#chart-time-by-size .role-mark path").count() < lines
    shown.act(lambda: page.select_option("#filter-network", "resnet20"))
    shown.act(lambda: page.select_option("#filter-size", "48"))
    assert [row.is_visible() for row in rows.all()].count(True) == 1


def test_the_table_is_sorted_by_keyboard(shown: Opened) -> None:
    page = shown.page
    headings = page.locator("#key-table th[aria-sort]")
    names = [h.inner_text().split("\n")[0] for h in headings.all()]
    column = next(i for i, name in enumerate(names) if "s/epoch" in name)
    heading = headings.nth(column)
    index = heading.evaluate("h => h.cellIndex")

    def seconds() -> list[float]:
        cells = page.eval_on_selector_all(
            ROWS, f"rows => rows.map(r => r.cells[{index}]?.dataset.value || '')"
        )
        return [float(cell) for cell in cells if cell]

    for _ in range(60):  # from the top of the page, by the tabulator alone
        page.keyboard.press("Tab")
        if heading.evaluate("h => h.contains(document.activeElement)"):
            break
    else:
        pytest.fail("the heading cannot be reached with the keyboard")
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline != "none", "the focus does not show"
    page.keyboard.press("Enter")
    assert heading.get_attribute("aria-sort") == "ascending"
    assert seconds() == sorted(seconds())
    page.keyboard.press("Space")
    assert heading.get_attribute("aria-sort") == "descending"
    assert seconds() == sorted(seconds(), reverse=True)
    assert len(seconds()) == 4 * len(SECONDS)


def test_dark_mode_by_choice_and_by_the_system(shown: Opened) -> None:
    page = shown.page
    light = colours(page)
    assert light == ("rgb(255, 255, 255)", {"rgb(255, 255, 255)"})
    shown.act(lambda: page.click("#theme"))
    dark = colours(page)
    assert dark[1] == {dark[0]} != light[1]
    ink = page.evaluate("getComputedStyle(document.body).color")
    assert sum(map(int, ink[4:-1].split(","))) > 3 * 200
    shown.act(lambda: page.click("#theme"))
    assert colours(page) == light
    fresh = page.context.new_page()
    fresh.emulate_media(color_scheme="dark")
    fresh.goto(page.url)
    Opened(fresh).drawn()
    assert colours(fresh) == dark
    Opened(fresh).act(lambda: fresh.emulate_media(color_scheme="light"))
    assert colours(fresh) == light


def test_a_phone_needs_no_sideways_scrolling(opened: Callable[..., Opened], folder: Path) -> None:
    page = opened((folder / "report.html").as_uri(), viewport=PHONE, has_touch=True).page
    page.evaluate(UNFOLD)
    assert page.evaluate("document.scrollingElement.scrollWidth") <= PHONE["width"]
    assert page.evaluate("document.body.scrollWidth") <= PHONE["width"]
    # A drawing that is wider than its place would be cut off.
    charts = "[...document.querySelectorAll('.chart:not([hidden])')]"
    cut = page.evaluate(f"{charts}.filter(c => c.scrollWidth > c.clientWidth + 1).map(c => c.id)")
    assert cut == []


def test_paper_shows_everything(opened: Callable[..., Opened], folder: Path) -> None:
    one = opened((folder / "report.html").as_uri(), viewport=PAPER)
    page = one.page
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    page.emulate_media(media="print")
    hidden = page.evaluate(
        """() => [...document.querySelectorAll('main *')].filter(e => {
            const style = getComputedStyle(e);
            const clips = style.overflowX !== 'visible' && style.display !== 'inline';
            return clips && e.clientWidth > 1 && e.scrollWidth > e.clientWidth + 1;
        }).map(e => `${e.tagName}.${e.className} ${e.id}`)"""
    )
    assert hidden == []
    over = page.evaluate(
        f"""() => [...document.querySelectorAll('main td, main th, main p, main svg, main img, main pre')]
        .filter(e => e.getBoundingClientRect().right > {PAPER["width"]} + 1)
        .map(e => `${{e.closest('section')?.id}} ${{e.tagName}} ${{e.textContent.slice(0, 40)}}`)"""
    )
    assert over == []
    assert not page.locator("#filters").is_visible()
    assert all(table.is_visible() for table in page.locator("figure table").all())
    assert page.evaluate("getComputedStyle(document.body).color") == "rgb(0, 0, 0)"


def test_downloads(shown: Opened, tmp_path: Path) -> None:
    def saved(kind: str) -> Path:
        with shown.page.expect_download(timeout=TIMEOUT) as waiting:
            shown.page.click(f"[data-chart='time-by-size'] [data-download='{kind}']")
        path = tmp_path / str(waiting.value.suggested_filename)
        waiting.value.save_as(path)
        assert path.suffix == f".{kind}"
        return path

    lines = saved("csv").read_text().splitlines()
    assert lines[0].startswith("network,size,engine,")
    assert len(lines) == 1 + 4 * len(SECONDS)
    assert saved("svg").read_text().startswith("<svg")
    picture = cv2.imdecode(np.frombuffer(saved("png").read_bytes(), np.uint8), cv2.IMREAD_COLOR)
    assert min(picture.shape[:2]) > 200
    assert picture.std() > 1


@pytest.mark.parametrize(("scheme", "viewport"), [("light", DESKTOP), ("dark", PHONE)])
def test_axe_finds_nothing_serious(
    opened: Callable[..., Opened], folder: Path, scheme: str, viewport: dict[str, int]
) -> None:
    one = opened((folder / "report.html").as_uri(), color_scheme=scheme, viewport=viewport)
    one.page.evaluate(UNFOLD)
    assert one.axe() == []


# -- while it runs ------------------------------------------------------------------------------------
def test_a_live_page_follows_the_comparison(opened: Callable[..., Opened], tmp_path: Path) -> None:
    folder = tmp_path / "out"
    whole = comparison(folder).model_dump()
    engines = ("torch", "tensorflow")
    few = {**whole, "running": True, "cells": [c for c in whole["cells"] if c["engine"] in engines]}
    write_json(folder / "result.json", few)
    server = open_server(folder)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    address = f"http://127.0.0.1:{server.server_address[1]}/"
    try:
        with Published(Silent(), folder) as watch:
            watch.stage("Preparing the signs <b>&")
            one = opened(address)
            page = one.page
            bar = page.locator("#live")
            bar.wait_for(state="visible", timeout=TIMEOUT)
            assert "Preparing the signs <b>&" in bar.inner_text()
            assert one.axe("#live") == []
            page.click("#theme")
            one.drawn()
            page.select_option("#filter-engine", "tensorflow")
            page.evaluate("scrollTo(0, 700)")
            dark = colours(page)[0]
            shown = [row.is_visible() for row in page.locator(ROWS).all()].count(True)
            assert shown == 4

            write_json(folder / "result.json", whole)
            page.wait_for_selector(f"{ROWS}[data-engine='jax']", state="attached", timeout=TIMEOUT)
            one.drawn()
            one.until("Math.abs(scrollY - 700) < 3")
            assert colours(page)[0] == dark != "rgb(255, 255, 255)"
            assert page.input_value("#filter-engine") == "tensorflow"
            assert [row.is_visible() for row in page.locator(ROWS).all()].count(True) == shown
        bar.wait_for(state="hidden", timeout=TIMEOUT)
        assert {url.removeprefix(address) for url in one.requests if url.startswith("http")} == {"", "state"}
    finally:
        server.shutdown()
        server.server_close()


def test_a_page_that_waits_for_its_first_result(
    opened: Callable[..., Opened], tmp_path: Path, browser: Any
) -> None:
    folder = tmp_path / "out"
    result = comparison(folder)
    (folder / "result.json").unlink()
    server = open_server(folder)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        page = browser.new_page()
        page.goto(f"http://127.0.0.1:{server.server_address[1]}/")
        assert "no results yet" in page.inner_text("main")
        write_json(folder / "result.json", {**json.loads(result.model_dump_json()), "cells": [], "rows": []})
        page.wait_for_selector("html[data-ready] #theme", timeout=TIMEOUT)
        page.close()
    finally:
        server.shutdown()
        server.server_close()
