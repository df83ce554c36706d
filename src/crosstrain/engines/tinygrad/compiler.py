"""The C compiler that tinygrad calls for every kernel of a CPU, and where what it compiled is kept.

tinygrad calls ``clang`` itself, even to start its CPU device, and neither GCC nor LLVM as a library stands in
for it. The package ``ziglang`` brings a clang along, behind other names for two of its arguments.
"""

from __future__ import annotations

import importlib.util
import os
import shlex
import shutil
import sys
import tempfile
from pathlib import Path

from crosstrain.errors import EngineMissingError

VERSIONS = range(25, 10, -1)

_SCRIPT = """#!/bin/sh
# tinygrad's call of clang, as a call of zig, which names the target in another way.
for argument do
    shift
    case $argument in
        --target=x86_64-*) set -- "$@" -target x86_64-freestanding ;;
        --target=arm64-*) set -- "$@" -target aarch64-freestanding ;;
        *) set -- "$@" "$argument" ;;
    esac
done
ZIG_GLOBAL_CACHE_DIR={cache} ZIG_LOCAL_CACHE_DIR={cache} \\
    exec {zig} cc -g0 -fno-sanitize=undefined -fno-stack-protector "$@"
"""


def folder() -> Path:
    """Where compiled kernels are kept: with the environment that they are for, else in the user's cache."""
    if sys.prefix != sys.base_prefix and os.access(sys.prefix, os.W_OK):
        return Path(sys.prefix) / "tinygrad-compiled"
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "crosstrain" / "tinygrad"


def _clang() -> str | None:
    """A clang on the PATH, newest last name first."""
    names = ("clang", *(f"clang-{version}" for version in VERSIONS))
    return next(filter(None, map(shutil.which, names)), None)


def _zig() -> str | None:
    """A program that takes clang's arguments and calls the environment's zig."""
    spec = importlib.util.find_spec("ziglang")
    if spec is None or spec.origin is None or os.name != "posix":
        return None
    zig = Path(spec.origin).with_name("zig")
    place = folder()
    place.mkdir(parents=True, exist_ok=True)
    text = _SCRIPT.format(cache=shlex.quote(str(place / "zig")), zig=shlex.quote(str(zig)))
    script = place / "clang"
    if not script.exists() or script.read_text() != text:
        # Written whole and then renamed: another process may be starting it.
        descriptor, name = tempfile.mkstemp(dir=place)
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
        os.chmod(name, 0o755)
        os.replace(name, script)
    return str(script)


def start() -> None:
    """Settle tinygrad's settings, which it reads when it is imported; those that the user made stand.
    ``EngineMissingError`` where there is no clang."""
    compiler = os.environ.get("CC")
    if not compiler or "clang" not in Path(compiler).name:
        compiler = _clang() or _zig()
    if compiler is None:
        raise EngineMissingError(
            "tinygrad compiles its kernels with clang, which is not on the PATH; "
            "install it (Debian and Ubuntu: apt install clang), or the package ziglang, which has one"
        )
    os.environ["CC"] = compiler
    os.environ.setdefault("DEV", "CPU")
    # No processes for compiling: each imports tinygrad anew, and the run has its own number of threads.
    os.environ.setdefault("PARALLEL", "0")
    os.environ.setdefault("CACHEDB", str(folder() / "cache.db"))
