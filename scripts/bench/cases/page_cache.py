"""The system's page cache, which any user of Linux may empty of the features of a graph."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from redditgnn.graph.data import GraphData
from redditgnn.runtime.memory import advise_pages

MADV_DONTNEED = 4  # of Linux: forget a mapping's pages, which are read again when needed
OPEN_FILES = Path("/proc/self/fd")


class MappedFeatures:
    """The file of the features of `graph`, which nothing else in the process may map."""

    def __init__(self, graph: GraphData) -> None:
        assert graph.cache_dir is not None, "a loaded graph has a folder"
        self._x, self._path = graph.dense_x, graph.cache_dir / "x.npy"

    def forget(self) -> None:
        """Drop the features, and the packs of this process, from the page cache."""
        advise_pages(self._x, MADV_DONTNEED)
        with self._path.open("rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        for name in os.listdir(OPEN_FILES):
            with suppress(OSError):  # it may be closed by now
                if self._is_pack(os.readlink(OPEN_FILES / name)):
                    os.fdatasync(int(name))  # what is not on the disk yet stays in the cache
                    os.posix_fadvise(int(name), 0, 0, os.POSIX_FADV_DONTNEED)

    def _is_pack(self, link: str) -> bool:
        """Whether an open file has no name and is in the folder of the graph."""
        return link.startswith(str(self._path.parent.resolve())) and link.endswith("(deleted)")


def disk_bytes() -> tuple[int, int]:
    """Return the bytes that this process has read from disks and written to them so far."""
    lines = Path("/proc/self/io").read_text().splitlines()
    counts = {name: int(count) for name, count in (line.split(": ") for line in lines)}
    return counts["read_bytes"], counts["write_bytes"]
