"""The Triton kernels compile for the GPUs they are meant for, on a machine without one.

The interpreter forgives what the compiler does not: types, layouts, what fits on a chip.
"""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest

import redditgnn

pytest.importorskip("triton", exc_type=ImportError)

SCRIPT = Path(__file__).parents[2] / "scripts" / "compile_kernels.py"
NUM_KERNELS = 8
SHARED_BYTES = 99 * 1024  # what a program may have on sm_86 and sm_89, the least of the four


def compiled(tmp_path: Path, *argv: str) -> list[dict[str, str]]:
    """Run the script in an empty cache and return its rows."""
    path = tmp_path / "kernels.csv"
    source = str(Path(redditgnn.__file__).parents[1])
    environment = os.environ | {"TRITON_CACHE_DIR": str(tmp_path / "cache"), "PYTHONPATH": source}
    command = [sys.executable, "-W", "error::UserWarning", str(SCRIPT), "--csv", str(path), *argv]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def assert_that_all_fit(rows: list[dict[str, str]]) -> None:
    for row in rows:
        assert int(row["cubin_bytes"]) > 0
        assert int(row["shared_bytes"]) <= SHARED_BYTES
        assert int(row["spill_bytes"]) <= 16, row  # rather than a register more than 128
        assert int(row["registers"]) <= 168, row  # 12 warps a multiprocessor at least


@pytest.mark.every_python
def test_every_kernel_compiles_for_sm_86(tmp_path: Path) -> None:
    rows = compiled(tmp_path, "--arch", "86", "--setting", "8x8")
    assert len({row["kernel"] for row in rows}) == len(rows) == NUM_KERNELS
    assert_that_all_fit(rows)
    assert all(row["spill_bytes"] == "0" for row in rows)
    assert all(int(row["wide_loads"]) >= 4 for row in rows), "rows of 64 floats, 16 bytes a thread"


@pytest.mark.slow
def test_every_kernel_compiles_in_every_setting_for_every_gpu(tmp_path: Path) -> None:
    rows = compiled(tmp_path)
    assert len(rows) == NUM_KERNELS * 7 * 4
    assert_that_all_fit(rows)
