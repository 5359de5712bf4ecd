"""Dataset classes and functions for PyG, run without output or hangs, with errors of one line.

A class's process() runs each time, so that a stale or foreign file in its processed/ folder is
never read. Repeated loads read the cache of this package.
"""

from __future__ import annotations

import errno
import importlib
import inspect
import io
import logging
import os
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from traceback import clear_frames
from typing import Any

from redditgnn.dataset.download import network_timeouts, progress_logged
from redditgnn.dataset.opened import OpenDataset, foreign_place
from redditgnn.dataset.pickles import FileWatch, only_arrays_unpickled
from redditgnn.dataset.processed import made_anew
from redditgnn.dataset.rawfiles import (
    damage_error,
    describe_error,
    discard_new_files,
    fetch_error,
    find_damage,
)
from redditgnn.dataset.seeding import seeded
from redditgnn.errors import ConfigError, DataError, UserError

_DISK_ERRORS = (errno.EACCES, errno.EROFS, errno.ENOSPC)
_UNSAFE_BY_DEFAULT = "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"  # torch.load as before 2.6
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """A dataset class or function, and the place of its files.

    Attributes:
        path: The import path.
        arguments: Those of the class or function. `root` is added where it takes one.
        size: A description of the size of the download.
        seed: The seed of torch, NumPy and Python while it runs.
        original: Whether only the published files are accepted, which can be fetched again.
    """

    name: str
    path: str
    arguments: Mapping[str, Any]
    root: Path
    size: str
    seed: int = 0
    original: bool = False

    @contextmanager
    def open(self) -> Iterator[OpenDataset]:
        """Yield the dataset, built from raw/, which is downloaded where necessary.

        Raises:
            ConfigError: there is no such class, or it does not take these arguments.
            DataError: raw files are missing and cannot be fetched, or are damaged.
        """
        with ExitStack() as stack:
            stack.enter_context(quiet())
            stack.enter_context(network_timeouts())
            stack.enter_context(seeded(self.seed))
            watch = stack.enter_context(only_arrays_unpickled(self.name))
            stack.enter_context(_any_torch_file())
            source = self._import_source()
            dataset = self._build_dataset(self._wrap_hooks(source, watch))
            yield OpenDataset(self.name, self.path, source, dataset, watch)

    def _import_source(self) -> Callable[..., Any]:
        module, _, attribute = self.path.rpartition(".")
        try:
            source = getattr(importlib.import_module(module), attribute)
        except Exception as error:  # whatever a module raises when it is imported
            place = foreign_place(error)
            raise ConfigError(
                f"dataset.source={self.path} cannot be imported ({place}{describe_error(error)}); "
                "give the full path of a dataset class, e.g. torch_geometric.datasets.Planetoid, "
                "and the folder of a module of your own in PYTHONPATH"
            ) from error
        if not callable(source):
            raise ConfigError(f"dataset.source={self.path} must be a class or a function")
        try:
            inspect.signature(source).bind(**self._arguments_of(source))
        except (TypeError, ValueError) as error:
            raise ConfigError(
                f"dataset.arguments do not fit {self.path}: {describe_error(error)}"
            ) from error
        return source

    def _arguments_of(self, source: Callable[..., Any]) -> dict[str, Any]:
        parameters = inspect.signature(source).parameters
        any_name = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
        forwards = any_name and not str(source.__module__).startswith("torch_geometric.")
        takes_root = "root" in parameters or (forwards and _is_pyg_class(source))
        reload = {"force_reload": True} if "force_reload" in parameters else {}
        return {**({"root": str(self.root)} if takes_root else {}), **reload, **self.arguments}

    def _wrap_hooks(self, source: Any, watch: FileWatch) -> Callable[..., Any]:
        """Derive a class whose hooks report failures, run anew and leave no partial downloads."""
        if not _is_pyg_class(source):
            return source
        hooks: dict[str, Any] = {"__module__": source.__module__, "_process": _process_always}
        if _overrides(source, "download"):
            hooks["download"] = self._wrap_download(source.download)
        if _overrides(source, "process"):
            hooks["process"] = self._wrap_process(source.process, watch)
        return type(source.__name__, (source,), hooks)

    def _wrap_download(self, download: Callable[[Any], None]) -> Any:
        def wrapped(dataset: Any) -> None:
            raw_dir = Path(dataset.raw_dir)
            try:
                with discard_new_files(raw_dir), progress_logged(self.name, raw_dir):
                    if dataset.raw_paths:  # otherwise there may be nothing to fetch
                        _LOG.warning("dataset=%s: fetching its files (%s)", self.name, self.size)
                    download(dataset)
            except Exception as error:  # for any reason, the files did not arrive
                missing = [path for path in map(Path, dataset.raw_paths) if not path.exists()]
                url = getattr(dataset, "url", "the files' server")
                raise fetch_error(self.name, raw_dir, missing, url, error, self.size) from error

        return wrapped

    def _wrap_process(self, process: Callable[[Any], None], watch: FileWatch) -> Any:
        def wrapped(dataset: Any) -> None:
            try:
                with made_anew(dataset, watch):
                    process(dataset)
            except UserError:
                raise
            except Exception as error:  # PyG does not check its input: anything can surface
                if _is_of_the_machine(error):
                    raise
                clear_frames(error.__traceback__)  # their frames keep files open
                raise self._process_error(dataset, error) from error

        return wrapped

    def _process_error(self, dataset: Any, error: Exception) -> DataError:
        if place := foreign_place(error):
            return DataError(
                f"dataset={self.name}: {self.path} failed in {place}{describe_error(error)}"
            )
        for path in sorted(Path(dataset.raw_dir).glob("*")):
            if (problem := find_damage(path)) is not None:
                return damage_error(self.name, path, problem, fetched=self.original)
        delete = "delete the files there, so that they are fetched again, or " * self.original
        return DataError(
            f"dataset={self.name}: {self.path} cannot read {dataset.raw_dir} "
            f"({describe_error(error)}): {delete}copy them again"
        )

    def _build_dataset(self, source: Callable[..., Any]) -> Any:
        try:
            return source(**self._arguments_of(source))
        except UserError:
            raise
        except Exception as error:
            if _is_of_the_machine(error) and not isinstance(error, OSError):
                raise
            if place := foreign_place(error):
                raise DataError(
                    f"dataset={self.name}: {self.path} failed in {place}{describe_error(error)}"
                ) from error
            if isinstance(error, OSError):
                raise self._disk_error(error) from error
            raise ConfigError(
                f"dataset={self.name}: {self.path} failed with these dataset.arguments: "
                f"{dict(self.arguments)} ({describe_error(error)})"
            ) from error

    def _disk_error(self, error: OSError) -> DataError:
        return DataError(
            f"dataset={self.name}: {error.filename or self.root} cannot be written "
            f"({error.strerror or describe_error(error)}); PyG keeps its processed files next "
            "to raw/, so data_dir needs write permission and free space"
        )


