"""Raw files on disk: finding damaged ones, and removing partial downloads."""

from __future__ import annotations

import json
import re
import shutil
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from traceback import extract_tb

import numpy as np

from redditgnn.errors import DataError

COPY_MARK = "redditgnn_copy_of"  # an array in .npz files that this package wrote


def list_names(paths: Sequence[Path]) -> str:
    """List up to four names: 'a, b and c', or 'a, b, c, d and 8 more'."""
    names = [path.name for path in paths]
    if len(names) > 4:
        return ", ".join(names[:4]) + f" and {len(names) - 4} more"
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else "".join(names)


def describe_error(error: BaseException) -> str:
    """Describe `error` in one short line. One without a text is described by its place."""
    text = " ".join(re.sub(r"\x1b\[[0-9;]*m", "", str(error)).split())
    name = type(error).__name__
    if text:
        return f"{name}: {text[:160]}"
    frames = extract_tb(error.__traceback__)
    return f"{name} in {frames[-1].name}" if frames else name


def fetch_error(
    name: str, raw_dir: Path, missing: Sequence[Path], url: str, error: Exception, size: str
) -> DataError:
    """Return an error with the missing files, the failed download, and the two ways out."""
    names = list_names(missing) or "files"
    return DataError(
        f"dataset={name}: {raw_dir} has no {names}, and {url} could not be fetched "
        f"({describe_error(error)}): put {names} ({size}) there by hand, or run dataset=sbm, which "
        "needs no download"
    )


def damage_error(name: str, path: Path, problem: str, *, fetched: bool) -> DataError:
    """Return an error with the damaged raw file and the way to replace it.

    `fetched`: whether a deleted file is fetched again. A user's own file is not.
    """
    delete = "delete it, so that it is fetched again, or " * fetched
    return DataError(f"dataset={name}: {path} is damaged ({problem}): {delete}copy it again")


def find_copy(paths: Sequence[Path]) -> Path | None:
    """Find a file that `write_reddit_raw` wrote: the right counts do not make it the original."""
    for path in paths:
        if path.suffix == ".npz":
            with zipfile.ZipFile(path) as archive:
                if f"{COPY_MARK}.npy" in archive.namelist():
                    return path
    return None


def find_damage(path: Path) -> str | None:
    """Describe the damage of a file that is empty, cut off or of another type than its name."""
    try:
        return _inspect_file(path)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        return describe_error(error)


def _inspect_file(path: Path) -> str | None:
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
    """Remove new entries of `folder`, and new files next to it, if the enclosed work fails.

    A partial download would be trusted the next time.
    """
    old_entries = _list_entries(folder)
    try:
        yield
    except BaseException:
        for path in _list_entries(folder) - old_entries:
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
        raise


def _list_entries(folder: Path) -> set[Path]:
    siblings = (path for path in folder.parent.glob("*") if path.is_file())
    return {*folder.glob("*"), *siblings}
