"""What a trained network says of test pictures, beside what people said of them."""

from __future__ import annotations

import numpy as np

from crosstrain.data.cache import Cache
from crosstrain.data.prepared import Prepared, owners_name
from crosstrain.data.sets.sequences.tokens import Tokenizer
from crosstrain.reporting.page.markup import Html, Section, section, tag
from crosstrain.reporting.page.view import View, at_size
from crosstrain.reporting.pictures import as_pictures, data_uri
from crosstrain.results.rows import rows
from crosstrain.results.schema import CellResult
from crosstrain.runs.tasks.captioning import FACTS
from crosstrain.runs.tasks.predictions import read_predictions

SHOWN = 12
"""Pictures of the test part, the first ones."""
REFERENCES = 5
"""Captions of people beside each, at most."""


def described(view: View) -> Section | None:
    """The first test pictures with the captions of the recommended row's first cell, or of the best's."""
    cells = [row.done[0] for row in rows(view.result.cells) if row.done and row.title == "BLEU"]
    if view.live or not cells:
        return None
    wanted = view.result.recommendation
    named = [cell for cell in cells if (cell.network, cell.engine) == (wanted.network, wanted.engine)]
    cell = named[0] if named else max(cells, key=lambda each: each.score or 0.0)
    shown = _examples(view, cell)
    name = f"{at_size(cell.network, cell.input_size)} on {cell.engine}"
    about = (
        f"{name} (cell {cell.id}): the first pictures of the test part, not chosen; below each what the "
        "network says word by word, then what the data says."
    )
    parts = (tag("p", about), tag("ul", shown, class_="gallery")) if shown else ()
    return section("captions", "What it says of pictures", parts)


def _examples(view: View, cell: CellResult) -> list[Html]:
    """An entry for each picture; none where the answers, or the prepared data, are no longer there."""
    answers = read_predictions(view.folder / "cells", cell.id)
    data = Cache().find(cell.data_hash) if cell.data_hash else None
    if data is None or not {"said", "rows"} <= set(answers) or len(answers["said"]) != len(answers["rows"]):
        return []
    at = answers["rows"][:SHOWN]
    pictures = as_pictures(data, at) if at.max(initial=-1) < data.examples("test") else ""
    if isinstance(pictures, str):
        return []
    facts = data.manifest["facts"][FACTS]
    tokenizer = Tokenizer.from_json(facts["tokenizer"])
    return [
        _example(row, data_uri(picture), tokenizer.decode(said.tolist()), _references(data, tokenizer, row))
        for row, picture, said in zip(at.tolist(), pictures, answers["said"], strict=False)
    ]


def _references(data: Prepared, tokenizer: Tokenizer, row: int) -> list[str]:
    owners = data.kept(owners_name("test"))
    same = np.flatnonzero(owners == owners[row])[:REFERENCES]
    targets = next(iter(data.arrays("test")[1].values()))
    end = data.manifest["facts"][FACTS]["end"]
    return [tokenizer.decode(n for n in targets[each].tolist() if n != end) for each in same]


def _example(row: int, picture: str, said: str, references: list[str]) -> Html:
    return tag(
        "li",
        tag("img", src=picture, alt=f"Test example {row}: {said}"),
        tag("span", said or "(nothing)"),
        (tag("span", each, class_="small") for each in references),
    )
