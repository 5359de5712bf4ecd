"""The cache on disk: whole or rebuilt, converted once."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from redditgnn.dataset.base import ConvertedGraph, RawGraph
from redditgnn.dataset.cache import cached, conversion_facts
from redditgnn.dataset.validation import convert_graph
from redditgnn.errors import DataError
from redditgnn.graph.data import Names

ARRAYS = ("x", "rowptr", "col", "y", "train_mask", "val_mask", "test_mask")


def tiny(edges: np.ndarray, **more: object) -> ConvertedGraph:
    train, val, test = np.eye(3, dtype=bool)
    x = np.arange(6, dtype=np.float32).reshape(3, 2)
    y, masks = np.array([0, 1, 1]), (train, val, test)
    raw = RawGraph(x=x, edge_index=edges, y=y, masks=masks, **more)
    return convert_graph("tiny", raw, None, [])


@pytest.fixture
def load(tmp_path):
    calls: list[int] = []

    def convert() -> ConvertedGraph:
        calls.append(1)
        return tiny(np.array([[0, 1, 2, 0], [1, 0, 2, 1]]))

    def loaded(**parameters: object):
        graph = cached(tmp_path, "tiny", parameters, convert)
        return graph, len(calls)

    return loaded


def test_the_cache_is_used_and_equal(load):
    (first, once), (second, still_once) = load(), load()
    assert (once, still_once) == (1, 1)
    assert all(torch.equal(getattr(first, key), getattr(second, key)) for key in ARRAYS)
    assert first.fingerprint == second.fingerprint
    assert first.cache_dir is not None


def test_other_parameters_are_another_cache(load):
    (first, _), (second, twice) = load(split="public"), load(split="random")
    assert twice == 2
    assert first.cache_dir != second.cache_dir
    assert first.fingerprint == second.fingerprint  # which hashes what is in it


def truncate(folder: Path) -> None:
    path = folder / "col.npy"
    path.write_bytes(path.read_bytes()[:-1])


def alter(folder: Path) -> None:
    path = folder / "x.npy"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    os.utime(path, (1, 1))


def remove(folder: Path) -> None:
    (folder / "y.npy").unlink()


def empty_meta(folder: Path) -> None:
    (folder / "meta.json").write_text("")


@pytest.mark.parametrize("damage", [truncate, alter, remove, empty_meta])
def test_a_damaged_cache_is_made_anew_with_a_warning(damage, load, caplog):
    first, _ = load()
    damage(first.cache_dir)
    second, conversions = load()
    assert conversions == 2
    assert "is rebuilt" in caplog.text
    assert second.fingerprint == first.fingerprint
    assert second.x.tolist() == [[0, 1], [2, 3], [4, 5]]
    assert load()[1] == 2


def test_a_touched_but_unchanged_cache_is_kept(load):
    first, _ = load()
    os.utime(first.cache_dir / "x.npy", (1, 1))
    assert load()[1] == 1


def test_writing_to_a_loaded_graph_does_not_change_the_cache(load):
    load()[0].x.zero_()
    assert load()[0].x.sum() == 15


def test_a_graph_without_edges_is_cached(tmp_path):
    for _ in range(2):
        graph = cached(tmp_path, "tiny", {}, lambda: tiny(np.empty((2, 0), dtype=np.int64)))
        assert graph.num_edges == 0


def test_edge_weights_and_names_are_cached(tmp_path):
    names = Names(nodes=np.array(["ada", "bo", "cy"]), features=("a", "b"), classes=("x", "y"))
    raw = RawGraph(
        x=np.ones((3, 2), dtype=np.float32),
        edge_index=np.array([[2, 0, 1], [0, 1, 0]]),
        y=np.array([0, 1, 1]),
        masks=tuple(np.eye(3, dtype=bool)),
        edge_weight=np.array([0.5, 2.0, 0.25], dtype=np.float32),
        names=names,
    )
    graph = cached(tmp_path, "tiny", {}, lambda: convert_graph("tiny", raw, None, []))
    assert graph.col.tolist() == [1, 2, 0]
    assert graph.edge_weight.tolist() == [0.25, 0.5, 2.0]
    assert graph.names.nodes.tolist() == ["ada", "bo", "cy"]
    assert (graph.names.features, graph.names.classes) == (names.features, names.classes)
    assert conversion_facts(graph)["self_loops"] == 0

    without = replace(raw, edge_weight=None, names=Names())
    plain = cached(tmp_path, "plain", {}, lambda: convert_graph("plain", without, None, []))
    assert plain.edge_weight is None
    assert plain.names == Names()
    assert plain.fingerprint.edges != graph.fingerprint.edges
    assert plain.fingerprint.labels == graph.fingerprint.labels


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "redditgnn-cache").write_text("a file where the folder should be")
    with pytest.raises(DataError, match=r"redditgnn-cache cannot be written .*set data_dir"):
        cached(tmp_path, "tiny", {}, lambda: tiny(np.zeros((2, 1), dtype=np.int64)))


CONVERT_SLOWLY = """
import sys, time
from pathlib import Path
from redditgnn.dataset import cache, sbm
import numpy as np
generate = sbm.block_model_edges
def counted(*args, **kwargs):
    print("converted", flush=True)
    time.sleep(1.0)
    return generate(*args, **kwargs)
