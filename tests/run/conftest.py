"""The run of one process that those of several are compared with."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="module")
def alone(call, data_dir, tmp_path_factory, request) -> Path:
    """The results of one process with the settings `SMALL` of the module."""
    results = tmp_path_factory.mktemp("alone")
    folders = f"data_dir={data_dir}", f"results_dir={results}"
    code, stderr = call("train", *request.module.SMALL, *folders)
    assert code == 0, stderr
    return results
