"""Features in 16 bits: written once beside the float32 ones, and never mistaken for them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from redditgnn.command.data import main
from redditgnn.dataset.half_precision import DTYPES, round_to_16_bits
from redditgnn.errors import ConfigError
from redditgnn.graph.data import GraphData

SMALL = ["dataset=sbm", "dataset.scale=0.002", "dataset.num_features=16"]
each_dtype = pytest.mark.parametrize("name", DTYPES)
Build = Callable[..., GraphData]


@each_dtype
def test_features_are_the_nearest_numbers_in_half_the_bytes(
    name: str, tmp_path: Path, build: Build
) -> None:
    full = build(tmp_path, *SMALL)
    half = build(tmp_path, *SMALL, f"dataset.feature_dtype={name}")
    assert half.x.dtype == DTYPES[name]
    assert torch.equal(half.x, full.x.to(DTYPES[name]))
    assert half.x.nbytes * 2 == full.x.nbytes
    assert torch.equal(half.col, full.col)


def test_the_fingerprint_tells_them_apart(tmp_path: Path, build: Build) -> None:
    names = ("fp32", *DTYPES)
    graphs = [build(tmp_path, *SMALL, f"dataset.feature_dtype={name}") for name in names]
    assert len({graph.fingerprint for graph in graphs}) == 3
    assert len({graph.cache_dir for graph in graphs}) == 1  # one conversion, one partition


@each_dtype
def test_the_copy_is_written_once_and_anew_if_it_was_damaged(
    name: str, tmp_path: Path, build: Build
) -> None:
    chosen = [*SMALL, f"dataset.feature_dtype={name}"]
    graph = build(tmp_path, *chosen)
    path = graph.cache_dir / f"x-{name}.npy"
    written, content = path.stat().st_ino, path.read_bytes()
    build(tmp_path, *chosen)
    assert path.stat().st_ino == written
    damaged = bytearray(content)
    damaged[-1] ^= 1
    path.write_bytes(damaged)
    os.utime(path, (1, 1))
    build(tmp_path, *chosen)
    assert path.read_bytes() == content


def test_numbers_beyond_float16_are_refused(tmp_path: Path) -> None:
    x = torch.zeros(70_000, 2)
    x[69_999, 1] = -1e6
    message = (
        "dataset.feature_dtype=fp16 holds numbers up to 65504, and node 69999 of dataset=wide has "
        r"1e\+06; use bf16 or fp32"
    )
    with pytest.raises(ConfigError, match=message):
        round_to_16_bits("wide", x, "fp16")
    assert round_to_16_bits("wide", x, "bf16").shape == x.shape


def test_numbers_that_round_to_infinity_are_refused() -> None:
    x = torch.tensor([[torch.finfo(torch.float32).max]])
    with pytest.raises(ConfigError, match="feature_dtype=bf16 holds .*; use fp32"):
        round_to_16_bits("wide", x, "bf16")


def test_the_data_command_names_the_type_and_writes_float32(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], build: Build
) -> None:
    root = tmp_path / "raw"
    chosen = [*SMALL, "dataset.feature_dtype=bf16", f"data_dir={tmp_path}", "--raw", str(root)]
    assert main(chosen) == 0
    assert "16, stored as bfloat16" in capsys.readouterr().out
    read = build(root, "dataset=reddit", "dataset.expected=null")
    assert torch.equal(read.x, build(tmp_path, *chosen[:4]).x.float())
