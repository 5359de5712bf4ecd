"""The page, the diagram and the files of an evolution."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from redditgnn.evolution.alluvial import HEIGHT, MOST_COMMUNITIES, OTHERS, WIDTH, lay_out
from redditgnn.evolution.charts import Series, chart, nice_ticks
from redditgnn.evolution.evolution import evolve
from redditgnn.evolution.results import Result
from redditgnn.evolution.settings import EvolveSettings
from redditgnn.graph.timeline import Window
from tests.evolution.graphs import graph_of, planted

FILES = {"alluvial.svg", "communities.csv", "events.csv", "evolution.html", "flows.csv"}
FILES |= {"membership.npy", "snapshots.csv", "summary.json"}


@pytest.fixture(scope="module")
def result() -> Result:
    """Eight and six nodes, of which the eight split and the six go."""
    windows = [[range(8), range(8, 14)], [range(4), range(4, 8)]]
    pairs, times = planted(windows)
    labels = np.repeat([0, 1, 2], [4, 4, 6])
    graph = graph_of(pairs, 14, edge_time=times, labels=labels, classes=("a </svg>", "b", "c"))
    settings = EvolveSettings(
        windows=2, mode="snapshots", task="communities", resolution=1.0, threshold=0.5, seed=0
    )
    steps = [Window(0, 1), Window(1, 2)]
    evolution = evolve(graph, steps, settings)
    return Result(
        graph=graph,
        settings=settings,
        windows=steps,
        evolution=evolution,
        ages=pd.DataFrame(),
        cpu_s=0.5,
    )


@pytest.fixture(scope="module")
def folder(result: Result, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return result.write(tmp_path_factory.mktemp("results"))


def test_the_files_agree_with_each_other(result, folder):
    assert {path.name for path in folder.iterdir()} == FILES
    groups = np.load(folder / "membership.npy")
    assert groups.tolist() == [[0] * 8 + [1] * 6, [0] * 4 + [2] * 4 + [-1] * 6]
    communities, flows = (pd.read_csv(folder / f"{n}.csv") for n in ("communities", "flows"))
    assert communities.nodes.tolist() == [8, 6, 4, 4]
    assert communities.top_label.tolist() == ["a </svg>", "c", "a </svg>", "b"]
    assert communities.purity.tolist() == [0.5, 1, 1, 1]
    assert flows.to_numpy().tolist() == [[1, 2, 0, 0, 4], [1, 2, 0, 2, 4]]
    events = pd.read_csv(folder / "events.csv", dtype=str)
    assert events.kind.tolist() == ["split", "death"]
    summary = json.loads((folder / "summary.json").read_text())
    assert (summary["windows"], summary["cpu_s"]) == (2, 0.5)
    assert "1 split, 1 death" in result.text()


def test_the_page_holds_all_and_asks_for_nothing(result, folder):
    page = (folder / "evolution.html").read_text()
    assert not re.search(r"(src|href)=|https?:", page)
    assert page.count('class="block"') == 4
    assert page.count('class="band"') == 2
    assert "community 0, snapshot 1\n8 nodes\nmostly a &lt;/svg&gt; (50%)" in page
    assert "<td>split</td>" in page
    again = Path(result.write(folder.parents[1])) / "evolution.html"
    assert again.read_text() == page


def test_the_picture_is_a_file_of_its_own_with_headings_and_legend(folder):
    root = ET.parse(folder / "alluvial.svg").getroot()
    texts = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert texts == ["1: 0", "2: 1", "0: a </svg>", "2: b", "1: c"]


def test_blocks_and_bands_are_as_thick_as_their_nodes_are_many(result):
    diagram = lay_out(result.evolution.communities, result.evolution.flows, 2)
    (scale,) = {round(block.height / block.nodes, 6) for block in diagram.blocks}
    for band in diagram.bands:
        thickness = float(re.search(r"v([\d.]+)C", band.path)[1])
        assert thickness == pytest.approx(band.nodes * scale, abs=0.01)
    assert [band.target.community for band in diagram.bands] == [0, 2]
    assert all(b.x >= 0 and b.x + diagram.block_width <= WIDTH for b in diagram.blocks)
    assert max(b.y + b.height for b in diagram.blocks) <= HEIGHT + 1e-6


def test_blocks_of_a_column_do_not_overlap_and_small_ones_are_the_others():
    draw = np.random.default_rng(0)
    tables = [
        pd.DataFrame({"snapshot": s, "community": range(40), "nodes": draw.integers(1, 90, 40)})
        for s in (1, 2, 3)
    ]
    diagram = lay_out(pd.concat(tables, ignore_index=True), pd.DataFrame(), 3)
    assert len(diagram.communities) == MOST_COMMUNITIES
    for snapshot, table in enumerate(tables, start=1):
        column = [block for block in diagram.blocks if block.snapshot == snapshot]
        assert sum(block.nodes for block in column) == table.nodes.sum()
        assert column[-1].community == OTHERS
        for above, below in zip(column, column[1:], strict=False):
            assert above.y + above.height < below.y


def test_a_community_stands_beside_the_one_that_it_comes_from(result):
    diagram = lay_out(result.evolution.communities, result.evolution.flows, 2)
    assert diagram.communities == [0, 2, 1]


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0.45, 0.85, [0.4, 0.5, 0.6, 0.7, 0.8, 0.9]),
        (974.0, 1665.0, [800, 1000, 1200, 1400, 1600, 1800]),
        (7.0, 7.0, [6, 8]),
        (0.0, 0.0, [0, 0.5]),
        (-0.3, 1.0, [-0.5, 0, 0.5, 1]),
    ],
)
def test_ticks_are_round_numbers_around_the_values(low, high, ticks):
    assert nice_ticks(low, high) == pytest.approx(ticks)


def test_a_missing_value_is_a_gap_in_the_line():
    drawn = chart([Series("one", [1.0, None, 2.0, 3.0])], "three points")
    assert re.search(r'class="line" d="M[\d. ]+M[\d. ]+L[\d. ]+"', drawn)
    assert drawn.count("<circle") == 3
