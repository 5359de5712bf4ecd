"""No code from data files: a pickle may build arrays, matrices and containers, nothing else.

Files that a dataset class wrote a moment ago, in this process, are its own and may hold anything.

Planetoid's `ind.*` files are pickles, which name functions to call while they are read. Python
raises an audit event (PEP 578) for every such name before it looks it up. This holds for every
reader: PyG, NumPy, torch, pandas. The same hook notes which files are read. An audit hook cannot be
removed. It costs a process less than a microsecond an event, and only where raw files were read.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, no_type_check

from redditgnn.dataset.sourcefiles import is_installed
from redditgnn.errors import DataError

_MATRICES = ("bsr", "coo", "csc", "csr", "dia", "dok", "lil")
_BUILTINS = "bytearray bytes complex dict float frozenset int list object set slice str tuple"
ALLOWED = frozenset(
    [
        *((f"numpy.{core}.multiarray", "_reconstruct") for core in ("core", "_core")),
        *((f"numpy.{core}.multiarray", "scalar") for core in ("core", "_core")),
        *((f"numpy.{core}.numeric", "_frombuffer") for core in ("core", "_core")),
        *(("numpy", name) for name in ("ndarray", "dtype", "matrix")),
        *((f"scipy.sparse.{dot}{m}", f"{m}_matrix") for m in _MATRICES for dot in ("", "_")),
        *(("collections", name) for name in ("OrderedDict", "defaultdict")),
        *((module, name) for module in ("builtins", "__builtin__") for name in _BUILTINS.split()),
        *((module, "_reconstructor") for module in ("copyreg", "copy_reg")),
        ("_codecs", "encode"),  # bytes in protocol 2
        ("torch._utils", "_rebuild_tensor_v2"),
        ("torch.serialization", "_get_layout"),
        *(("torch._utils", f"_rebuild_sparse{kind}_tensor") for kind in ("", "_csr")),
        *(("torch_geometric.data.data", f"Data{kind}") for kind in ("", "EdgeAttr", "TensorAttr")),
        ("torch_geometric.data.storage", "GlobalStorage"),
    ]
)


@dataclass
class FileWatch:
    """The files that a dataset reads and writes, and the refusal of a pickle if there was one.

    Attributes:
        file: The file being read.
        own_files: Files that the dataset class wrote, whose pickles are read as they are.
    """

    dataset: str
    file: str = "a file"
    refusal: DataError | None = None
    own_files: set[str] = field(default_factory=set)
    _read: set[str] = field(default_factory=set)
    _written: set[str] = field(default_factory=set)

    def note_open(self, path: object, writes: bool) -> None:
        if not isinstance(path, (str, bytes, os.PathLike)):
            return  # a file descriptor
        name = os.path.abspath(os.fsdecode(path))
        (self._written if writes else self._read).add(name)
        if not (writes or is_installed(name) or name.endswith(".py")):
            self.file = name

    def refuse(self, module: str, name: str) -> DataError:
        self.refusal = DataError(
            f"dataset={self.dataset}: {self.file} is a pickle that asks for {module}.{name}, which "
            "no graph needs and which could run anything: it was not read; replace it by the "
            "original from a source that you trust, or save its tables as CSV or .npz"
        )
        return self.refusal

    @property
    def files_read(self) -> list[Path]:
        """Data files that were read and not written here, without those of installed packages."""
        names = (name for name in self._read - self._written if not is_installed(name))
        return [path for path in map(Path, sorted(names)) if path.is_file()]


_watch: ContextVar[FileWatch | None] = ContextVar("_watch", default=None)


@contextmanager
def only_arrays_unpickled(dataset: str) -> Iterator[FileWatch]:
    """Refuse pickles in this context and thread that ask for a name outside `ALLOWED`.

    Raises:
        DataError: names `dataset`, file and name, even if the reader hides the refusal.
    """
    _install_hook()
    watch = FileWatch(dataset)
    token = _watch.set(watch)
    try:
        yield watch
    except Exception as error:
        if watch.refusal is None or watch.refusal is error:
            raise
        raise watch.refusal from error
    finally:
        _watch.reset(token)


@cache
def _install_hook() -> None:
    sys.addaudithook(_audit)


@no_type_check
def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    if event not in ("pickle.find_class", "open", "sqlite3.connect"):
        return
    watch = _watch.get()
    if watch is None:
        return
    if event == "open":
        watch.note_open(arguments[0], _writes(*arguments[1:]))
    elif event == "sqlite3.connect":
        watch.note_open(arguments[0], writes=False)
    elif watch.file not in watch.own_files and arguments not in ALLOWED:
        raise watch.refuse(*arguments)


@no_type_check
def _writes(mode: str | None, flags: int) -> bool:
    if mode is None:  # os.open
        return bool(flags & (os.O_WRONLY | os.O_RDWR))
    return bool(set(mode) & set("wax+"))
