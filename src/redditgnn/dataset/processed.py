"""PyG's processed files: made anew each time, and known as the class's own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from redditgnn.dataset.pickles import FileWatch

_ENDING = ".before"


@contextmanager
def made_anew(dataset: Any, watch: FileWatch) -> Iterator[None]:
    """Put processed files of earlier times aside while process() runs; note which ones it wrote.

    A process() that skips files which exist would keep old ones. They return if it writes none.
    """
    folder, paths = Path(dataset.processed_dir), [Path(path) for path in dataset.processed_paths]
    aside = {path: path.with_name(path.name + _ENDING) for path in paths if path.is_file()}
    for path, backup in aside.items():
        path.replace(backup)
    before = _change_times(folder)
    try:
        yield
        now = _change_times(folder)
        watch.own_files |= {path for path, time in now.items() if before.get(path) != time}
    finally:
        for path, backup in aside.items():
            if path.exists():
                backup.unlink()
            else:
                backup.replace(path)


def _change_times(folder: Path) -> dict[str, int]:
    """Return when each file below `folder` was changed, which nobody can set."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {os.path.abspath(path): path.stat().st_ctime_ns for path in files}
