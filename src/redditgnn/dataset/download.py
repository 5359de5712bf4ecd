"""Downloads by PyG's dataset classes: time limits, and a line of progress now and then."""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

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
