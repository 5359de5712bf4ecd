"""Nothing in a data file is run: a pickle that asks for more than arrays is refused unread."""

from __future__ import annotations

import pickle
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from redditgnn.dataset.pickles import only_arrays_unpickled
from redditgnn.errors import DataError
from redditgnn.graph.data import GraphData
from redditgnn.partition.parts import _load_partition
from redditgnn.record import checkpoint

NUM_NODES = 520


class Malicious:
    """Unpickled, it writes a file."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return shutil.copyfile, (__file__, str(self.file))


@pytest.fixture
def bad(tmp_path: Path) -> Malicious:
    return Malicious(tmp_path / "it ran")


@pytest.fixture(autouse=True)
def nothing_ran(tmp_path: Path):
    yield
    assert not (tmp_path / "it ran").exists()


def test_the_malicious_object_is_one(bad: Malicious) -> None:
    pickle.loads(pickle.dumps(bad))
    bad.file.unlink()


def write_planetoid(raw: Path, **replaced: object) -> None:
    """Write the eight files of Cora in small: 500 validation nodes are the least."""
    from scipy import sparse

    raw.mkdir(parents=True)
    x = np.eye(NUM_NODES, 3, dtype=np.float32)
    y = np.eye(3, dtype=np.int32)[np.arange(NUM_NODES) % 3]
    graph = {node: [(node + 1) % NUM_NODES] for node in range(NUM_NODES)}
    parts = {"x": x[:10], "tx": x[-10:], "allx": x[:-10]}
    content = {name: sparse.csr_matrix(part) for name, part in parts.items()}
    content |= {"y": y[:10], "ty": y[-10:], "ally": y[:-10], "graph": graph, **replaced}
    for name, value in content.items():
        (raw / f"ind.cora.{name}").write_bytes(pickle.dumps(value, protocol=2))
    ids = "\n".join(map(str, range(NUM_NODES - 10, NUM_NODES)))
    (raw / "ind.cora.test.index").write_text(ids)


def test_planetoids_own_pickles_are_read(tmp_path: Path, build: Callable[..., GraphData]) -> None:
    write_planetoid(tmp_path / "Cora" / "raw")
    graph = build(tmp_path, "dataset=cora", "dataset.expected=null")
    assert graph.num_nodes == NUM_NODES


@pytest.mark.parametrize("file", ["x", "tx", "allx", "y", "ty", "ally", "graph"])
def test_a_planetoid_file_that_would_run_something_is_refused(
    file: str, bad: Malicious, tmp_path: Path, build: Callable[..., GraphData]
) -> None:
    raw = tmp_path / "Cora" / "raw"
    write_planetoid(raw, **{file: [bad]})
    with pytest.raises(DataError) as raised:
        build(tmp_path, "dataset=cora", "dataset.expected=null")
    text = str(raised.value)
    assert text.startswith(f"dataset=cora: {raw}/ind.cora.{file} is a pickle that asks for shutil.")
    assert "\n" not in text
    assert not list((tmp_path / "redditgnn-cache").glob("cora-*"))


@pytest.mark.parametrize("file", ["feats.npy", "adj_full.npz"])
def test_objects_in_numpys_files_are_refused(
    file: str,
    bad: Malicious,
    tmp_path: Path,
    build: Callable[..., GraphData],
    saint_raw: Callable[..., None],
) -> None:
    raw = tmp_path / "Flickr" / "raw"
    saint_raw(raw)
    objects = np.array([bad], dtype=object)
    with (raw / file).open("wb") as opened:
        np.savez(opened, data=objects) if file.endswith("npz") else np.save(opened, objects)
    with pytest.raises(DataError, match=r"^dataset=flickr: .*([Oo]bject arrays|Python objects)"):
        build(tmp_path, "dataset=flickr", "dataset.expected=null")


def test_processed_files_of_others_are_not_read(
    bad: Malicious,
    tmp_path: Path,
    build: Callable[..., GraphData],
    saint_raw: Callable[..., None],
) -> None:
    saint_raw(tmp_path / "Flickr" / "raw")
    processed = tmp_path / "Flickr" / "processed"
    processed.mkdir()
    for name in ("data.pt", "pre_transform.pt", "pre_filter.pt"):
        torch.save(bad, processed / name)
    assert build(tmp_path, "dataset=flickr", "dataset.expected=null").num_nodes == 30


def test_a_class_that_reads_its_processed_files_unpickles_no_code(
    bad: Malicious, tmp_path: Path, build: Callable[..., GraphData], monkeypatch: pytest.MonkeyPatch
) -> None:
    from torch_geometric.data import InMemoryDataset

    class Old(InMemoryDataset):
        """A dataset from before `force_reload`."""

        raw_file_names = "a.txt"
        processed_file_names = "data.pt"

        def __init__(self, root: str) -> None:
            super().__init__(root)
            self.load(self.processed_paths[0])

    module = ModuleType("mine")
    module.Old = Old
    monkeypatch.setitem(sys.modules, "mine", module)
    (tmp_path / "Old" / "processed").mkdir(parents=True)
    (tmp_path / "Old" / "raw").mkdir()
    (tmp_path / "Old" / "raw" / "a.txt").touch()
    torch.save(bad, tmp_path / "Old" / "processed" / "data.pt")
    with pytest.raises(
        DataError, match=r"dataset=pyg: .*data\.pt is a pickle that asks for shutil"
    ):
        build(tmp_path, "dataset=pyg", "dataset.source=mine.Old", "dataset.folder=Old")


def test_a_cache_that_would_run_something_is_made_anew(
    bad: Malicious, tmp_path: Path, build: Callable[..., GraphData], saint_raw: Callable[..., None]
) -> None:
    saint_raw(tmp_path / "Flickr" / "raw")
    first = build(tmp_path, "dataset=flickr", "dataset.expected=null")
    np.save(first.cache_dir / "x.npy", np.array([bad], dtype=object), allow_pickle=True)
    again = build(tmp_path, "dataset=flickr", "dataset.expected=null")
    assert again.fingerprint == first.fingerprint


def test_a_partition_that_would_run_something_is_computed_again(
    bad: Malicious, tmp_path: Path
) -> None:
    np.save(tmp_path / "metis.npy", np.array([bad], dtype=object), allow_pickle=True)
    assert _load_partition(tmp_path / "metis.npy", 1) is None


def test_weights_that_would_run_something_are_not_loaded(bad: Malicious, tmp_path: Path) -> None:
    torch.save({"weight": bad}, tmp_path / "best.pt")
    with pytest.raises(DataError, match=r"best\.pt is damaged \(Weights only load failed"):
        checkpoint.load(tmp_path / "best.pt")


def test_outside_of_loading_nothing_is_watched(tmp_path: Path) -> None:
    with only_arrays_unpickled("mine"):
        pass
    assert pickle.loads(pickle.dumps(Path("a"))) == Path("a")
    with (
        pytest.raises(DataError, match="dataset=mine: .* asks for pathlib"),
        only_arrays_unpickled("mine"),
    ):
        pickle.loads(pickle.dumps(Path("a")))
