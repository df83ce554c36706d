"""The recipes of papers in the terminal."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console
from rich.table import Table

from crosstrain.reporting.terminal.grid import grid
from crosstrain.training.augmentation import spelled
from crosstrain.training.initialisers import spelled as initializer
from crosstrain.training.papers import PaperRecipe


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
