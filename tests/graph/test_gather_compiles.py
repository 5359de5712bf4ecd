"""The kernel that reads host memory compiles for the GPUs it is meant for, on a machine without."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import redditgnn

pytest.importorskip("triton", exc_type=ImportError)

PROGRAM = """
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from redditgnn.graph.gather_triton import BLOCK, ROWS, gather_kernel

constants = {"ROWS": ROWS, "BLOCK": BLOCK}
for value in ("fp32", "fp16", "bf16"):
    pointers = {"host_ptr": value, "cache_ptr": value, "out_ptr": value}
    pointers |= {"slot_ptr": "i32", "node_ids_ptr": "i64"}
    names = [name for name in gather_kernel.arg_names if name not in constants]
    signature = {name: f"*{pointers[name]}" if name in pointers else "i32" for name in names}
    signature |= dict.fromkeys(constants, "constexpr")
    source = ASTSource(gather_kernel, signature, constants)
    for architecture in (86, 90):
        compiled = triton.compile(source, target=GPUTarget("cuda", architecture, 32))
        assert len(compiled.asm["cubin"]) > 0
        print(value, architecture, compiled.metadata.shared)
"""


@pytest.mark.every_python
def test_the_gathering_kernel_compiles_for_sm_86_and_sm_90(tmp_path: Path) -> None:
    source = str(Path(redditgnn.__file__).parents[1])
    environment = {k: v for k, v in os.environ.items() if k != "TRITON_INTERPRET"}
    environment |= {"TRITON_CACHE_DIR": str(tmp_path), "PYTHONPATH": source}
    command = [sys.executable, "-c", PROGRAM]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 6
