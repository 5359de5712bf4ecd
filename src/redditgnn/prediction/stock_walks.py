"""Source code in layers of PyG of the models that are no stack: APPNP, GCNII, SGC."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from redditgnn.model.appnp import APPNP
from redditgnn.model.base import Backbone
from redditgnn.model.gcn2 import GCN2
from redditgnn.model.sgc import SGC


class Source(NamedTuple):
    """The lines of `__init__` and `forward`, and the classes of PyG that they name."""

    layers: list[str]
    steps: list[str]
    classes: list[str]


LayerCode = Callable[[Any], str]  # writes a linear layer or a norm


def _appnp(model: APPNP, layer_code: LayerCode) -> Source:
    layers = [_modules("lins", model.lins, layer_code)]
    layers += [f"walk = APPNP({model.num_layers}, {model.alpha})"]
    steps = ["h = self.lins[1](F.relu(self.lins[0](x)))", "return self.walk(h, edge_index)"]
    return Source(layers, steps, ["APPNP"])


def _sgc(model: SGC, layer_code: LayerCode) -> Source:
    """Write PyG's APPNP without a restart, which is SGC's propagation."""
    assert model.propagation is not None
    layers = [f"walk = APPNP({model.propagation.num_layers}, 0.0)"]
    layers += [f"lin = {layer_code(model.lin)}"]
    return Source(layers, ["return self.lin(self.walk(x, edge_index))"], ["APPNP"])


def _gcn2(model: GCN2, layer_code: LayerCode) -> Source:
    layers = [_modules("lins", model.lins, layer_code)]
    layers += [_modules("convs", model.convs, _gcn2_conv)]
    layers += [_modules("norms", model.norms, layer_code)]
    steps = [
        "h = h0 = F.relu(self.lins[0](x))",
        "for conv, norm in zip(self.convs, self.norms):",
        f"    h = F.relu(norm(conv(h, h0, edge_index)){' + h' if model.residual else ''})",
        "return self.lins[1](h)",
    ]
    return Source(layers, steps, ["GCN2Conv"])


def _gcn2_conv(conv: Any) -> str:
    """Write the conv with the mix of identity and weights that `conv` has at its depth."""
    sizes = f"{conv.channels}, {conv.alpha}, theta={math.expm1(conv.beta)}, layer=1"
    return f"GCN2Conv({sizes}, shared_weights={conv.weight2 is None})"


def _modules(name: str, modules: Any, layer_code: LayerCode) -> str:
    return f"{name} = nn.ModuleList([{', '.join(map(layer_code, modules))}])"


SOURCES: Mapping[type[Backbone], Callable[[Any, LayerCode], Source]] = {
    APPNP: _appnp,
    GCN2: _gcn2,
    SGC: _sgc,
}