sbm.block_model_edges = counted
graph = sbm.load(Path(sys.argv[1]), name="sbm", scale=0.002, num_classes=5, num_features=4,
    latent_features=4, feature_signal=1.0, label_noise=0.0, homophily=0.8, class_skew=0.5,
    degree_skew=1.0, max_degree_ratio=9.0, feature_dtype="fp32", seed=0)
print(graph.fingerprint)
"""


def test_two_processes_convert_once(fork, tmp_path):
    script = tmp_path / "convert.py"
    script.write_text(CONVERT_SLOWLY)
    runs = [fork(str(tmp_path), script=script) for _ in range(2)]
    assert [run.wait(60) for run in runs] == [0, 0]
    outputs = [run.stdout.split() for run in runs]
    assert sum(output.count("converted") for output in outputs) == 1
    assert outputs[0][-1] == outputs[1][-1]


EDGES = np.array([[0, 0, 1], [1, 1, 2]])
NODE_TIME, EDGE_TIME = np.array([3, 1, 2]), np.array([2.5, 0.5, 1.0])


def test_times_are_cached_and_repeated_contacts_kept(tmp_path):
    def load():
        return cached(tmp_path, "tiny", {}, lambda: tiny(EDGES, **times))

    times = {"node_time": NODE_TIME, "edge_time": EDGE_TIME}
    load()
    graph = load()
    assert graph.node_time.tolist() == [3, 1, 2]
    assert graph.edge_time.tolist() == [0.5, 2.5, 1.0]
    assert graph.col.tolist() == [0, 0, 1]


def test_times_are_a_part_of_the_fingerprint_only_where_there_are_some(tmp_path):
    def print_of(**times: np.ndarray):
        return cached(tmp_path, "tiny", times, lambda: tiny(EDGES, **times)).fingerprint

    plain, timed, later = (
        print_of(),
        print_of(node_time=NODE_TIME),
        print_of(node_time=NODE_TIME + 1),
    )
    assert plain.times == ""
    assert timed.times.startswith("3:")
    assert replace(timed, times="") == plain
    assert timed != later
    assert timed.of_a_run("transductive") == later.of_a_run("transductive")
    assert timed.of_a_run("temporal:1") != later.of_a_run("temporal:1")


@pytest.mark.parametrize(
    ("key", "times", "message"),
    [
        ("node_time", np.array([1, 2]), "node_time: each of 3 nodes needs one time, got"),
        (
            "edge_time",
            np.array([1.0, np.nan, 2]),
            "edge_time must be finite, number 1 of the",
        ),
        ("node_time", np.array([np.inf, 1, 2]), "number 0 of the nodes has inf"),
        (
            "node_time",
            np.array([1, 2, 3], np.int32),
            "must be stored as int64 or float64, got i",
        ),
    ],
)
def test_times_that_are_not_one_finite_number_each_are_refused(key, times, message):
    with pytest.raises(DataError) as error:
        tiny(EDGES, **{key: times})
    assert message in str(error.value)
