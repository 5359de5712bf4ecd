"""Dataset classes of PyG, driven so that they are silent, never hang and fail in one line.

PyG's own processed/ folder is written anew from raw/ each time: a stale or foreign file in it is
never read. What is read often is the cache of this package.
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
from redditgnn.dataset.rawfiles import damage, damaged, discard_new_files, not_fetched, reason
from redditgnn.errors import ConfigError, DataError, UserError

TIMEOUT_S = 20.0  # of one answer from a server
_DISK_ERRORS = (errno.EACCES, errno.EROFS, errno.ENOSPC)
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """A dataset class of PyG and where its files are.

    `path` is the class's import path, `arguments` its arguments but `root`; `size` says how much
    there is to download.
    """

    name: str
    path: str
    arguments: Mapping[str, Any]
    root: Path
    size: str

    def open(self) -> Any:
        """Return the dataset object, made from raw/, which is downloaded where necessary.

        Raises:
            ConfigError: there is no such class, or it does not take these arguments.
            DataError: raw files are missing and cannot be fetched, or are not what they should be.
        """
        with quiet(), network_timeouts(), only_arrays_unpickled(self.name):
            cls = self._with_care(self._class())
            return self._opened(cls)

    def _class(self) -> type[Any]:
        module, _, attribute = self.path.rpartition(".")
        try:
            cls = getattr(importlib.import_module(module), attribute)
        except (ImportError, AttributeError, ValueError) as error:
            raise ConfigError(
                f"dataset.source={self.path} cannot be imported ({reason(error)}); give the full "
                "path of a dataset class, e.g. torch_geometric.datasets.Planetoid"
            ) from error
        try:
            inspect.signature(cls).bind(root=str(self.root), **self.arguments)
        except (TypeError, ValueError) as error:
            raise ConfigError(
                f"dataset.arguments do not fit {self.path}: {reason(error)}"
            ) from error
        return cls

    def _with_care(self, cls: type[Any]) -> type[Any]:
        """Derive a class whose two hooks report failures and leave no partial downloads."""
        source = self

        def download(dataset: Any) -> None:
            try:
                with discard_new_files(Path(dataset.raw_dir)):
                    _LOG.warning("dataset=%s: fetching %s", source.name, source.size)
                    cls.download(dataset)
            except Exception as error:  # whatever it is, the files did not come
                raise source._not_fetched(dataset, error) from error

        def process(dataset: Any) -> None:
            try:
                cls.process(dataset)
            except UserError:
                raise
            except Exception as error:  # PyG does not check its input: anything can surface
                if isinstance(error, MemoryError) or getattr(error, "errno", None) in _DISK_ERRORS:
                    raise
                clear_frames(error.__traceback__)  # they keep files open
                raise source._unreadable(Path(dataset.raw_dir), error) from error

        return type(cls.__name__, (cls,), {"download": download, "process": process})

    def _not_fetched(self, dataset: Any, error: Exception) -> DataError:
        missing = [path for path in map(Path, dataset.raw_paths) if not path.exists()]
        url = getattr(dataset, "url", "the files' server")
        return not_fetched(self.name, Path(dataset.raw_dir), missing, url, error, self.size)

    def _opened(self, cls: type[Any]) -> Any:
        reload = {"force_reload": True} if _takes(cls, "force_reload") else {}
        try:
            return cls(root=str(self.root), **self.arguments, **reload)
        except (UserError, MemoryError):
            raise
        except OSError as error:
            raise DataError(
                f"dataset={self.name}: {error.filename or self.root} cannot be written "
                f"({error.strerror or reason(error)}); PyG keeps its processed files beside raw/, "
                "so data_dir needs write permission and free space"
            ) from error
        except Exception as error:
            raise ConfigError(
                f"dataset={self.name}: {self.path} failed with these dataset.arguments: "
                f"{dict(self.arguments)} ({reason(error)})"
            ) from error

    def _unreadable(self, raw_dir: Path, error: Exception) -> DataError:
        for path in sorted(raw_dir.glob("*")):
            if (problem := damage(path)) is not None:
                return damaged(self.name, path, problem)
        return DataError(
            f"dataset={self.name}: {self.path} cannot read {raw_dir} ({reason(error)}): delete the "
            "files there, so that they are fetched again, or copy them anew"
        )


def _takes(cls: type[Any], parameter: str) -> bool:
    return parameter in inspect.signature(cls).parameters


@contextmanager
def quiet() -> Iterator[None]:
    """Swallow what PyG prints and warns of while it loads."""
    with ExitStack() as stack:
        stack.enter_context(redirect_stdout(io.StringIO()))
        stack.enter_context(redirect_stderr(io.StringIO()))
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        yield


@contextmanager
def network_timeouts() -> Iterator[None]:
    """Bound the waits of urllib and fsspec, PyG's two ways to download."""
    from fsspec import config as fsspec_config  # type: ignore[import-untyped]

    before, conf = socket.getdefaulttimeout(), dict(fsspec_config.conf)
    socket.setdefaulttimeout(TIMEOUT_S)
    fsspec_config.conf["http"] = {"client_kwargs": _aiohttp_settings()}
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
        fsspec_config.conf.clear()
        fsspec_config.conf.update(conf)


def _aiohttp_settings() -> dict[str, Any]:
    import aiohttp

    limits = aiohttp.ClientTimeout(total=None, sock_connect=TIMEOUT_S, sock_read=TIMEOUT_S)
    return {"timeout": limits, "trust_env": True}
