"""One layer of redditgnn over the full graph: its inputs, its edges, and how it is called."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

import torch
from torch import Tensor, nn

from redditgnn.config.compose import compose_settings
from redditgnn.graph.batch import Block
from redditgnn.graph.csr import CSR
from redditgnn.graph.data import GraphData, GraphSpec
from scripts.bench.cases.layer_works import KINDS, LayerWork, Phase

Layer = Callable[[Tensor], Tensor]
CHECKED_ROWS = 64


class LayerCase:
    """Inputs, edges and our layer of one piece of work, reproducible from the seed."""

    def __init__(
        self, work: LayerWork, graph: GraphData, device: torch.device, seed: int = 0
    ) -> None:
        torch.manual_seed(seed)
        self.work, self.kind, self.device = work, KINDS[work.kind], device
        self.num_nodes = graph.num_nodes
        col, degree = graph.col.clone().to(device), graph.degree.to(device)
        self.block = Block(graph.rowptr.clone().to(device), col, self.num_nodes, degree, None)
        spec = GraphSpec(self.num_nodes, work.in_channels, 2, False)
        overrides = [*self.kind.overrides(work), f"model.hidden_channels={work.out_channels}"]
        self.model = compose_settings([f"model={self.kind.model}", *overrides]).build("model", spec)
        self.model.to(device).train()
        self.conv: nn.Module = self.model.convs[0]  # not the last one: its heads are concatenated
        h = torch.randn(self.num_nodes, work.in_channels)
        self.h = h.to(device).requires_grad_()
        self.cotangent = torch.randn(self.num_nodes, work.out_channels).to(device)

    def edges(self, loops: bool) -> CSR:
        """Return the edges of the graph, with a self-loop at every node or without."""
        return self.block.csr_with_self_loops if loops else self.block.csr

    @cached_property
    def checked_rows(self) -> Tensor:
        """Rows that are compared with float64: random ones and the one with the most edges."""
        generator = torch.Generator().manual_seed(1)
        rows = torch.randint(self.num_nodes, (CHECKED_ROWS,), generator=generator)
        return torch.cat([rows, self.block.degree.argmax().view(1).cpu()]).unique()

    def run(self, phase: Phase, layer: Layer) -> Tensor:
        """Evaluate `layer`, and in the phase forward_backward its gradients."""
        return self.forward(layer) if phase == "forward" else self.forward_backward(layer)

    def forward(self, layer: Layer) -> Tensor:
        """Evaluate the layer without a gradient."""
        with torch.no_grad():
            return layer(self.h)

    def forward_backward(self, layer: Layer) -> Tensor:
        """Evaluate the layer and the gradients of its input and its weights."""
        self.h.grad = None
        self.conv.zero_grad(set_to_none=True)
        out = layer(self.h)
        out.backward(self.cotangent)
        return out.detach()

    def mask_cotangent(self) -> None:
        """Zero the gradient of all outputs except the checked rows."""
        mask = torch.zeros(self.num_nodes, 1, device=self.device)
        mask[self.checked_rows.to(self.device)] = 1
        self.cotangent *= mask
