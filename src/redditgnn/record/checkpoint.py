"""Weights and states on disk: written whole or not at all, read without running code from them."""

from __future__ import annotations

import logging
import zipfile
from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import IO, Any

import torch
from torch import Tensor

from redditgnn.errors import DataError
from redditgnn.runtime.files import whole_file

Weights = dict[str, Tensor]

log = logging.getLogger(__name__)


def save(values: Mapping[str, Any], path: Path) -> bool:
    """Write tensors, numbers and text to `path` atomically, and see that they are on the disk.

    A full disk costs the file, not the run: a warning says so, and the file from before stays.
    Returns whether it was written.
    """
    try:
        with whole_file(path) as file:
            _save_archive(values, file)
    except OSError as error:
        log.warning("%s could not be written: %s", path, error.strerror or error)
        return False
    return True


def _save_archive(values: Mapping[str, Any], file: IO[bytes]) -> None:
    """Call torch.save, whose archive answers an error of the disk with one of its own.

    Raises:
        OSError: the file cannot be written.
    """
    try:
        torch.save(values, file)
    except RuntimeError as error:
        if isinstance(error.__context__, OSError):
            raise error.__context__ from error
        raise


def load(path: Path, *, way_out: str = "remove it, and the run begins anew") -> dict[str, Any]:
    """Read what `save` wrote, onto the CPU; what is large stays on the disk until it is read.

    `way_out` is what a person can do about a damaged file.

    Raises:
        DataError: the file is not what was written.
    """
    try:
        with zipfile.ZipFile(path) as archive:  # torch.load does not look at the check sums
            if damaged := archive.testzip():
                raise zipfile.BadZipFile(f"wrong check sum of {damaged}")
        values: dict[str, Any] = torch.load(path, "cpu", weights_only=True, mmap=True)
    except (zipfile.BadZipFile, UnpicklingError, RuntimeError, EOFError) as error:
        reason = str(error).splitlines()[0]
        raise DataError(f"{path} is damaged ({reason}); {way_out}") from error
    return values
