"""Time sums of rows: on CUDA Triton beside stock operators, on a CPU cut into columns or not.

usage: python -m scripts.bench.sums [--device cuda] [--out PATH]

Milliseconds a call, the median of ROUNDS rounds in which the sides take turns, after a call that
warms up. On CUDA a round makes CUDA_CALLS calls of a side in a row. The sparse product has 32-bit
indices, with which it is faster. Shapes are those of Cora, PubMed, a sampled batch, a tenth of
Reddit, and a graph of Reddit's nodes with a fifth of its edges. Appends to the CSV.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from redditgnn.graph.csr import pointers
from redditgnn.kernels.aggregate import embedding_bag, sums_by_columns
from redditgnn.record.provenance import package_version, provenance
from scripts.bench.options import new_parser
from scripts.bench.rows.sheet import append, csv_path, now
from scripts.bench.timing.alternate import Side, alternate

SHAPES = (  # rows, sources, mean degree
    (2_708, 2_708, 4),
    (19_717, 19_717, 5),
    (26_000, 140_000, 10),
    (23_296, 23_296, 492),
    (232_965, 232_965, 100),
)
WIDTHS = (16, 64, 256, 602)
ROUNDS, CUDA_CALLS = 5, 20
Sum = Callable[[Tensor, Tensor, Tensor, None], Tensor]


def sparse_product(table: Tensor, rowptr: Tensor, index: Tensor, _: None) -> Tensor:
    """Multiply by a sparse matrix with 32-bit indices."""
    ones, size = table.new_ones(len(index)), (len(rowptr) - 1, len(table))
    matrix = torch.sparse_csr_tensor(
        rowptr.to(index.dtype), index, ones, size=size, check_invariants=False
    )
    return matrix @ table


def triton(*inputs: Any) -> Tensor:
    """Sum by our kernel, on a machine that has a device for it."""
    from redditgnn.kernels.aggregate_triton import row_sums

    return row_sums(*inputs)


SIDES: dict[str, dict[str, Sum]] = {
    "cuda": {
        "embedding_bag_ms": embedding_bag,
        "sparse_product_ms": sparse_product,
        "triton_ms": triton,
    },
    "cpu": {"whole_ms": embedding_bag, "by_columns_ms": sums_by_columns},
}


def main(argv: Sequence[str] | None = None) -> int:
    """Measure every shape and width."""
    parser = new_parser("sums", __doc__)
    parser.add_argument("--device", default="cuda", choices=[*SIDES])
    options = parser.parse_args(argv)
    path = options.out or csv_path(options.device, "sums")
    for row in measure(torch.device(options.device)):
        append(path, row)
        print(*row.values(), flush=True)
    return 0


def measure(device: torch.device) -> Iterator[dict[str, object]]:
    """Yield a row for each shape and width."""
    facts = facts_of(device)
    torch.manual_seed(0)
    for num_rows, num_src, degree in SHAPES:
        degrees = torch.poisson(torch.full((num_rows,), float(degree))).long()
        rowptr = pointers(degrees).to(device)
        index = torch.randint(num_src, (int(rowptr[-1]),), dtype=torch.int32, device=device)
        for width in WIDTHS:
            table = torch.randn(num_src, width, device=device)
            times = milliseconds(table, rowptr, index)
            shape = {"rows": num_rows, "sources": num_src, "degree": degree, "width": width}
            yield {"measured_at": now(), **shape, **times, **facts}


def facts_of(device: torch.device) -> dict[str, str]:
    """Return hardware and versions; the threads on a CPU only."""
    everything = provenance(device)
    facts = {name: everything[name] for name in ("device_name", "torch_version", "commit")}
    facts["triton_version"] = package_version("triton")
    if device.type == "cpu":
        facts["threads"] = str(torch.get_num_threads())
    return facts


def milliseconds(table: Tensor, rowptr: Tensor, index: Tensor) -> dict[str, float]:
    """Return the median of each side."""
    device = table.device
    calls = CUDA_CALLS if device.type == "cuda" else 1

    def repeat(side: Sum) -> None:
        for _ in range(calls):
            side(table, rowptr, index, None)

    sides = [Side(name, partial(repeat, side)) for name, side in SIDES[device.type].items()]
    timings = alternate(sides, repeats=ROUNDS, budget_s=0, device=device)
    return {name: round(timing.spread.median / calls * 1e3, 4) for name, timing in timings.items()}


if __name__ == "__main__":
    sys.exit(main())
