"""Ranges of rows, threads, and what happens where Numba does not work."""

from __future__ import annotations

import logging
import os
import subprocess
import sys

import numpy as np
import pytest
import torch

from redditgnn.runtime.numba_threads import numba_works, row_ranges, run_on_rows

DEGREES = {"none": [], "one row": [3], "empty rows": [0] * 9, "a hub": [0, 5000, 1, 2, 0, 0, 7]}


@pytest.fixture
def threads(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


@pytest.mark.parametrize("num_ranges", [1, 3, 64])
@pytest.mark.parametrize("degrees", DEGREES.values(), ids=DEGREES.keys())
def test_ranges_cover_every_row_once_and_are_never_empty(degrees, num_ranges):
    rowptr = np.concatenate([[0], np.cumsum(degrees, dtype=np.int64)]).astype(np.int64)
    bounds = row_ranges(rowptr, num_ranges)
    assert (bounds[0], bounds[-1]) == (0, len(degrees))
    assert (np.diff(bounds) > 0).all()
    assert len(bounds) <= num_ranges + 1


def test_ranges_of_equal_rows_are_equally_long():
    assert row_ranges(np.arange(0, 1001, 10), 4).tolist() == [0, 25, 50, 75, 100]


@pytest.mark.parametrize("threads", [1, 3], indirect=True)
def test_every_row_is_computed_whatever_the_number_of_threads(threads):
    rowptr, out = np.arange(0, 501, 5), np.zeros(100)

    def count(start, stop, rowptr, out):
        out[start:stop] += np.diff(rowptr)[start:stop]

    run_on_rows(count, rowptr, out)
    assert (out == 5).all()


@pytest.mark.parametrize("threads", [1, 3], indirect=True)
def test_an_error_in_a_kernel_is_not_lost(threads):
    def fail(start, stop, rowptr):
        raise ValueError("a kernel failed")

    with pytest.raises(ValueError, match="a kernel failed"):
        run_on_rows(fail, np.arange(0, 501, 5))


def test_without_numba_one_warning_says_that_torch_takes_over(monkeypatch, caplog):
    for name in [name for name in sys.modules if name.endswith("hash_numba")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "numba", None)
    numba_works.cache_clear()
    with caplog.at_level(logging.WARNING):
        assert not numba_works()
        assert not numba_works()
    assert caplog.text.count("torch takes over") == 1
    numba_works.cache_clear()


FORKING = """
import os, signal
import torch
from redditgnn.runtime.numba_threads import run_on_ranges
torch.set_num_threads(2)
run_on_ranges(lambda start, stop: None, range(9))
child = os.fork()
if child == 0:
    signal.alarm(30)
    run_on_ranges(lambda start, stop: None, range(9))
    os._exit(0)
raise SystemExit(os.waitpid(child, 0)[1])
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_process_has_threads_of_its_own() -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", FORKING], env=environment)
    assert done.returncode == 0
