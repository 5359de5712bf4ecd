"""A download shows its progress, and one that stalls is given up in one line."""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from redditgnn.dataset import download

STARTS = {
    "no answer": b"",
    "half a file": b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nPK",
}
CLASS = """
from torch_geometric.data import InMemoryDataset, download_url
from torch_geometric.io import fs

class {way}(InMemoryDataset):
    raw_file_names, processed_file_names = ["a.zip"], "data.pt"
    url = "{url}"
    def download(self):
        if "{way}" == "ByUrllib":
            download_url(self.url, self.raw_dir)
        else:
            fs.cp(self.url, self.raw_dir)
    def process(self):
        pass
"""


@pytest.fixture
def stalling(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[bytes], str]]:
    """Return the address of a server that answers `start`, and then nothing."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    for module in ("download", "ogb"):
        monkeypatch.setattr(f"redditgnn.dataset.{module}.TIMEOUT_S", 0.2)
    server, connections = socket.create_server(("127.0.0.1", 0)), []

    def answer(start: bytes) -> None:
        while True:
            try:
                connections.append(server.accept()[0])
                connections[-1].sendall(start)
            except OSError:  # the test is over
                return

    def started(start: bytes) -> str:
        threading.Thread(target=answer, args=(start,), daemon=True).start()
        return f"http://127.0.0.1:{server.getsockname()[1]}/a.zip"

    yield started
    for connection in (*connections, server):
        connection.close()


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("way", ["ogb", "ByUrllib", "ByFsspec"])
def test_a_download_that_stalls_is_given_up_in_one_line(
    way: str,
    start: str,
    stalling: Callable[[bytes], str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    call: Callable[..., tuple[int, str]],
) -> None:
    url = stalling(STARTS[start])
    module = f"stalling_{way}_{len(start)}"
    (tmp_path / f"{module}.py").write_text(CLASS.format(way=way, url=url))
    monkeypatch.syspath_prepend(str(tmp_path))
    chosen = ["dataset=ogbn_arxiv", f"dataset.url={url}"]
    if way != "ogb":
        chosen = ["dataset=pyg", f"dataset.source={module}.{way}"]
    begin = time.perf_counter()
    code, stderr = call("data", *chosen, f"data_dir={tmp_path}")
    assert time.perf_counter() - begin < 15
    assert code == 2, stderr
    last = stderr.splitlines()[-1]
    assert f"{url} could not be fetched (" in last
    assert "imeout" in last or "timed out" in last
    assert last.endswith("there by hand, or run dataset=sbm, which needs no download")
    assert not list(tmp_path.rglob("a.zip"))


def test_progress_counts_what_has_arrived(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(download, "PROGRESS_EVERY_S", 0.01)
    (tmp_path / "raw").mkdir()
    with caplog.at_level(logging.WARNING), download.progress_logged("mine", tmp_path / "raw"):
        (tmp_path / "raw" / "half.npz").write_bytes(bytes(3 * 2**20))
        deadline = time.perf_counter() + 10
        while "fetched 3.0 MiB in" not in caplog.text and time.perf_counter() < deadline:
            time.sleep(0.01)
    assert "dataset=mine: fetched 3.0 MiB in 0 s" in caplog.text
    logged = len(caplog.records)
    time.sleep(0.05)
    assert len(caplog.records) == logged
