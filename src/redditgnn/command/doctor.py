"""Show what is installed, what each component runs on, and which graphs fit in memory.

usage: redditgnn doctor

It changes nothing. Exit code 2 if a required package is missing.

examples:
  redditgnn doctor
  redditgnn doctor > doctor.txt      # to attach to a report
"""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Sequence
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version

from redditgnn import CONF_DIR, __version__
from redditgnn.errors import UserError

REQUIRED = ("torch", "torch_geometric", "hydra-core", "numba", "scipy", "pymetis", "psutil")
OPTIONAL = {
    "triton": "GPU kernels",
    "pyg_lib": "sampler=neighbor_pyg",
    "torch_sparse": "sampler=neighbor_pyg",
}
MIB = 2**20

Row = Sequence[str]


def main(argv: Sequence[str]) -> int:
    """Print all sections.

    Raises:
        UserError: `argv` is not empty, or a required package is missing.
    """
    if argv:
        raise UserError(f"doctor takes no arguments, got {' '.join(argv)!r}")
    _print_section("versions", versions())
    if missing := [name for name in REQUIRED if _installed_version(name) is None]:
        raise UserError(f"not installed: {', '.join(missing)}; run 'pip install redditgnn'")
    from redditgnn.command.fits import EXPLANATION, memory_table  # imports the required packages

    memories = _memories()
    _print_section("hardware", [(name, f"{mib:,.0f} MiB") for name, mib in memories.items()])
    _print_section("arithmetic", arithmetic())
    _print_section("samplers", samplers())
    _print_section("kernels", kernels())
    _print_section("memory (MiB)", memory_table(memories))
    print(EXPLANATION)
    return 0


def versions() -> list[Row]:
    """Return the version of each package that matters, or that it is missing."""
    rows = [("redditgnn", __version__), ("python", platform.python_version())]
    rows += [(name, _installed_version(name) or "not installed (required)") for name in REQUIRED]
    rows += [(name, _describe_optional(name, use)) for name, use in OPTIONAL.items()]
    if _installed_version("torch"):
        import torch

        rows.insert(3, ("cuda", torch.version.cuda or "not in this build of torch"))
    return list(rows)


def arithmetic() -> list[Row]:
    """Return the instruction set of the CPU, and which settings of `trainer` can run."""
    import torch

    from redditgnn.runtime.hardware import bf16_obstacle, compile_obstacle

    devices = {"CPU": torch.device("cpu")}
    devices |= {f"GPU {i}": torch.device("cuda", i) for i in range(torch.cuda.device_count())}
    return [
        ("CPU", f"{torch.backends.cpu.get_cpu_capability()}, {torch.get_num_threads()} threads"),
        *(
            (f"precision=bf16, {name}", _describe_obstacle(bf16_obstacle(devices[name])))
            for name in devices
        ),
        ("compile=true", _describe_obstacle(compile_obstacle())),
    ]


def _describe_obstacle(obstacle: str | None) -> str:
    return "runs" if obstacle is None else f"no: {obstacle}"


def samplers() -> list[Row]:
    """Return each sampler, and whether it can run here."""
    paths = sorted((CONF_DIR / "sampler").glob("*.yaml"))
    accelerated = any(_can_import(name) for name in ("pyg_lib", "torch_sparse"))
    verdicts = {False: "runs", True: "runs" if accelerated else "needs pyg_lib or torch_sparse"}
    return [(path.stem, verdicts[path.stem.endswith("_pyg")]) for path in paths]


def kernels() -> list[Row]:
    """Return each kernel, and its backend on each device."""
    import torch

    from redditgnn.kernels import OPERATORS
    from redditgnn.kernels.aggregate import name_of_sums
    from redditgnn.kernels.backend import fastest
    from redditgnn.kernels.statistics import name_of_statistics

    devices = [torch.device(name) for name in ("cpu", "cuda")[: 1 + torch.cuda.is_available()]]
    name_functions = {
        **dict.fromkeys(OPERATORS, fastest),
        "aggregate": name_of_sums,
        "statistics": name_of_statistics,
    }
    return [
        (kernel, ", ".join(f"{name_of(device)} ({device.type})" for device in devices))
        for kernel, name_of in name_functions.items()
    ]


def _memories() -> dict[str, float]:
    """Return the MiB of the CPU's memory and of each GPU's, by name."""
    import psutil
    import torch

    memories = {f"CPU ({os.cpu_count()} cores)": psutil.virtual_memory().total / MIB}
    for index in range(torch.cuda.device_count()):
        device = torch.cuda.get_device_properties(index)
        memories[f"GPU {index} ({device.name})"] = device.total_memory / MIB
    return memories


def _installed_version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _describe_optional(name: str, use: str) -> str:
    installed = _installed_version(name)
    if installed is None:
        return f"not installed (optional: {use})"
    if not _can_import(name):
        return f"{installed}, but its import fails (optional: {use})"
    return installed


def _can_import(name: str) -> bool:
    """Whether `name` can be imported. An extension built for another torch cannot."""
    try:
        import_module(name)
    except (ImportError, OSError):
        return False
    return True


def _print_section(title: str, rows: Iterable[Row]) -> None:
    print(f"{title}\n{align_columns(rows)}\n")


def align_columns(rows: Iterable[Row]) -> str:
    """Align `rows` in columns: numbers to the right, everything else to the left."""
    columns = [_pad_column(cells) for cells in zip(*rows, strict=True)]
    return "\n".join("  " + "  ".join(cells).rstrip() for cells in zip(*columns, strict=True))


def _pad_column(cells: Row) -> Row:
    width = max(map(len, cells))
    if any(cell.replace(",", "").isdigit() for cell in cells):
        return [cell.rjust(width) for cell in cells]
    return [cell.ljust(width) for cell in cells]
