"""How a function declares its parameters: once, for ``help()``, for editors and for the command line.

A parameter is a type with a ``Parameter`` beside it, ``Annotated[int, Parameter("Examples in a batch.")]``:
in the function's own signature, or in the ``TypedDict`` whose keys are its keywords
(``**arguments: Unpack[...]``). ``declared`` reads both, gives the function the full signature and docstring,
accepts every spelling of a name, and fills in defaults.
"""

from __future__ import annotations

import functools
import inspect
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, TypeVar, get_args, get_origin, get_type_hints

from crosstrain.errors import CrosstrainError
from crosstrain.training import spelling

Function = TypeVar("Function", bound=Callable[..., Any])

REQUIRED = inspect.Parameter.empty
"""The default of what must be given."""


@dataclass(frozen=True)
class Parameter:
    """``help`` is its sentence in ``help()`` and in ``--help``.

    The rest is how the command line takes it: ``metavar`` stands for a value, ``flags`` are its names where
    they are not just ``--name``, an ``argument`` has none, a ``repeated`` one may be given again, and one for
    ``python_only`` is not there.
    """

    help: str
    default: Any = None
    metavar: str | None = None
    flags: tuple[str, ...] = ()
    argument: bool = False
    repeated: bool = False
    python_only: bool = False


@dataclass(frozen=True)
class Also:
    """Marks a key as another spelling of the parameter ``name``."""

    name: str


