"""Reddit's own raw files, written from any graph: for tests of the loader that reads them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from redditgnn.errors import DataError
from redditgnn.graph.csr import row_of_edge
from redditgnn.graph.data import GraphData


def write_reddit_raw(graph: GraphData, folder: Path) -> None:
    """Write `reddit_data.npz` and `reddit_graph.npz` into `folder`, as PyG's `Reddit` reads them.

    Raises:
        DataError: nodes have several labels, or `folder` has such files already.
    """
    from scipy import sparse

    if graph.y.dim() == 2:
        raise DataError(f"--raw needs one label per node, dataset={graph.name} has several")
    for file in ("reddit_data.npz", "reddit_graph.npz"):
        if (folder / file).exists():
            raise DataError(f"--raw: {folder / file} exists and is kept; give another folder")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(
            f"--raw: {folder} cannot be created ({error.strerror}); give another"
        ) from error
    types = graph.train_mask.int() + 2 * graph.val_mask.int() + 3 * graph.test_mask.int()
    np.savez(
        folder / "reddit_data.npz",
        feature=graph.dense_x.float().numpy(),
        label=graph.y.numpy(),
        node_ids=np.arange(graph.num_nodes),
        node_types=types.numpy(),
        redditgnn_copy_of=np.array(graph.name),  # COPY_MARK: PyG ignores it, `reddit` refuses it
    )
    source, destination = graph.col.numpy(), row_of_edge(graph.rowptr).int().numpy()
    ones = np.ones(graph.num_edges, dtype=np.int8)
    shape = (graph.num_nodes, graph.num_nodes)
    coo = sparse.coo_matrix((ones, (source, destination)), shape=shape)
    sparse.save_npz(folder / "reddit_graph.npz", coo, compressed=False)
