"""Downloads by PyG's dataset classes: time limits, and a line of progress now and then."""

from __future__ import annotations

import logging
import socket
import threading
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from redditgnn.dataset.rawfiles import discard_new_files, fetch_error

TIMEOUT_S = 20.0  # without a byte from a server
PROGRESS_EVERY_S = 5.0
_LOG = logging.getLogger(__name__)


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


def fetch_files(name: str, url: str, files: Sequence[Path], size: str) -> None:
    """Fetch those of `files` that are missing from the folder `url`, where they have these names.

    Raises:
        DataError: a file could not be fetched. Then none is left.
    """
    missing = [path for path in files if not path.exists()]
    if not missing:
        return
    folder = missing[0].parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with discard_new_files(folder), progress_logged(name, folder):
            _LOG.warning("dataset=%s: fetching its files (%s)", name, size)
            for path in missing:
                address = f"{url}/{path.name}"
                with urllib.request.urlopen(address, timeout=TIMEOUT_S) as answer:
                    path.write_bytes(answer.read())
    except (OSError, ValueError) as error:  # ValueError: the url is invalid
        raise fetch_error(name, folder, missing, url, error, size) from error


def _aiohttp_settings() -> dict[str, Any]:
    import aiohttp

    limits = aiohttp.ClientTimeout(total=None, sock_connect=TIMEOUT_S, sock_read=TIMEOUT_S)
    return {"timeout": limits, "trust_env": True}


@contextmanager
def progress_logged(name: str, folder: Path) -> Iterator[None]:
    """Log how much was added to `folder` and to the files next to it, every few seconds."""
    done, start, before = threading.Event(), time.perf_counter(), _num_bytes(folder)

    def follow() -> None:
        while not done.wait(PROGRESS_EVERY_S):
            mib = (_num_bytes(folder) - before) / 2**20
            seconds = time.perf_counter() - start
            _LOG.warning("dataset=%s: fetched %.1f MiB in %.0f s", name, mib, seconds)

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _num_bytes(folder: Path) -> int:
    total = 0
    for path in (*folder.parent.glob("*"), *folder.rglob("*")):
        with suppress(OSError):  # it was renamed or removed meanwhile
            total += path.stat().st_size if path.is_file() else 0
    return total