def default_folder(path: str) -> str:
    """Return the folder of the class `path` below data_dir: none if it adds one for itself.

    Two classes must not share a raw/ folder, where files of one name would be mixed up.
    """
    from torch_geometric.data import Dataset

    module, _, name = path.rpartition(".")
    try:
        source = getattr(importlib.import_module(module), name)
    except Exception:  # `Source.open` reports it
        return name
    return "" if getattr(source, "raw_dir", Dataset.raw_dir) is not Dataset.raw_dir else name


def _is_pyg_class(source: Any) -> bool:
    from torch_geometric.data import Dataset

    return isinstance(source, type) and issubclass(source, Dataset)


def _overrides(source: Any, method: str) -> bool:
    from torch_geometric.data import Dataset, InMemoryDataset

    return getattr(source, method) not in (
        getattr(Dataset, method),
        getattr(InMemoryDataset, method),
    )


def _process_always(dataset: Any) -> None:
    """Replace `Dataset._process`, which skips process() where its files are there."""
    dataset.force_reload = True
    super(type(dataset), dataset)._process()


def _is_of_the_machine(error: Exception) -> bool:
    """Whether memory or the disk failed, not the class or its files."""
    out_of_memory = isinstance(error, MemoryError) or "can't allocate memory" in str(error)
    return out_of_memory or getattr(error, "errno", None) in _DISK_ERRORS


@contextmanager
def _any_torch_file() -> Iterator[None]:
    """Let `torch.load` read what classes for older torch save. `only_arrays_unpickled` watches."""
    before = os.environ.get(_UNSAFE_BY_DEFAULT)
    os.environ[_UNSAFE_BY_DEFAULT] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[_UNSAFE_BY_DEFAULT]
        else:
            os.environ[_UNSAFE_BY_DEFAULT] = before


@contextmanager
def quiet() -> Iterator[None]:
    """Hide the output and the warnings of PyG while it loads."""
    with ExitStack() as stack:
        stack.enter_context(redirect_stdout(io.StringIO()))
        stack.enter_context(redirect_stderr(io.StringIO()))
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        yield
