"""The errors of a layer: PyG's layer in float64, on the CPU, over a few rows."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch_geometric import nn as pyg

from scripts.bench.cases.layers import LayerCase
from scripts.bench.peers.pyg_layers import PYG_KINDS

LARGEST_ERROR = 1e-4  # numbers further from float64 are wrong, and a side that has them no time


def wrong_numbers(*errors: float | None) -> str:
    """Say how far from float64 the numbers are if that is too far, else nothing."""
    wrong = [error for error in errors if error is not None and not error <= LARGEST_ERROR]
    return f"wrong numbers: {max(wrong):.1e} from float64" if wrong else ""


def errors_of(case: LayerCase, out: Tensor) -> tuple[float, float | None]:
    """Compare output and gradient of `h` (if there is one) with float64."""
    expected, nodes, gradient = float64_rows(case)
    output_error = relative_error(out[case.checked_rows.to(out.device)], expected)
    if case.h.grad is None:
        return output_error, None
    return output_error, relative_error(case.h.grad[nodes.to(out.device)], gradient)


def relative_error(values: Tensor, expected: Tensor) -> float:
    """Return the largest difference over the largest value."""
    return float((values.cpu().double() - expected).abs().max() / expected.abs().max())


def float64_rows(case: LayerCase) -> tuple[Tensor, Tensor, Tensor]:
    """Compute the checked rows in float64.

    Returns:
        Their outputs; the nodes that they read, and the gradient of `h` there under the masked
        cotangent.
    """
    rows = case.checked_rows
    csr = case.edges(case.kind.loops)
    rowptr, col = csr.rowptr.cpu(), csr.col.cpu()
    counts = rowptr[rows + 1] - rowptr[rows]
    row = torch.arange(len(rows)).repeat_interleave(counts)
    start = (rowptr[rows] - counts.cumsum(0) + counts)[row]
    source, local = col[start + torch.arange(len(row))].long().unique(return_inverse=True)
    conv = PYG_KINDS[case.work.kind].layer(case.work).double()
    conv.load_state_dict({name: w.cpu().double() for name, w in case.conv.state_dict().items()})
    nodes = torch.cat([source, rows])  # the sources, then the rows themselves
    h = case.h.detach().cpu().double()[nodes].requires_grad_()
    edge_index = torch.stack([local, row])
    out = _bipartite(case, conv, h, edge_index, source, rows)
    out.backward(case.cotangent.cpu().double()[rows])
    gradient = torch.zeros(case.num_nodes, h.size(1), dtype=torch.float64)
    assert h.grad is not None
    gradient.index_add_(0, nodes, h.grad)
    read = nodes.unique()
    return out.detach(), read, gradient[read]


def _bipartite(
    case: LayerCase, conv: nn.Module, h: Tensor, edge_index: Tensor, source: Tensor, rows: Tensor
) -> Tensor:
    if not isinstance(conv, pyg.GCNConv | pyg.PNAConv):
        return conv(h.split([len(source), len(rows)]), edge_index)
    shifted = torch.stack([edge_index[0], edge_index[1] + len(source)])
    if isinstance(conv, pyg.PNAConv):
        return conv(h, shifted)[len(source) :]
    conv.normalize = False  # the degrees are those of the whole graph, which it does not see
    scale = (case.block.degree.cpu().double() + 1).rsqrt()
    weight = scale[source][edge_index[0]] * scale[rows][edge_index[1]]
    return conv(h, shifted, weight)[len(source) :]
