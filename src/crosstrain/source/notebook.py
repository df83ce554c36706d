"""A source as a Jupyter notebook, in nbformat 4.5 (https://nbformat.readthedocs.io)."""

from __future__ import annotations

import ast
import json
import textwrap
from collections.abc import Iterator
from typing import Any

PATHS = {"data": "data_path", "weights": "weights_path", "out": "out_path"}
"""Options of the command line that a notebook's variables call otherwise."""
DATA = "data.npz"


def notebook(source: str) -> str:
    """The notebook of a source: its title, a cell for each definition, and in place of the command line the
    options as variables and a cell that trains with them."""
    lines = source.splitlines()
    first, *rest = ast.parse(source).body
    cells = [_markdown(_title(first))]
    head = [node for node in rest if not isinstance(node, ast.FunctionDef | ast.ClassDef | ast.If)]
    cells.append(_code(text_of(lines, head[0], head[-1])))
    for node in rest:
        if isinstance(node, ast.FunctionDef) and node.name == "main":
            cells += [_code(text) for text in _training(node, lines)]
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            cells.append(_code(text_of(lines, node, node)))
    for number, cell in enumerate(cells):
        cell["id"] = f"cell-{number}"
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    whole = {
        "cells": cells, "metadata": {"kernelspec": kernel, "language_info": {"name": "python"}},
        "nbformat": 4, "nbformat_minor": 5,
    }  # fmt: skip
    return json.dumps(whole, indent=1, ensure_ascii=False) + "\n"


def _title(node: ast.stmt) -> str:
    assert isinstance(node, ast.Expr)
    assert isinstance(node.value, ast.Constant)
    return str(node.value.value)


def text_of(lines: list[str], first: ast.stmt, last: ast.stmt) -> str:
    """The lines of a source from one statement to another, decorators included."""
    start = min([first.lineno, *(d.lineno for d in getattr(first, "decorator_list", []))])
    return "\n".join(lines[start - 1 : last.end_lineno])


def _training(main: ast.FunctionDef, lines: list[str]) -> Iterator[str]:
    """The options with their defaults, and what ``main`` does with them."""
    options = {name: default for node in main.body for name, default in _option(node)}
    yield "\n".join(f"{PATHS.get(name, name)} = {default}" for name, default in options.items())
    parsed = next(i for i, node in enumerate(main.body) if "parse_args()" in ast.unparse(node))
    text = textwrap.dedent(text_of(lines, main.body[parsed + 1], main.body[-1]))
    for name in options:
        text = text.replace(f"arguments.{name}", PATHS.get(name, name))
    yield text


def _option(node: ast.stmt) -> Iterator[tuple[str, str]]:
    """The name and the default of an option, as ``parser.add_argument`` declares it."""
    call = node.value if isinstance(node, ast.Expr) else None
    if not isinstance(call, ast.Call) or not ast.unparse(call.func).endswith("add_argument"):
        return
    flag = call.args[0]
    assert isinstance(flag, ast.Constant)
    default = next((ast.unparse(k.value) for k in call.keywords if k.arg == "default"), "None")
    name = str(flag.value)
    yield name.removeprefix("--").replace("-", "_"), default if name.startswith("--") else f'"{DATA}"'


def _markdown(text: str) -> dict[str, Any]:
    return {"cell_type": "markdown", "id": "", "metadata": {}, "source": _kept(f"# {text}")}


def _code(text: str) -> dict[str, Any]:
    return {
        "cell_type": "code", "execution_count": None, "id": "", "metadata": {}, "outputs": [],
        "source": _kept(text),
    }  # fmt: skip


def _kept(text: str) -> list[str]:
    return text.splitlines(keepends=True)
