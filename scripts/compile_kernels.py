"""Compile the Triton kernels for several GPUs, without one, and say what each of them needs.

usage: python scripts/compile_kernels.py [--arch 80 86 89 90] [--setting NAME ...] [--csv PATH]

Prints registers and bytes of spills a thread, bytes of shared memory a program, and the number of
barriers and of 128-bit loads in the code; --csv also writes them to PATH. The kernels' arguments
are those that gat_forward and the like pass them.
"""

from __future__ import annotations

import argparse
import csv
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

os.environ.pop("TRITON_INTERPRET", None)  # decides, when triton is imported, that nothing compiles

import torch
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from triton.runtime.jit import JITFunction, mangle_type

from redditgnn.graph.gather_triton import gather_split
from redditgnn.kernels.aggregate_triton import row_sums
from redditgnn.kernels.attention.gat_triton import gat_backward, gat_forward
from redditgnn.kernels.attention.gatv2_triton import gatv2_backward, gatv2_forward

ARCHITECTURES = (80, 86, 89, 90)  # A100, RTX 3090, RTX 4090, H200


class Setting(NamedTuple):
    """What decides a kernel's code."""

    heads: int
    channels: int
    dtype: torch.dtype
    index_dtype: torch.dtype
    dropout: float


SETTINGS = {
    "8x8": Setting(8, 8, torch.float32, torch.int32, 0.6),
    "8x8-bf16": Setting(8, 8, torch.bfloat16, torch.int32, 0.0),
    "1x41": Setting(1, 41, torch.float32, torch.int32, 0.6),
    "8x32-int64": Setting(8, 32, torch.float32, torch.int64, 0.6),
    "1x256": Setting(1, 256, torch.float32, torch.int32, 0.0),
    "4x256-fp16": Setting(4, 256, torch.float16, torch.int32, 0.6),
    "1x1024": Setting(1, 1024, torch.float32, torch.int32, 0.6),
}


class Launch(NamedTuple):
    """A kernel and the arguments it is called with; `options` are its constants and Triton's."""

    kernel: JITFunction
    args: tuple[Any, ...]
    options: dict[str, Any]


def main(argv: Sequence[str] | None = None) -> int:
    """Compile, print and write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--arch", type=int, nargs="+", default=ARCHITECTURES, help="86 is sm_86")
    parser.add_argument("--setting", choices=SETTINGS, nargs="+", default=[*SETTINGS])
    parser.add_argument("--csv", type=Path, help="also write the rows to this file")
    args = parser.parse_args(argv)
    rows: list[dict[str, Any]] = []
    for row in table(args.setting, args.arch):
        if not rows:
            print(" ".join(f"{name:>{width(name)}}" for name in row))
        print(" ".join(f"{value!s:>{width(name)}}" for name, value in row.items()), flush=True)
        rows.append(row)
    if args.csv:
        with args.csv.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, rows[0])
            writer.writeheader()
            writer.writerows(rows)
    return 0


def width(column: str) -> int:
    """Return how wide a printed column is."""
    return 28 if column == "kernel" else max(10, len(column))


def table(names: Sequence[str], architectures: Sequence[int]) -> Iterator[dict[str, Any]]:
    """Compile every kernel in the settings `names` and yield a row for each."""
    for name in names:
        for launch in launches(SETTINGS[name]):
            for arch in architectures:
                kernel = launch.kernel.fn.__name__.removesuffix("_kernel")
                what = {"kernel": kernel, "setting": name, "arch": f"sm_{arch}"}
                yield what | compiled(launch, arch) | {"triton": triton.__version__}


def launches(setting: Setting) -> list[Launch]:
    """Call the six functions on tiny tensors and return what they would have launched."""
    recorded: list[Launch] = []

    def record(kernel: JITFunction, *args: Any, **options: Any) -> None:
        recorded.append(Launch(kernel, args, options))

    num_nodes, (heads, channels, dtype, index_dtype, dropout) = 4, setting
    value = torch.empty(num_nodes, heads, channels, dtype=dtype)
    score, att = torch.empty(num_nodes, heads), torch.empty(heads, channels)
    csr = torch.zeros(num_nodes + 1, dtype=torch.int64), torch.empty(0, dtype=index_dtype)
    slope, seed = 0.2, torch.zeros((), dtype=torch.int64) if dropout else None
    with mock.patch.object(JITFunction, "run", record):
        result = gat_forward(value, score, score, *csr, slope, dropout, seed)
        gat_backward(value, value, score, score, *result, *csr, *csr, slope, dropout, seed)
        result = gatv2_forward(value, value, att, *csr, slope, dropout, seed)
        gatv2_backward(value, value, value, att, *result, *csr, *csr, slope, dropout, seed)
        row_sums(value.flatten(1), *csr, torch.empty(0) if dropout else None)
        slot, node_ids = torch.zeros(num_nodes, dtype=torch.int32), torch.zeros(num_nodes).long()
        gather_split(value.flatten(1), value.flatten(1), slot, node_ids)
    return recorded


def compiled(launch: Launch, arch: int) -> dict[str, int]:
    """Compile a kernel for `arch` as the first launch there would, and measure the code."""
    kernel, args, options = launch
    runtime = dict(zip(kernel.arg_names, args, strict=False))
    constants = {name: options[name] for name in kernel.arg_names[len(args) :]}
    signature = {name: mangle_type(arg) for name, arg in runtime.items()}
    signature |= dict.fromkeys(constants, "constexpr")
    aligned = {  # as torch's allocator gives them; Triton looks at numbers as well
        (place,): [["tt.divisibility", 16]]
        for place, arg in enumerate(args)
        if isinstance(arg, torch.Tensor) or (isinstance(arg, int) and arg % 16 == 0)
    }
    code = triton.compile(
        ASTSource(kernel, signature, constants, aligned),
        target=GPUTarget("cuda", arch, 32),
        options={k: v for k, v in options.items() if k not in constants},
    )
    return {
        "num_warps": code.metadata.num_warps,
        "shared_bytes": code.metadata.shared,
        **resources(code.asm["cubin"]),
        "barriers": code.asm["ptx"].count("bar.sync"),
        "wide_loads": len(re.findall(r"ld\.global\S*\.v4", code.asm["ptx"])),
        "cubin_bytes": len(code.asm["cubin"]),
    }


def resources(cubin: bytes) -> dict[str, int]:
    """Return registers and spills, which Triton itself asks a driver for.

    The kernels have no arrays and call nothing: what lies on a stack or in local memory spilled.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "kernel.cubin"
        path.write_bytes(cubin)
        command = [triton.knobs.nvidia.cuobjdump.path, "-res-usage", str(path)]
        report = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    used = {key: int(value) for key, value in re.findall(r"(REG|STACK|LOCAL):(\d+)", report)}
    return {"registers": used["REG"], "spill_bytes": used["STACK"] + used["LOCAL"]}


if __name__ == "__main__":
    sys.exit(main())
