"""What the machine is: the processor and the versions, nothing that names a host or a person."""

import importlib.metadata
import os
import platform
from pathlib import Path

import numba

__all__ = ["describe", "results_path"]

#: Flags of the processor that matter to the kernels and their peers.
FLAGS = {
    "sse4_2", "popcnt", "avx", "avx2", "fma", "avx_vnni", "avx512f", "avx512bw", "avx512vl",
    "avx512_vnni", "avx512_bitalg", "avx512_vpopcntdq", "avx512_bf16", "amx_int8", "amx_bf16",
    "asimd", "asimddp", "i8mm", "sve", "sve2",
}  # fmt: skip


def describe():
    """Return the processor, the number of threads, and the versions of the libraries."""
    fields = _cpuinfo()
    try:
        target = numba.core.codegen.get_host_cpu_features()
        features = [name[1:] for name in target.split(",") if name.startswith("+")]
    except RuntimeError:
        features = []
    flags = set((fields.get("flags") or fields.get("Features") or "").split()) or set(features)
    return {
        "architecture": platform.machine(),
        "processor": fields.get("model name") or platform.processor() or platform.machine(),
        "microarchitecture": _llvm_name(),
        "family": fields.get("cpu family"),
        "model": fields.get("model"),
        "flags": sorted(flags & FLAGS),
        "processors": os.cpu_count(),
        "system": platform.system(),
        "python": platform.python_version(),
        "versions": {
            name: importlib.metadata.version(name)
            for name in ("numba", "llvmlite", "numpy", "torch")
        },
    }


def results_path(name):
    """Return the file for the results of this machine, named by its microarchitecture."""
    return Path(__file__).parent / "results" / name / f"{_llvm_name()}.json"


def _cpuinfo():
    path = Path("/proc/cpuinfo")
    if not path.exists():
        return {}
    lines = path.read_text().split("\n\n")[0].splitlines()
    pairs = (line.split(":", 1) for line in lines if ":" in line)
    return {key.strip(): value.strip() for key, value in pairs}


def _llvm_name():
    """Return LLVM's name for the processor, which is what the kernels are compiled for."""
    import llvmlite.binding as llvm

    return llvm.get_host_cpu_name()
