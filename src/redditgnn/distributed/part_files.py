"""What a rank needs of the graph, as files that it maps instead of the whole graph's."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Float32, Int64, Real
from torch import Tensor

from redditgnn.distributed.halo import Part, part_of
from redditgnn.graph.data import GraphData
from redditgnn.graph.sparse_features import SparseFeatures, selected_rows
from redditgnn.runtime.files import whole_folder

log = logging.getLogger(__name__)
HALO_SIZES = "halo_sizes"


@dataclass(frozen=True, kw_only=True, slots=True)
class PartData:
    """A part, with features and degrees of its nodes, and the weights of its edges.

    `cut_id` identifies how the graph was cut. Parts of different cuts do not fit together.
    """

    part: Part
    cut_id: int
    x: Float[Tensor, "nodes features"] | SparseFeatures
    degree: Real[Tensor, " nodes"]
    edge_weight: Float32[Tensor, " edges"] | None


def data_of(graph: GraphData, owner: Int64[Tensor, " nodes"], rank: int, size: int) -> PartData:
    """Copy the part of a rank out of `graph`."""
    part = part_of(graph, owner, rank, size)
    node_ids = part.node_ids
    digest = hashlib.blake2b(owner.numpy().tobytes(), digest_size=7).digest()
    return PartData(
        part=part,
        cut_id=int.from_bytes(digest, "little"),
        x=selected_rows(graph.x, node_ids),
        degree=graph.weighted_degree[node_ids],
        edge_weight=graph.weights_of_rows(part.own),
    )


def folder_of(graph: GraphData, rank: int, size: int, cut: str) -> Path | None:
    """Return the folder of a part in the dataset's cache. None: it cannot be stored.

    `cut` names how the graph is cut, with the seed if it is drawn.
    """
    plain = isinstance(graph.x, Tensor) and graph.x.dtype == torch.float32
    if graph.cache_dir is None or not plain:
        return None
    facts = f"{cut} {size} {graph.fingerprint.edges} {graph.fingerprint.features}"
    key = hashlib.blake2b(facts.encode(), digest_size=8).hexdigest()
    return graph.cache_dir / f"part-{rank}-of-{size}-{key}"


def save(data: PartData, folder: Path) -> None:
    """Write the arrays of a part. A disk that is full or read-only costs a warning."""
    arrays = {field.name: getattr(data.part, field.name) for field in fields(Part)}
    names = ("cut_id", "x", "degree", "edge_weight")
    arrays |= {name: getattr(data, name) for name in names}
    try:
        with whole_folder(folder) as temporary:
            for name, array in arrays.items():
                if array is not None:
                    np.save(temporary / f"{name}.npy", np.asarray(array))
    except OSError as error:
        log.warning("the part could not be saved: %s", error)


def load(folder: Path) -> PartData | None:
    """Map the arrays of a part, None if they are not there or damaged."""
    if not folder.is_dir():
        return None
    try:
        return _mapped(folder)
    except (ValueError, EOFError, OSError, KeyError):
        log.warning("the part %s is damaged and is computed again", folder)
        return None


def _mapped(folder: Path) -> PartData:
    arrays = {
        path.stem: torch.from_numpy(np.load(path, mmap_mode="c", allow_pickle=False))
        for path in folder.glob("*.npy")
    }
    names = [field.name for field in fields(Part) if field.name != HALO_SIZES]
    part = {name: arrays[name] for name in names}
    return PartData(
        part=Part(**part, halo_sizes=tuple(arrays[HALO_SIZES].tolist())),
        cut_id=int(arrays["cut_id"]),
        x=arrays["x"],
        degree=arrays["degree"],
        edge_weight=arrays.get("edge_weight"),
    )
