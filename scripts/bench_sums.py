"""Time sums of rows on CUDA: the Triton kernel beside the two stock operators that could do it.

usage: python scripts/bench_sums.py [--out PATH]

Milliseconds a call, the mean of CALLS calls in a row behind WARM_UP others. The sparse product has
32-bit indices, with which it is faster. Shapes are those of Cora, PubMed, a sampled batch, a tenth
of Reddit, and a graph of Reddit's nodes with a fifth of its edges. Appends to the CSV.
"""

from __future__ import annotations

import argparse
import csv
import sys
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from pathlib import Path

import torch
from torch import Tensor

from benchrow import BENCH, ROOT
from redditgnn.csr import pointers
from redditgnn.kernels.aggregate import CANDIDATES
from redditgnn.kernels.aggregate_triton import row_sums
from redditgnn.provenance import package_version, provenance

SHAPES = (  # rows, sources, mean degree
    (2_708, 2_708, 4),
    (19_717, 19_717, 5),
    (26_000, 140_000, 10),
    (23_296, 23_296, 492),
    (232_965, 232_965, 100),
)
WIDTHS = (16, 64, 256, 602)
WARM_UP, CALLS = 3, 20
Sum = Callable[[Tensor, Tensor, Tensor, None], Tensor]


def sparse_product(table: Tensor, rowptr: Tensor, index: Tensor, _: None) -> Tensor:
    """Multiply by a sparse matrix with 32-bit indices."""
    ones, size = table.new_ones(len(index)), (len(rowptr) - 1, len(table))
    matrix = torch.sparse_csr_tensor(
        rowptr.to(index.dtype), index, ones, size=size, check_invariants=False
    )
    return matrix @ table


SIDES: dict[str, Sum] = {
    "embedding_bag_ms": CANDIDATES["embedding_bag"],
    "sparse_product_ms": sparse_product,
    "triton_ms": row_sums,
}


def milliseconds(side: Sum, *inputs: Tensor) -> float:
    """Return the mean of some calls."""
    for _ in range(WARM_UP):
        side(*inputs, None)
    torch.cuda.synchronize()
    start = time.perf_counter()
    for _ in range(CALLS):
        side(*inputs, None)
    torch.cuda.synchronize()
    return round((time.perf_counter() - start) / CALLS * 1e3, 3)


def main(argv: Sequence[str] | None = None) -> int:
    """Measure every shape and width."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, default=ROOT / BENCH / "cuda-sums.csv")
    path = parser.parse_args(argv).out
    device = torch.device("cuda:0")
    made = provenance(device)
    facts = {name: made[name] for name in ("device_name", "torch_version", "commit")}
    facts["triton_version"] = package_version("triton")
    torch.manual_seed(0)
    for num_rows, num_src, degree in SHAPES:
        degrees = torch.poisson(torch.full((num_rows,), float(degree))).long()
        rowptr = pointers(degrees).to(device)
        index = torch.randint(num_src, (int(rowptr[-1]),), dtype=torch.int32, device=device)
        for width in WIDTHS:
            table = torch.randn(num_src, width, device=device)
            times = {name: milliseconds(side, table, rowptr, index) for name, side in SIDES.items()}
            now = datetime.now(timezone.utc).isoformat(timespec="seconds")
            shape = {"rows": num_rows, "sources": num_src, "degree": degree, "width": width}
            append(path, {"measured_at": now} | shape | times | facts)
    return 0


def append(path: Path, row: dict[str, object]) -> None:
    """Append a row, and print it."""
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, row)
        if file.tell() == 0:
            writer.writeheader()
        writer.writerow(row)
    print(*row.values(), flush=True)


if __name__ == "__main__":
    sys.exit(main())
