"""No code from data files: a pickle may build arrays, matrices and containers, nothing else.

Planetoid's `ind.*` files are pickles, which name functions to call while they are read. Python
raises an audit event (PEP 578) for every such name before it looks it up. This holds for every
reader: PyG, NumPy, torch, pandas. An audit hook cannot be removed. It costs a process less than a
microsecond an event, and only where raw files were read.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from typing import Any, no_type_check

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
    ]
)


@dataclass
class _Watch:
    """The file being read, its dataset, and the refusal of a pickle if there was one."""

    dataset: str
    file: object = "a file"
    refusal: DataError | None = None

    def refuse(self, module: str, name: str) -> DataError:
        self.refusal = DataError(
            f"dataset={self.dataset}: {self.file} is a pickle that asks for {module}.{name}, which "
            "no graph needs and which could run anything: it was not read; delete the file and "
            "copy the original from a source that you trust"
        )
        return self.refusal


_watch: ContextVar[_Watch | None] = ContextVar("_watch", default=None)


@contextmanager
def only_arrays_unpickled(dataset: str) -> Iterator[None]:
    """Refuse pickles in this context and thread that ask for a name outside `ALLOWED`.

    Raises:
        DataError: names `dataset`, file and name, even if the reader hides the refusal.
    """
    _install_hook()
    watch = _Watch(dataset)
    token = _watch.set(watch)
    try:
        yield
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
    if event != "pickle.find_class" and event != "open":
        return
    watch = _watch.get()
    if watch is None:
        return
    if event == "open":
        watch.file = arguments[0]
    elif arguments not in ALLOWED:
        raise watch.refuse(*arguments)
