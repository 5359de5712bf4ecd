"""A dataset object of PyG that was just built: its graphs, and the files that it depends on."""

from __future__ import annotations

import os
import traceback
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from redditgnn.dataset.pickles import FileWatch
from redditgnn.dataset.rawfiles import describe_error
from redditgnn.dataset.sourcefiles import is_installed, source_files
from redditgnn.errors import DataError, UserError


@dataclass(frozen=True, slots=True)
class OpenDataset:
    """What `source`, a dataset class or function by its import `path`, gave."""

    name: str
    path: str
    source: Any
    dataset: Any
    watch: FileWatch

    def graphs(self) -> list[Any]:
        """Return the graphs, which may be made when they are asked for.

        Raises:
            DataError: there is none, or one that is not PyG's `Data`.
        """
        try:
            graphs = self._list_graphs()
        except (UserError, MemoryError):
            raise
        except Exception as error:
            raise DataError(
                f"dataset={self.name}: {self.path} gives no graph "
                f"({foreign_place(error)}{describe_error(error)})"
            ) from error
        if not graphs:
            raise DataError(f"dataset={self.name}: {self.path} gives no graph, it is empty")
        for graph in graphs:
            self._refuse_other_types(graph)
        return graphs

    def _list_graphs(self) -> list[Any]:
        from torch_geometric.data import Batch
        from torch_geometric.data.data import BaseData

        data = self.dataset
        if not isinstance(data, BaseData) and not hasattr(data, "__getitem__"):
            data = getattr(data, "data", data)
        if isinstance(data, Batch):
            return list(data.to_data_list())
        if isinstance(data, (BaseData, Mapping)) or not hasattr(data, "__len__"):
            return [data]
        return [data[index] for index in range(len(data))]

    def _refuse_other_types(self, graph: Any) -> None:
        from torch_geometric.data import Data, HeteroData

        if isinstance(graph, HeteroData):
            raise DataError(
                f"dataset={self.name}: {self.path} gives a graph with several types of nodes; "
                "return data.to_homogeneous() instead"
            )
        if not isinstance(graph, Data):
            raise DataError(
                f"dataset={self.name}: {self.path} must give PyG's Data, it gives "
                f"{type(graph).__name__}"
            )

    @property
    def raw_paths(self) -> list[Path]:
        """The files in raw/ that the class names."""
        with suppress(NotImplementedError, AttributeError):
            return [Path(path) for path in self.dataset.raw_paths]
        return []

    @property
    def files(self) -> Sequence[Path]:
        """All files that the graphs depend on: raw files, others that were read, source files."""
        raw, read, code = self.raw_paths, self.watch.files_read, source_files(self.source)
        paths = dict.fromkeys(Path(os.path.abspath(path)) for path in (*raw, *read, *code))
        own = self.watch.own_files
        return [path for path in paths if path.exists() and str(path) not in own]


def foreign_place(error: BaseException) -> str:
    """Return 'FILE, line N, in FUNCTION: ' of the last frame in code of the user's, or ''."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if os.path.isfile(f.filename) and not is_installed(f.filename)]
    if not own:
        return ""
    frame = own[-1]
    return f"{frame.filename}, line {frame.lineno}, in {frame.name}: "
