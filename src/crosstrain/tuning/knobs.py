"""Settings that a framework reads from its environment before it is imported: what there is to try."""

from __future__ import annotations

import ctypes.util
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from crosstrain.comparison.entrants import Division

KEEP = "as it is"
"""The choice that sets nothing."""


@dataclass(frozen=True)
class Knob:
    """``choices`` are variables by the name of the choice; not to set any is always one more. ``engines``
    empty means every one. Only on ``devices`` of this kind, and on Linux alone where it is ``of_linux``."""

    name: str
    help: str
    choices: Mapping[str, Mapping[str, str]]
    engines: tuple[str, ...] = ()
    device: str = "cpu"
    of_linux: bool = False
    division: Division = "closed"

    def concerns(self, engine: str, device: str) -> bool:
        fits = not self.engines or engine in self.engines
        applies = sys.platform == "linux" or not self.of_linux
        return fits and applies and device.startswith(self.device)


@dataclass(frozen=True)
class Library:
    """An allocator that takes the place of the C library's where it is installed."""

    name: str
    stems: tuple[str, ...]
    places: tuple[str, ...] = field(
        default=("/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/local/lib")
    )

    def path(self) -> str | None:
        """Its file; None where it is not installed."""
        for stem in self.stems:
            name = ctypes.util.find_library(stem)
            for place in self.places if name else ():
                if (Path(place) / str(name)).exists():
                    return str(Path(place) / str(name))
        return None


LIBRARIES = (Library("jemalloc", ("jemalloc",)), Library("tcmalloc", ("tcmalloc", "tcmalloc_minimal")))


@cache
def _other_allocators() -> dict[str, dict[str, str]]:
    paths = {library.name: library.path() for library in LIBRARIES}
    return {name: {"LD_PRELOAD": path} for name, path in paths.items() if path}


_XLA_CPU = (
    "--xla_disable_hlo_passes=cse_barrier_expander "
    "--xla_cpu_experimental_ynn_fusion_type="
    "LIBRARY_FUSION_TYPE_INDIVIDUAL_DOT,LIBRARY_FUSION_TYPE_REDUCE"
)
_KEEP_MEMORY = {
    "MALLOC_TRIM_THRESHOLD_": "2147483647",
    "MALLOC_TOP_PAD_": "67108864",
    "MALLOC_MMAP_MAX_": "0",
}
_HUGE = {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}


def knobs(engine: str, device: str) -> list[Knob]:
    """Those that an engine has on a device, the most promising first."""
    return [knob for knob in KNOBS if knob.choices and knob.concerns(engine, device)]


