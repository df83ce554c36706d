"""Theano as a package that can still be imported: what it expects of NumPy's build, of BLAS, of a compiler.

Theano 1.0.5 is from 2020. NumPy 1.23 has the functions that it needs, but no longer tells how it was built;
and no wheel has a BLAS that a linker finds by itself.
"""

from __future__ import annotations

import os
import shutil
import sys
import warnings
from pathlib import Path

from crosstrain.errors import EngineMissingError

_ROUTINES = ["gemm", "gemv", "ger", "axpy", "scal", "dot", "copy", "swap", "nrm2", "asum"]


def _scipy_blas() -> tuple[str, str]:
    """Flags for the compiler and for the linker that make SciPy's own OpenBLAS Theano's: its names carry a
    prefix, and it lies where no linker looks."""
    import scipy.linalg.blas

    libraries = Path(scipy.__file__).parent.with_name("scipy.libs")
    candidates = sorted(libraries.glob("libscipy_openblas-*.so")) if libraries.is_dir() else []
    if not candidates:
        return "", ""
    names = [f"{kind}{routine}" for kind in "sd" for routine in _ROUTINES]
    names = [f"{name}_" for name in names] + ["openblas_get_num_threads", "openblas_set_num_threads"]
    defined = " ".join(f"-D{name}=scipy_{name}" for name in names)
    # No path for the loader (a comma would end the setting): SciPy has loaded the library by then.
    return defined, f"-L{libraries} -l:{candidates[0].name}"


def flags() -> dict[str, str]:
    """Theano's settings before it is imported."""
    compiler, linker = _scipy_blas()
    settings = {
        "device": "cpu",
        "openmp": "True",
        "cxx": shutil.which("g++") or "",
        "warn.ignore_bug_before": "all",
        "on_opt_error": "raise",
        "cycle_detection": "fast",
    }
    if compiler:
        settings |= {"gcc.cxxflags": compiler, "blas.ldflags": linker}
    if sys.prefix != sys.base_prefix:  # what it compiles stays with the environment that it is for
        settings["base_compiledir"] = str(Path(sys.prefix) / "theano-compiled")
    return settings


def start() -> None:
    """Make Theano importable. ``EngineMissingError`` where there is no C++ compiler: without one it would run
    every op in Python, hundreds of times slower."""
    if not shutil.which("g++"):
        raise EngineMissingError(
            "Theano compiles what it runs and needs the C++ compiler g++, which is not on the PATH; "
            "install it (Debian and Ubuntu: apt install g++)"
        )
    inherited = os.environ.get("THEANO_FLAGS", "")
    ours = ",".join(f"{key}={value}" for key, value in flags().items())
    os.environ["THEANO_FLAGS"] = ",".join(filter(None, [ours, inherited]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of packages that were new when Theano was
        import numpy.distutils.__config__ as built

        for name, value in (("blas_opt_info", {}), ("get_info", lambda name: {})):
            if not hasattr(built, name):
                setattr(built, name, value)
        # The compiled form of its loops is C code for older Pythons; without it, it runs them in Python.
        sys.modules["theano.scan_module.scan_perform_ext"] = None  # type: ignore[assignment]
        import theano  # noqa: F401
