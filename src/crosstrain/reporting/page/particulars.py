"""What a reader needs to repeat and to judge it: settings and how they were searched, versions, machine,
data, command, notes, time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from crosstrain.reporting.command import command
from crosstrain.reporting.page.grids import Cell, Grid, folded, items, pairs
from crosstrain.reporting.page.markup import Child, Html, Section, join, section, tag
from crosstrain.reporting.page.view import View
from crosstrain.reporting.terminal import search as searched
from crosstrain.reporting.terminal import text
from crosstrain.reporting.terminal.tables import wall_line
from crosstrain.results.schema import Wall


def search(view: View) -> Section | None:
    """The trials of the search for the best settings."""
    result = view.result.search
    if result is None:
        return None
    titles = searched.titles(result)
    rows = []
    for number, trial in enumerate(result.trials):
        values = (trial.values.get(name) for name in result.space)
        plain = [number + 1, *values, trial.score, searched.state(result, number), trial.seconds]
        rows.append([Cell(*pair) for pair in zip(searched.cells(result, number), plain, strict=True)])
    last = len(titles) - 1
    grid = Grid("Trials of the search", titles, rows, frozenset({0, last - 2, last}))
    return section(
        "search",
        "How the settings were searched",
        tag(
            "p",
            f"{len(rows)} trials on {result.engine}; the values of the best one, by its {result.measure}, "
            "are those of the whole comparison. The test part decided nothing.",
        ),
        grid.html(sortable=True, identity="search-table", caption=False),
    )


def settings(view: View) -> Section | None:
    """The settings of the comparison."""
    return of_settings(view.result.settings)


def of_settings(values: Mapping[str, Any]) -> Section | None:
    recipe = values.get("recipe") or {}
    flat = {name: value for name, value in values.items() if name != "recipe"}
    entries = [
        (_words(name), _shown(value)) for name, value in {**flat, **recipe}.items() if value is not None
    ]
    return section("settings", "Settings", pairs([(n, v) for n, v in entries if v]))


def repeat(view: View) -> Section | None:
    """The command that makes the same comparison again, with what only chooses among the results."""
    if not view.result.settings.get("networks"):
        return None
    weights, required = view.result.recommendation.weights, view.result.recommendation.required
    also = {
        "criteria": bool(view.result.criteria),
        "prefer": ",".join(f"{name}={weight:.12g}" for name, weight in weights.items()),
        "require": ",".join(required),
    }
    return of_command(command({**view.result.settings, **also}))


def of_command(line: str) -> Section | None:
    return section(
        "repeat",
        "Do it again",
        tag(
            "div",
            tag("pre", tag("code", line, id="command")),
            class_="scroll",
            role="region",
            aria_label="The command",
            tabindex="0",
        ),
        tag("button", "Copy", type="button", data_copy="command"),
    )


def data(view: View) -> Section | None:
    """The data set: its hash, split, preparation and warnings."""
    manifest = view.result.data
    if not manifest:
        return None
    warnings = [str(each) for each in manifest.get("warnings") or ()]
    splits = manifest.get("splits") or {}
    shown = pairs(
        [
            ("Data", manifest.get("spec")),
            ("Hash", tag("code", manifest["hash"]) if manifest.get("hash") else None),
            ("Task", manifest.get("task")),
            ("Classes", str(len(manifest["classes"])) if manifest.get("classes") else None),
            ("Divided", manifest.get("split") or "by the data set itself"),
            ("Limit", f"{manifest['limit']:,} of each class in each part" if manifest.get("limit") else None),
            ("Examples", ", ".join(f"{name} {count:,}" for name, count in splits.items())),
            (
                "Steps",
                ", ".join(map(str, manifest.get("steps") or ())) or "none beyond cropping and resizing",
            ),
            ("Inputs", _shapes(manifest.get("inputs"))),
        ]
    )
    return section(
        "data", "Data", tag("div", items(warnings), class_="warning", role="note") if warnings else None,
        shown, _class_counts(manifest),
    )  # fmt: skip


def _shapes(inputs: Any) -> str:
    if not isinstance(inputs, Mapping):
        return ""
    return ", ".join(
        f"{name + ': ' if name else ''}{'×'.join(map(str, each.get('shape', ())))} {each.get('dtype', '')}"
        for name, each in inputs.items()
        if isinstance(each, Mapping)
    )


def _class_counts(manifest: Mapping[str, Any]) -> Html | None:
    classes, counts = manifest.get("classes"), manifest.get("class_counts") or manifest.get("pixel_counts")
    if not classes or not isinstance(counts, Mapping) or any(len(c) != len(classes) for c in counts.values()):
        return None
    title = f"{'Examples' if manifest.get('class_counts') else 'Pixels'} of each class"
    rows = [[str(name), *(c[i] for c in counts.values())] for i, name in enumerate(classes)]
    numbers = frozenset(range(1, len(counts) + 1))
    grid = Grid(title, ["class", *map(str, counts)], rows, numbers)
    return folded(title, grid.html(caption=False))


def machine(view: View) -> Section | None:
    """The machine and the versions of its packages."""
    return of_machine(view.result.machine)


def of_machine(recorded: Mapping[str, Any]) -> Section | None:
    properties = {k: v for k, v in recorded.items() if k != "versions" and v is not None}
    if "memory_bytes" in properties:
        properties["memory"] = text.memory(properties.pop("memory_bytes"))
    versions = recorded.get("versions") or {}
    shown = pairs([(_words(name), _shown(value)) for name, value in properties.items()])
    grid = Grid("Versions", ["package", "version"], [[str(k), str(v)] for k, v in versions.items()])
    return section(
        "machine", "Machine and versions", shown,
        folded("Versions", grid.html(caption=False)) if versions else None,
    )  # fmt: skip


def notes(view: View) -> Section | None:
    """The notes of the run, and where the time went."""
    wall = {k: v for k, v in view.result.wall.items() if k in Wall.model_fields}
    account = tag("p", wall_line(Wall(**wall)), id="wall") if wall.get("total") else None
    return of_notes(view.result.notes, view.result.folder, account)


def of_notes(messages: Sequence[str], folder: str, account: Html | None = None) -> Section | None:
    where = tag("p", "All files are in ", tag("code", folder), ".", class_="small")
    return section("notes", "Notes and time", items(list(messages)), account, where)


def _words(name: str) -> str:
    words = name.replace("_", " ")
    return words.replace("gpu", "GPU") if words.startswith("gpu") else words.capitalize()


def _shown(value: Any) -> Child:
    """A setting in words; empty where it has no value."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping) and value.get("name"):
        rest = _shown({name: each for name, each in value.items() if name != "name"})
        return f"{value['name']}: {rest}" if rest else str(value["name"])
    if isinstance(value, Mapping):
        entries = ((name, _shown(each)) for name, each in value.items())
        return join(", ".join(f"{name or 'output'} {each}" for name, each in entries if each))
    if isinstance(value, list | tuple):
        return join(", ".join(str(_shown(each)) for each in value))
    return str(value)
