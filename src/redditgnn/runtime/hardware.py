"""The abilities of this machine: queried where the answer is reliable, tried out elsewhere."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import sysconfig
from functools import cache
from pathlib import Path

import torch

from redditgnn.errors import require

TRIAL_S = 120.0  # the limit, which includes importing torch
SLOWER = 3.0  # bfloat16 products without hardware for them measured 11 to 300 times as slow
WITHOUT_AMX = (
    "a machine that announces AMX and lacks it needs ONEDNN_MAX_CPU_ISA=AVX512_CORE_BF16 in the "
    "environment"
)
_TRIAL = """
import time, torch
def seconds(dtype):
    a, times = torch.ones(256, 256, dtype=dtype), []
    for _ in range(6):
        start = time.perf_counter()
        a @ a
        times.append(time.perf_counter() - start)
    return min(times)
torch.set_num_threads(1)
print(seconds(torch.bfloat16) / seconds(torch.float32))
"""
_COMPILERS = {"darwin": "clang++", "win32": "cl"}


def bf16_obstacle(device: torch.device) -> str | None:
    """Describe why matrix products in bfloat16 are useless on `device`, or return None."""
    if device.type == "cpu":
        return _bf16_obstacle_of_cpu()
    major, minor = torch.cuda.get_device_capability(device)
    if major >= 8:
        return None
    name = torch.cuda.get_device_name(device)
    return f"{name} has compute capability {major}.{minor}, and units for it come with 8.0"


@cache
def _bf16_obstacle_of_cpu() -> str | None:
    """Multiply matrices in another process, and compare the time with float32.

    CPU flags are not enough: which of them PyTorch uses depends on its build and on
    ONEDNN_MAX_CPU_ISA. A virtual machine may announce AMX, whose first use kills the process.
    """
    command = [sys.executable, "-c", _TRIAL]
    try:
        result = subprocess.run(
            command, capture_output=True, text=True, timeout=TRIAL_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"trying it failed ({type(error).__name__})"
    if result.returncode < 0:
        name = signal.Signals(-result.returncode).name
        return f"trying it ended in {name} ({WITHOUT_AMX})"
    if result.returncode > 0:
        return f"trying it failed ({(result.stderr.splitlines() or ['no reason given'])[-1]})"
    slowdown = float(result.stdout)
    if slowdown <= SLOWER:
        return None
    return f"the CPU has no units for it, and takes {slowdown:.0f} times as long as for float32"


def compile_obstacle() -> str | None:
    """Describe what `torch.compile` lacks to generate code here, or return None."""
    compiler = os.environ.get("CXX") or _COMPILERS.get(sys.platform, "g++")
    if shutil.which(compiler) is None:
        return f"there is no C++ compiler ({compiler})"
    header = Path(sysconfig.get_paths()["include"], "Python.h")
    return None if header.is_file() else f"Python's C headers are missing ({header})"


def resolve_device(name: str) -> torch.device:
    """Return the device called `name`; `auto` is the first CUDA device where there is one.

    Raises:
        ConfigError: torch finds no such device.
    """
    num_gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if name == "cpu" or (name == "auto" and num_gpus == 0):
        return torch.device("cpu")
    index = int(name.partition(":")[2] or 0)
    require(
        num_gpus > 0,
        f"device={name} needs a CUDA device, and torch finds none; use device=auto or device=cpu",
    )
    require(
        index < num_gpus,
        f"device={name} is not there: torch finds {num_gpus} CUDA devices, counted from 0; "
        f"use device=cuda:{num_gpus - 1} or lower",
    )
    return torch.device("cuda", index)
