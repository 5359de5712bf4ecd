"""Raw files on disk: which are damaged, and no half-downloaded ones left behind."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from redditgnn.errors import DataError

COPY_MARK = "redditgnn_copy_of"  # an array in .npz files that this package wrote


def listed(paths: Sequence[Path]) -> str:
    """Name up to four files: 'a, b and c', or 'a, b, c, d and 8 more'."""
    names = [path.name for path in paths]
    if len(names) > 4:
        return ", ".join(names[:4]) + f" and {len(names) - 4} more"
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else "".join(names)


def reason(error: BaseException) -> str:
    """Say in one short line what `error` is."""
    text = " ".join(str(error).split())
    name = type(error).__name__
    return f"{name}: {text[:160]}" if text else name


def not_fetched(
    name: str, raw_dir: Path, missing: Sequence[Path], url: str, error: Exception, size: str
) -> DataError:
    """Say what is missing, what was tried, and the two ways on."""
    return DataError(
        f"dataset={name}: {raw_dir} has no {listed(missing)}, and {url} could not be fetched "
        f"({reason(error)}): put {listed(missing)} ({size}) there by hand, or run dataset=sbm, "
        "which needs no download"
    )


def damaged(name: str, path: Path, problem: str) -> DataError:
    """Say which raw file is bad, and how to replace it."""
    return DataError(
        f"dataset={name}: {path} is damaged ({problem}): delete it, so that it is fetched again, "
        "or copy it anew"
    )


def marked_as_copy(paths: Sequence[Path]) -> Path | None:
    """Find a file that `write_reddit_raw` wrote: right counts do not make it the real one."""
    for path in paths:
        if path.suffix == ".npz":
            with zipfile.ZipFile(path) as archive:
                if f"{COPY_MARK}.npy" in archive.namelist():
                    return path
    return None


def damage(path: Path) -> str | None:
    """Say what is wrong with a file that is empty, cut off or not of the type of its name."""
    try:
        return _damage(path)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        return reason(error)


def _damage(path: Path) -> str | None:
    if path.is_file() and path.stat().st_size == 0:
        return "it is empty"
    if path.suffix in (".npz", ".zip"):
        with zipfile.ZipFile(path) as archive:
            broken = archive.testzip()
            return f"its member {broken} is broken" if broken else None
    if path.suffix == ".npy":
        np.load(path, mmap_mode="r", allow_pickle=False)
    if path.suffix == ".json":
        json.loads(path.read_text())
    return None


@contextmanager
def discard_new_files(folder: Path) -> Iterator[None]:
    """Remove what appeared in `folder`, and files beside it, if the enclosed work fails.

    The torso of a download would be trusted the next time.
    """
    before = _entries(folder)
    try:
        yield
    except BaseException:
        for path in _entries(folder) - before:
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
        raise


def _entries(folder: Path) -> set[Path]:
    beside = (path for path in folder.parent.glob("*") if path.is_file())
    return {*folder.glob("*"), *beside}
