"""The options of a command, built from what the public functions declare."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, TypeVar, get_args, get_type_hints

import typer

from crosstrain.comparison.declaring import REQUIRED, Declaration, Declared, declaration_of
from crosstrain.errors import CrosstrainError

Command = TypeVar("Command", bound=Callable[..., None])

PLAIN = (bool, int, float)
"""Types that the command line reads itself; everything else is text, which the function reads."""


def takes(*functions: Callable[..., Any]) -> Callable[[Command], Command]:
    """A decorator: the command has an option for every parameter of ``functions`` (of the first that declares
    it), and those of its own signature. It is called with the names of the declaration. A default in its own
    signature takes the place of the declared one."""
    declarations = [declaration_of(function) for function in functions]

    def decorate(command: Command) -> Command:
        signature = inspect.signature(command).parameters
        parameters = _united(declarations, signature)
        hints = get_type_hints(command, include_extras=True)
        own = [
            p.replace(annotation=hints[p.name], kind=p.KEYWORD_ONLY)
            for p in signature.values()
            if p.kind is not p.VAR_KEYWORD and p.name not in parameters
        ]
        options = [option for each in parameters.values() for option in _options(each)]

        @functools.wraps(command)
        def call(**values: Any) -> None:
            own_values = {p.name: values.pop(p.name) for p in own}
            arguments = Declaration(declarations[0].subject, parameters).merged(values)
            for each in parameters.values():
                if each.parameter.default is REQUIRED and arguments.get(each.name) is None:
                    raise CrosstrainError(f"{_flags(each)[0]} is missing: {each.parameter.help}")
            command(
                **own_values, **{name: _value(each, arguments.get(name)) for name, each in parameters.items()}
            )

        call.__signature__ = inspect.Signature([*options, *own])  # type: ignore[attr-defined]
        call.__annotations__ = {p.name: p.annotation for p in (*options, *own)}
        return call  # type: ignore[return-value]

    return decorate


def of(function: Callable[..., Any], arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Those of ``arguments`` that ``function`` takes, for a command that calls one of several."""
    names = declaration_of(function).names
    return {name: value for name, value in arguments.items() if name in names}


def _united(declarations: Sequence[Declaration], own: Mapping[str, inspect.Parameter]) -> dict[str, Declared]:
    """The parameters of all functions by name, without those for Python alone."""
    united: dict[str, Declared] = {}
    for declaration in declarations:
        known = {name for each in united.values() for name in (each.name, *each.spellings)}
        united |= {
            name: _with_default(each, own.get(name))
            for name, each in declaration.parameters.items()
            if name not in known and not each.parameter.python_only
        }
    return united


def _with_default(each: Declared, own: inspect.Parameter | None) -> Declared:
    """A command may have a default for a parameter that its function requires."""
    if own is None or own.default is own.empty:
        return each
    return replace(each, parameter=replace(each.parameter, default=own.default))


def _options(each: Declared) -> list[inspect.Parameter]:
    """The option or argument of a parameter, and hidden ones for its other spellings."""
    parameter, kind = each.parameter, _kind(each)
    flags = _flags(each)
    others = [name for name in each.spellings if not {_flag(name)} & {*flags}]
    hidden = [_option(name, kind | None, None, typer.Option(_flag(name), hidden=True)) for name in others]
    if parameter.argument:
        # Its name as a flag too, since other spellings of it are flags.
        named = typer.Option(*dict.fromkeys((*map(_flag, others), _flag(each.name))), hidden=True)
        hidden = [_option(others[0], kind | None, None, named)] if others else []
        shown: Any = typer.Argument(metavar=parameter.metavar, help=parameter.help)
    else:
        also = f" Also {' and '.join(map(_flag, others))}." if others else ""
        shown = typer.Option(*flags, metavar=parameter.metavar, help=parameter.help + also)
    default = parameter.default
    if isinstance(default, tuple):
        default = ",".join(map(str, default))
    if default is REQUIRED and hidden:
        default = None  # it may come under another spelling; what is missing is found when all is read
    return [_option(each.name, kind if default is not None else kind | None, default, shown), *hidden]


def _option(name: str, kind: Any, default: Any, option: Any) -> inspect.Parameter:
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[kind, option]
    )


def _kind(each: Declared) -> Any:
    """What the command line reads a value as."""
    if each.parameter.repeated:
        return list[str]
    annotation = get_args(each.annotation)[0]
    kinds = {*(get_args(annotation) or (annotation,))} - {NoneType}
    if len(kinds) == 1 and kinds <= {*PLAIN}:
        return kinds.pop()
    return Path if kinds == {str, Path} and not each.parameter.argument else str


def _flags(each: Declared) -> tuple[str, ...]:
    parameter, flag = each.parameter, _flag(each.name)
    if parameter.argument:
        return (parameter.metavar or each.name.upper(),)
    if parameter.default is True:
        return (f"{flag}/--no-{flag.removeprefix('--')}",)
    return parameter.flags or (flag,)


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def _value(each: Declared, value: Any) -> Any:
    """The value; None where a repeatable option does not occur."""
    return (value or None) if each.parameter.repeated else value
