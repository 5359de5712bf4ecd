"""Who made a result, with what, and where."""

from __future__ import annotations

import hashlib
import platform
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch


def provenance(device: torch.device) -> dict[str, Any]:
    """Describe code, software and hardware.

    `commit` is that of the source checkout, or the package's version where there is none; `dirty`
    means that the checkout had uncommitted changes, and is None without one.
    """
    commit, dirty = _checkout(Path(__file__).parent)
    return {
        "argv": sys.argv[1:],
        "commit": commit or package_version("redditgnn"),
        "dirty": dirty,
        "python_version": platform.python_version(),
        "platform": platform.platform(),
        "torch_version": torch.__version__,
        "pyg_version": package_version("torch_geometric"),
        "cuda_version": torch.version.cuda,
        "num_threads": torch.get_num_threads(),
        "device": device.type,
        "device_name": device_name(device),
    }


def source_digest() -> str:
    """Hash the modules of this package: two checkouts of one commit may differ."""
    package, digest = Path(__file__).parent, hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        digest.update(str(path.relative_to(package)).encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def device_name(device: torch.device) -> str:
    """Return the GPU's name, or the CPU's model."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def package_version(name: str) -> str:
    """Return the installed version of a distribution, or an empty string."""
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def _checkout(folder: Path) -> tuple[str, bool | None]:
    """Return commit and dirtiness, if `folder` is tracked by git and not merely inside one."""
    git = ["git", "-C", str(folder)]
    tracked = _output([*git, "ls-files", "provenance.py"])
    if not tracked:
        return "", None
    # Results are written into the checkout while it is at work: they do not make the code dirty.
    changed = _output([*git, "status", "--porcelain", "--", ":/src", ":/conf"])
    return _output([*git, "rev-parse", "HEAD"]) or "", bool(changed)


def _output(command: list[str]) -> str | None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=20)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
