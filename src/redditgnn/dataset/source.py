"""Dataset classes of PyG, run without output or hangs, and with errors of one line.

PyG's own processed/ folder is rewritten from raw/ each time, so a stale or foreign file in it is
never read. Repeated loads read the cache of this package.
"""

from __future__ import annotations

import errno
import importlib
import inspect
import io
import logging
import socket
import warnings
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from traceback import clear_frames
from typing import Any

from redditgnn.dataset.pickles import only_arrays_unpickled
from redditgnn.dataset.rawfiles import (
    damage_error,
    describe_error,
    discard_new_files,
    fetch_error,
    find_damage,
)
from redditgnn.errors import ConfigError, DataError, UserError

TIMEOUT_S = 20.0  # of one answer from a server
_DISK_ERRORS = (errno.EACCES, errno.EROFS, errno.ENOSPC)
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """A dataset class of PyG and the place of its files.

    `path` is the class's import path, `arguments` its arguments except `root`. `size` describes the
    size of the download.
    """

    name: str
    path: str
    arguments: Mapping[str, Any]
    root: Path
    size: str

    def open(self) -> Any:
        """Return the dataset object, built from raw/, which is downloaded where necessary.

        Raises:
            ConfigError: there is no such class, or it does not take these arguments.
            DataError: raw files are missing and cannot be fetched, or are damaged.
        """
        with quiet(), network_timeouts(), only_arrays_unpickled(self.name):
            cls = self._wrap_hooks(self._import_class())
            return self._build_dataset(cls)

    def _import_class(self) -> type[Any]:
        module, _, attribute = self.path.rpartition(".")
        try:
            cls = getattr(importlib.import_module(module), attribute)
        except (ImportError, AttributeError, ValueError) as error:
            raise ConfigError(
                f"dataset.source={self.path} cannot be imported ({describe_error(error)}); give "
                "the full path of a dataset class, e.g. torch_geometric.datasets.Planetoid"
            ) from error
        try:
            inspect.signature(cls).bind(root=str(self.root), **self.arguments)
        except (TypeError, ValueError) as error:
            raise ConfigError(
                f"dataset.arguments do not fit {self.path}: {describe_error(error)}"
            ) from error
        return cls

    def _wrap_hooks(self, cls: type[Any]) -> type[Any]:
        """Derive a class whose two hooks report failures and leave no partial downloads."""
        source = self

        def download(dataset: Any) -> None:
            try:
                with discard_new_files(Path(dataset.raw_dir)):
                    _LOG.warning("dataset=%s: fetching %s", source.name, source.size)
                    cls.download(dataset)
            except Exception as error:  # for any reason, the files did not arrive
                raise source._fetch_error(dataset, error) from error

        def process(dataset: Any) -> None:
            try:
                cls.process(dataset)
            except UserError:
                raise
            except Exception as error:  # PyG does not check its input: anything can surface
                if isinstance(error, MemoryError) or getattr(error, "errno", None) in _DISK_ERRORS:
                    raise
                clear_frames(error.__traceback__)  # their frames keep files open
                raise source._unreadable_error(Path(dataset.raw_dir), error) from error

        return type(cls.__name__, (cls,), {"download": download, "process": process})

    def _fetch_error(self, dataset: Any, error: Exception) -> DataError:
        missing = [path for path in map(Path, dataset.raw_paths) if not path.exists()]
        url = getattr(dataset, "url", "the files' server")
        return fetch_error(self.name, Path(dataset.raw_dir), missing, url, error, self.size)

    def _build_dataset(self, cls: type[Any]) -> Any:
        reload = {"force_reload": True} if _accepts(cls, "force_reload") else {}
        try:
            return cls(root=str(self.root), **self.arguments, **reload)
        except (UserError, MemoryError):
            raise
        except OSError as error:
            raise DataError(
                f"dataset={self.name}: {error.filename or self.root} cannot be written "
                f"({error.strerror or describe_error(error)}); PyG keeps its processed files next "
                "to raw/, so data_dir needs write permission and free space"
            ) from error
        except Exception as error:
            raise ConfigError(
                f"dataset={self.name}: {self.path} failed with these dataset.arguments: "
                f"{dict(self.arguments)} ({describe_error(error)})"
            ) from error

    def _unreadable_error(self, raw_dir: Path, error: Exception) -> DataError:
        for path in sorted(raw_dir.glob("*")):
            if (problem := find_damage(path)) is not None:
                return damage_error(self.name, path, problem)
        return DataError(
            f"dataset={self.name}: {self.path} cannot read {raw_dir} ({describe_error(error)}): "
            "delete the files there, so that they are fetched again, or copy them again"
        )


def _accepts(cls: type[Any], parameter: str) -> bool:
    return parameter in inspect.signature(cls).parameters


@contextmanager
def quiet() -> Iterator[None]:
    """Hide the output and the warnings of PyG while it loads."""
    with ExitStack() as stack:
        stack.enter_context(redirect_stdout(io.StringIO()))
        stack.enter_context(redirect_stderr(io.StringIO()))
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        yield


@contextmanager
def network_timeouts() -> Iterator[None]:
    """Limit the waiting times of urllib and fsspec, PyG's two ways to download."""
    from fsspec import config as fsspec_config  # type: ignore[import-untyped]

    old_timeout, old_conf = socket.getdefaulttimeout(), dict(fsspec_config.conf)
    socket.setdefaulttimeout(TIMEOUT_S)
    fsspec_config.conf["http"] = {"client_kwargs": _aiohttp_settings()}
    try:
        yield
    finally:
        socket.setdefaulttimeout(old_timeout)
        fsspec_config.conf.clear()
        fsspec_config.conf.update(old_conf)


def _aiohttp_settings() -> dict[str, Any]:
    import aiohttp

    limits = aiohttp.ClientTimeout(total=None, sock_connect=TIMEOUT_S, sock_read=TIMEOUT_S)
    return {"timeout": limits, "trust_env": True}