KNOBS = (
    Knob(
        "xla_libraries",
        "which libraries XLA calls on a CPU: Eigen for convolutions, YNNPACK for products and sums alone",
        {"eigen": {"XLA_FLAGS": _XLA_CPU}},
        ("keras-jax",),
    ),
    Knob(
        "allocator",
        "freed memory: stays with the process (kept), in huge pages (huge), both, in one pool for all "
        "threads (one arena), or another allocator where it is installed",
        {
            "kept": _KEEP_MEMORY,
            "kept, huge": {**_KEEP_MEMORY, **_HUGE},
            "huge": _HUGE,
            "one arena": {"MALLOC_ARENA_MAX": "1"},
            **_other_allocators(),
        },
        of_linux=True,
    ),
    Knob(
        "tensorflow_allocator",
        "TensorFlow's own allocator (bfc) in place of the C library's for tensors in host memory",
        {"bfc": {"TF_CPU_ALLOCATOR_USE_BFC": "1"}},
        ("tensorflow", "keras-tensorflow"),
    ),
    Knob(
        "onednn",
        "TensorFlow's kernels: oneDNN's (which it takes unasked on some processors only), or Eigen's",
        {"on": {"TF_ENABLE_ONEDNN_OPTS": "1"}, "off": {"TF_ENABLE_ONEDNN_OPTS": "0"}},
        ("tensorflow", "keras-tensorflow"),
    ),
    Knob(
        "onednn_isa",
        "the widest instructions that oneDNN's kernels use",
        {
            "avx2": {"ONEDNN_MAX_CPU_ISA": "AVX2", "DNNL_MAX_CPU_ISA": "AVX2"},
            "avx512": {"ONEDNN_MAX_CPU_ISA": "AVX512_CORE", "DNNL_MAX_CPU_ISA": "AVX512_CORE"},
        },
        ("torch", "tensorflow", "keras-torch", "keras-tensorflow", "mxnet", "mindspore", "paddle"),
    ),
    Knob(
        "spinning",
        "how long OpenMP's idle threads wait busily for work before they sleep",
        {
            "long": {"GOMP_SPINCOUNT": "1000000", "KMP_BLOCKTIME": "200", "OMP_WAIT_POLICY": "ACTIVE"},
            "short": {"GOMP_SPINCOUNT": "300", "KMP_BLOCKTIME": "1"},
            "never": {"GOMP_SPINCOUNT": "0", "KMP_BLOCKTIME": "0", "OMP_WAIT_POLICY": "PASSIVE"},
        },
        ("torch", "keras-torch", "mxnet", "paddle", "mlx", "theano"),
    ),
    Knob(
        "xla_vectors",
        "width of the vectors that XLA's compiler prefers on a CPU, in bits",
        {
            "512": {"XLA_FLAGS": "--xla_cpu_prefer_vector_width=512"},
            "128": {"XLA_FLAGS": "--xla_cpu_prefer_vector_width=128"},
        },
        ("jax", "keras-jax"),
    ),
    Knob(
        "xla_schedule",
        "XLA orders independent work on a CPU so that it can run at once",
        {"concurrent": {"XLA_FLAGS": "--xla_cpu_enable_concurrency_optimized_scheduler=true"}},
        ("jax", "keras-jax"),
    ),
    Knob(
        "xla_clusters",
        "TensorFlow compiles parts of its graphs with XLA as it finds them worth it",
        {"on": {"TF_XLA_FLAGS": "--tf_xla_auto_jit=2 --tf_xla_cpu_global_jit"}},
        ("tensorflow", "keras-tensorflow"),
    ),
    Knob(
        "onednn_buffers",
        "oneDNN's buffers within TensorFlow come from the C library",
        {"system": {"TF_ONEDNN_USE_SYSTEM_ALLOCATOR": "1"}},
        ("tensorflow", "keras-tensorflow"),
    ),
    Knob(
        "mkl_level",
        "the instructions that Intel's MKL takes on a processor of another maker",
        {"avx2": {"MKL_CBWR": "AVX2"}, "avx512": {"MKL_CBWR": "AVX512"}},
        ("torch", "keras-torch", "mlx"),
    ),
    Knob(
        "huge_pages",
        "PyTorch asks for huge pages for large tensors",
        {"on": {"THP_MEM_ALLOC_ENABLE": "1"}},
        ("torch", "keras-torch"),
        of_linux=True,
    ),
    Knob(
        "engine",
        "who does MXNet's work: threads of each device (as it is), one pool of them (threaded), the caller "
        "(naive)",
        {
            "naive": {"MXNET_ENGINE_TYPE": "NaiveEngine"},
            "threaded": {"MXNET_ENGINE_TYPE": "ThreadedEngine"},
        },
        ("mxnet",),
    ),
    Knob(
        "workers",
        "MXNet's workers: ops that may run side by side on a CPU",
        {"2": {"MXNET_CPU_WORKER_NTHREADS": "2"}, "4": {"MXNET_CPU_WORKER_NTHREADS": "4"}},
        ("mxnet",),
    ),
    Knob(
        "operator_tuning",
        "MXNet measures at its start for which sizes OpenMP pays; off: always",
        {"off": {"MXNET_USE_OPERATOR_TUNING": "0"}},
        ("mxnet",),
    ),
    Knob(
        "common_expressions",
        "MXNet looks for parts of a graph that are computed twice; off: it does not",
        {"off": {"MXNET_ELIMINATE_COMMON_EXPR": "0"}},
        ("mxnet",),
    ),
    Knob(
        "paddle_allocator",
        "Paddle's allocator: one pool that it grows (grown), or the largest fit (naive)",
        {
            "grown": {"FLAGS_allocator_strategy": "auto_growth"},
            "naive": {"FLAGS_allocator_strategy": "naive_best_fit"},
        },
        ("paddle",),
    ),
    Knob(
        "paddle_onednn",
        "Paddle's kernels: oneDNN's instead of its own where there are both",
        {"on": {"FLAGS_use_mkldnn": "1", "FLAGS_use_onednn": "1"}},
        ("paddle",),
    ),
    Knob(
        "blas",
        "the library of MLX's matrix products on a CPU",
        {"openblas": {"CROSSTRAIN_MLX_BLAS": "openblas"}, "wheel": {"CROSSTRAIN_MLX_BLAS": "wheel"}},
        ("mlx",),
    ),
    Knob(
        "parallel_size",
        "from how many numbers on Theano shares an elementwise loop among threads",
        {
            "20,000": {"THEANO_FLAGS": "openmp_elemwise_minsize=20000"},
            "1,000,000": {"THEANO_FLAGS": "openmp_elemwise_minsize=1000000"},
        },
        ("theano",),
    ),
    Knob(
        "cuda_memory",
        "PyTorch's memory on a GPU grows in place instead of in new blocks",
        {"expandable": {"PYTORCH_CUDA_ALLOC_CONF": "expandable_segments:True"}},
        ("torch", "keras-torch"),
        device="cuda",
    ),
    Knob(
        "gpu_threads",
        "TensorFlow starts kernels from threads of the GPU's own",
        {"private": {"TF_GPU_THREAD_MODE": "gpu_private"}},
        ("tensorflow", "keras-tensorflow"),
        device="cuda",
    ),
    Knob(
        "xla_gpu_schedule",
        "XLA orders a GPU's work so that copies hide behind kernels",
        {"hiding": {"XLA_FLAGS": "--xla_gpu_enable_latency_hiding_scheduler=true"}},
        ("jax", "keras-jax"),
        device="cuda",
    ),
    Knob(
        "cudnn_autotune",
        "MXNet times cuDNN's algorithms: all of them (full), or those of little memory (as it is)",
        {"full": {"MXNET_CUDNN_AUTOTUNE_DEFAULT": "2"}},
        ("mxnet",),
        device="cuda",
    ),
    Knob(
        "onednn_products",
        "precision of oneDNN's products in float32: rounded to bfloat16 where the processor is faster so",
        {"bfloat16": {"ONEDNN_DEFAULT_FPMATH_MODE": "BF16", "DNNL_DEFAULT_FPMATH_MODE": "BF16"}},
        ("torch", "tensorflow", "keras-torch", "keras-tensorflow", "mxnet", "mindspore"),
        division="open",
    ),
)  # fmt: skip
"""In the order in which they are tried."""

JOINTS = {"XLA_FLAGS": " ", "THEANO_FLAGS": ",", "GLIBC_TUNABLES": ":"}
"""Variables that hold several settings, and what stands between them: those of two knobs are joined."""


def joined(chosen: list[Mapping[str, str]]) -> dict[str, str]:
    """The variables of several choices as one environment."""
    environment: dict[str, str] = {}
    for variables in chosen:
        for name, value in variables.items():
            if name in environment and name in JOINTS:
                value = JOINTS[name].join([environment[name], value])
            environment[name] = value
    return environment