@dataclass(frozen=True)
class Declared:
    """A parameter as one function has it: the name it is shown under, and the other spellings of that."""

    name: str
    annotation: Any
    parameter: Parameter
    spellings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Declaration:
    """What one function takes. ``subject`` is what sentences are about (``training``), ``single`` names the
    parameters that must be one thing, with the word for that thing."""

    subject: str
    parameters: Mapping[str, Declared]
    single: Mapping[str, str] = field(default_factory=dict)

    @property
    def names(self) -> frozenset[str]:
        """All spellings."""
        return frozenset(n for each in self.parameters.values() for n in (each.name, *each.spellings))

    def merged(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """``arguments`` under the names shown. ``CrosstrainError`` where two spellings disagree, or
        several things stand where one is needed."""
        values = dict(arguments)
        for each in self.parameters.values():
            for other in each.spellings:
                value = values.pop(other, None)
                if value is None:
                    continue
                if values.get(each.name) is not None and _items(values[each.name]) != _items(value):
                    raise CrosstrainError(
                        f"{each.name} and {other} are the same setting, but one says "
                        f"{_text(values[each.name])} and the other {_text(value)}; give one of them"
                    )
                values[each.name] = value
        for name, word in self.single.items():
            items = _items(values.get(name))
            if len(items) > 1:
                raise CrosstrainError(f"{self.subject} takes one {word}, not {_text(items)}")
            if items:
                values[name] = items[0]
        return values


def declared(
    subject: str,
    *,
    single: Mapping[str, str] | None = None,
    required: Sequence[str] = (),
    helps: Mapping[str, str] | None = None,
) -> Callable[[Function], Function]:
    """A decorator: the function takes what its annotations declare, by any spelling, with defaults filled in.

    ``single`` are parameters of which it takes only one, shown under that name (``engine``, not
    ``engines``); ``required`` are those that have a default elsewhere and none here; ``helps`` are sentences
    that say more here than the declaration does.
    """

    def decorate(function: Function) -> Function:
        single_ = dict(single or {})
        own = {p.name: p for p in inspect.signature(function).parameters.values()}
        parameters = _read(function, own, single_, required, helps or {})
        declaration = Declaration(subject, parameters, single_)
        positional = [name for name, p in own.items() if p.kind is p.POSITIONAL_OR_KEYWORD]
        last = {name for name, p in own.items() if p.kind is p.KEYWORD_ONLY}
        keywords = sorted(parameters.keys() - positional, key=lambda n: (n in last, [*parameters].index(n)))
        signature = inspect.signature(function).replace(
            parameters=[
                *(own[name].replace(annotation=_plain(parameters[name].annotation)) for name in positional),
                *(_keyword(parameters[name]) for name in keywords),
            ]
        )

        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            named = dict(zip(positional, args, strict=False))
            twice = named.keys() & kwargs.keys()
            if len(args) > len(positional) or twice:
                signature.bind(*args, **kwargs)  # raises Python's own TypeError
            try:
                bound = signature.bind(**declaration.merged({**named, **kwargs}))
            except TypeError as error:
                raise TypeError(f"{function.__name__}() {error}") from None
            bound.apply_defaults()
            return function(*bound.args, **bound.kwargs)

        call.__signature__ = signature  # type: ignore[attr-defined]
        call.__doc__ = _documented(function, [parameters[name] for name in (*positional, *keywords)])
        call.declaration = declaration  # type: ignore[attr-defined]
        return call  # type: ignore[return-value]

    return decorate


def declaration_of(function: Callable[..., Any]) -> Declaration:
    """What a ``declared`` function takes."""
    declaration: Declaration = function.declaration  # type: ignore[attr-defined]
    return declaration


def _read(
    function: Callable[..., Any],
    own: Mapping[str, inspect.Parameter],
    single: Mapping[str, str],
    required: Sequence[str],
    helps: Mapping[str, str],
) -> dict[str, Declared]:
    """The parameters by the name they are shown under. Only the annotations of parameters are evaluated: a
    return type may be imported for type checkers alone."""
    hints: dict[str, tuple[Any, Any]] = {}
    for name, each in own.items():
        annotation = each.annotation
        if isinstance(annotation, str):
            annotation = eval(annotation, function.__globals__)  # its own module's source
        if each.kind is each.VAR_KEYWORD:
            (keys,) = get_args(annotation)
            hints |= {
                key: (hint, REQUIRED) for key, hint in get_type_hints(keys, include_extras=True).items()
            }
        else:
            hints[name] = (annotation, each.default)
    spellings: dict[str, list[str]] = {}
    for name, (hint, _) in hints.items():
        mark = _mark(hint)
        if isinstance(mark, Also):
            spellings.setdefault(mark.name, []).append(name)
    parameters = {}
    for name, (hint, default) in hints.items():
        mark = _mark(hint)
        if not isinstance(mark, Parameter):
            continue
        if name in own:
            mark = replace(mark, default=default)
        others = spellings.get(name, [])
        shown = next((other for other in others if other in single), name)
        if shown in required:
            mark = replace(mark, default=REQUIRED)
        mark = replace(mark, help=helps.get(shown, mark.help))
        rest = tuple(each for each in (name, *others) if each != shown)
        parameters[shown] = Declared(shown, hints[shown][0], mark, rest)
    return parameters


def _mark(hint: Any) -> Parameter | Also:
    for mark in getattr(hint, "__metadata__", ()):
        if isinstance(mark, Parameter | Also):
            return mark
    raise TypeError(f"{hint} has no Parameter beside it")


def _plain(annotation: Any) -> Any:
    """The type without what stands beside it."""
    return get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation


def _keyword(each: Declared) -> inspect.Parameter:
    return inspect.Parameter(
        each.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=each.parameter.default,
        annotation=_plain(each.annotation),
    )


def _documented(function: Callable[..., Any], parameters: Sequence[Declared]) -> str:
    """The function's docstring with a line for each parameter."""
    lines = [inspect.getdoc(function) or "", "", "Parameters:"]
    for each in parameters:
        also = f" Also spelled ``{'``, ``'.join(each.spellings)}``." if each.spellings else ""
        text = f"{each.name}: {each.parameter.help}{also}"
        lines += textwrap.wrap(text, 100, initial_indent="    ", subsequent_indent="        ")
    return "\n".join(lines) + "\n"


def _items(value: Any) -> list[Any]:
    """What a value names, as a list: ``"a,b"``, ``["a", "b"]`` and one thing alike."""
    if value is None:
        return []
    if isinstance(value, str):
        return list(spelling.items(value))
    if isinstance(value, list | tuple):
        return [item for each in value for item in (_items(each) if isinstance(each, str) else [each])]
    return [value]


def _text(value: Any) -> str:
    return ", ".join(str(each) for each in _items(value)) or "nothing"
