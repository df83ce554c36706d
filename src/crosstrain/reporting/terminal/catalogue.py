"""The catalogue in the terminal: networks, the layers of one, and the recipes of papers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from crosstrain.reporting.network.drawing import shape_text
from crosstrain.reporting.network.folding import Folded
from crosstrain.reporting.terminal import text
from crosstrain.reporting.terminal.grid import grid
from crosstrain.training.augmentation import spelled
from crosstrain.training.initialisers import spelled as initializer
from crosstrain.training.papers import PaperRecipe


def networks_table(networks: Sequence[Mapping[str, Any]]) -> Table:
    """A row for each network of the catalogue."""
    table = grid(["network", "year", "input", "parameters", "MACs", "what it is"], right=(3, 4), flexible=5)
    for row in networks:
        table.add_row(
            row["name"],
            str(row["year"]),
            shape_text(row["input_shape"]),
            text.count(row["parameters"]),
            text.count(row["macs"]),
            f"{row['summary']} ({row['paper']})",
        )
    return table


def layers_table(folded: Folded) -> Table:
    """A row for each box of a network; boxes that stand for repeats say how many, and count them all."""
    table = grid(["", "layers", "first of them", "output", "parameters", "MACs"], right=(4, 5), flexible=1)
    repeats = {
        place: f"×{frame.count}" for frame in folded.frames for place in range(frame.first, frame.stop)
    }
    for place, box in enumerate(folded.boxes):
        table.add_row(
            repeats.get(place, ""),
            box.title,
            box.name if len(box.name) <= 28 else "…" + box.name[-27:],
            shape_text(box.output),
            text.count(box.parameters) if box.parameters else "",
            text.count(box.macs) if box.macs else "",
        )
    return table


def recipes_table(recipes: Iterable[PaperRecipe]) -> Table:
    """A row for each recipe."""
    table = grid(
        ["recipe", "optimizer", "batch", "epochs", "decay", "schedule", "paper"], right=(2, 3), flexible=6
    )
    for recipe in recipes:
        o = recipe.optimizer
        decay = f"L2 {o.l2:g}" if o.l2 else f"{o.weight_decay:g}" if o.weight_decay else "–"
        epochs = "–" if recipe.epochs is None else str(recipe.epochs)
        table.add_row(
            recipe.name, f"{o.name} {o.learning_rate:g}", str(recipe.batch_size), epochs, decay,
            recipe.schedule.name, recipe.source,
        )  # fmt: skip
    return table


def print_recipe(recipe: PaperRecipe, out: Console) -> None:
    """One recipe, whole."""
    facts = {
        "Paper": recipe.source,
        "Networks": ", ".join(recipe.networks),
        "Trained on": recipe.data,
        "Recipe": recipe.summary(recipe.epochs or 100).partition(": ")[2],
        "Augmentation": spelled(recipe.augmentation) or "none",
        "Initial weights": recipe.initialisation or "not said",
        "Kernels are drawn by": initializer(recipe.kernel_initializer) or "the network's own initializers",
    }
    out.print(recipe.name, style="bold")
    for name, fact in facts.items():
        out.print(f"{name}: {fact}", soft_wrap=True)
    for each in recipe.differs:
        out.print(f"Not as in the paper: {each}", soft_wrap=True, style="dim")
