"""Files and folders that are written whole or not at all.

They are written next to their place, flushed to the disk, and then renamed. Readers see the old
content until then, and a crash or a full disk leaves it unchanged.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from redditgnn.errors import DataError


@contextmanager
def whole_file(path: Path, *, shared: bool = False) -> Iterator[IO[bytes]]:
    """Open a file for writing that takes the place of `path` if the block ends well.

    `shared`: several processes may write it at once. Otherwise the next writer removes the
    temporary file of a killed one.

    Raises:
        OSError: the disk is full or was taken away.
    """
    path = path.resolve()  # the target of a link
    ending = f".{os.getpid()}.tmp" if shared else ".tmp"
    temporary = path.with_name(f".{path.name}{ending}")
    try:
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if path.exists():
            shutil.copymode(path, temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    flush_folder(path.parent)


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """Yield an empty folder that takes the place of `folder` if the block ends well.

    Raises:
        OSError: the disk is full or was taken away.
    """
    remove_half_written(folder)
    temporary = folder.with_name(f"{folder.name}.tmp{os.getpid()}")
    temporary.mkdir()
    try:
        yield temporary
        for path in temporary.iterdir():
            with path.open("rb") as file:
                os.fsync(file.fileno())
        if folder.exists():
            shutil.rmtree(folder)
        temporary.rename(folder)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    flush_folder(folder.parent)


@contextmanager
def result_folder(kind: Path, title: str) -> Iterator[tuple[Path, Path]]:
    """Write a folder of results whole, below `kind`.

    Yields an empty folder to write to, and the path that it has afterwards: `title`, without what
    cannot be in the name of a file.

    Raises:
        DataError: it cannot be written.
    """
    folder = kind / re.sub(r"[^\w.-]+", "_", title)
    try:
        kind.mkdir(parents=True, exist_ok=True)
        with whole_folder(folder) as temporary:
            yield temporary, folder
    except OSError as error:
        raise DataError(
            f"{folder} cannot be written ({error.strerror or error}); set results_dir"
        ) from error


def remove_half_written(folder: Path) -> None:
    """Remove partial copies of `folder` that killed processes left."""
    for path in folder.parent.glob(f"{folder.name}*.tmp*"):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def reserve(descriptor: int, size: int) -> None:
    """Allocate a file's disk space now: writing to a mapped page without any kills the process."""
    if sys.platform == "linux":
        os.posix_fallocate(descriptor, 0, max(1, size))
    else:
        os.truncate(descriptor, size)


def flush_folder(folder: Path) -> None:
    """Make a new name survive a loss of power, where a folder can be opened."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
