"""A model as source code of layers that torch and PyG have themselves."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from redditgnn.errors import UserError
from redditgnn.graph.batch import Block
from redditgnn.graph.csr import CSR
from redditgnn.graph.features import Rows
from redditgnn.model.base import Backbone, LayeredModel
from redditgnn.model.stack import ConvStack
from redditgnn.prediction.stock_walks import SOURCES, Source

LIBRARIES = {"torch.nn.": "nn.", "torch_geometric.nn.": ""}  # package -> prefix in the code
PLAIN = (bool, int, float, str, tuple, type(None))
TEMPLATE = """\
class Model(nn.Module):
    def __init__(self):
        super().__init__()
{layers}

    def forward(self, x, edge_index):
{steps}
"""


def stock_code(model: Backbone, num_features: int) -> str:
    """Return the source of a class `Model` that loads the weights of `model`, for evaluation.

    Raises:
        UserError: no stack of stock layers gives the same numbers.
    """
    name = type(model).__name__
    if not isinstance(model, ConvStack) and type(model) not in SOURCES:
        raise UserError(
            f"{name} is not exported: it is not built of PyG's layers, as model=mlp, gcn, sage, "
            "gat, gatv2, gin, gcn2, appnp, sgc and pyg are; 'redditgnn predict' writes its answers"
        )
    try:
        code = _write(_source_of(model))
        same = _gives_the_same(model, code, num_features)
    except Exception as error:  # whatever a layer of another library raises for these arguments
        raise UserError(
            f"{name} with these settings is not exported: its layers do not keep what PyG builds "
            f"them from ({type(error).__name__}); 'redditgnn predict' writes its answers"
        ) from error
    if not same:
        raise UserError(
            f"{name} with these settings gives other numbers than the stack of PyG's own layers, "
            "so it is not exported; 'redditgnn predict' writes its answers"
        )
    return code


def _write(source: Source) -> str:
    lines = ["import torch", "from torch import nn", "from torch.nn import functional as F"]
    if source.classes:
        lines.append(f"from torch_geometric.nn import {', '.join(sorted(set(source.classes)))}")
    code = TEMPLATE.format(
        layers="\n".join(f"        self.{line}" for line in source.layers),
        steps="\n".join(f"        {line}" for line in source.steps),
    )
    return "\n".join(lines) + f"\n\n\n{code}"


def _source_of(model: Backbone) -> Source:
    if isinstance(model, ConvStack):
        return _stack_source(model)
    return SOURCES[type(model)](model, layer_code)


def _stack_source(model: ConvStack) -> Source:
    stock = (_stock_class(module)[0] for module in [*model.convs, model.jump or model.head])
    names = [cls.__name__ for cls in stock if cls.__module__.startswith("torch_geometric.")]
    return Source(list(_layers(model)), list(_steps(model)), names)


def layer_code(module: nn.Module) -> str:
    """Return the call that builds the layer of torch or PyG that `module` is or derives from."""
    if isinstance(module, nn.Sequential):
        return f"nn.Sequential({', '.join(map(layer_code, module))})"
    stock, prefix = _stock_class(module)
    if stock is nn.Module:  # a layer of ours that does nothing
        return "nn.Identity()"
    return f"{prefix}{stock.__name__}({', '.join(_arguments(stock, module))})"


def _stock_class(module: nn.Module) -> tuple[type[nn.Module], str]:
    for cls in type(module).__mro__:
        for package, prefix in LIBRARIES.items():
            if cls.__module__.startswith(package):
                return cls, prefix
    raise TypeError(f"{type(module).__name__} is no layer")


def _arguments(stock: type[nn.Module], module: nn.Module) -> Iterator[str]:
    """Read the arguments of the constructor from attributes of the same name."""
    for name, parameter in list(inspect.signature(stock.__init__).parameters.items())[1:]:
        default, value = parameter.default, getattr(module, name, parameter.default)
        if name == "bias" and value is None:
            yield "bias=False"
        elif isinstance(value, nn.Module):
            yield layer_code(value)
        elif default is parameter.empty and isinstance(value, PLAIN):
            yield repr(value)
        elif isinstance(value, PLAIN) and value != default:
            yield f"{name}={value!r}"


def _layers(model: ConvStack) -> Iterator[str]:
    lists = (("convs", model.convs), ("norms", model.norms), ("skips", model.skips))
    for name, modules in lists:
        calls = [layer_code(module) for module in modules or ()]
        if set(calls) - {"nn.Identity()"}:
            yield f"{name} = nn.ModuleList([{', '.join(calls)}])"
    if model.jump is not None:
        yield f"jump = {layer_code(model.jump)}"
    if model.decodes:
        yield f"head = {layer_code(model.head)}"


def _steps(model: ConvStack) -> Iterator[str]:
    for index, conv in enumerate(model.convs):
        source = f"x{index}" if index else "x"
        edges = "" if isinstance(conv, nn.Linear) else ", edge_index"
        out = f"self.convs[{index}]({source}{edges})"
        if model.skips is not None:
            linear = layer_code(model.skips[index]) != "nn.Identity()"
            out += f" + self.skips[{index}]({source})" if linear else f" + {source}"
        if index < model.num_layers - 1 or model.decodes:
            if not isinstance(model.norms[index], nn.Identity):
                out = f"self.norms[{index}]({out})"
            yield f"x{index + 1} = F.{model.activation.__name__}({out})"
        else:
            yield f"return {out}"
    if model.jump is not None:
        states = ", ".join(f"x{index + 1}" for index in range(model.num_layers))
        yield f"return self.head(self.jump([{states}]))"
    elif model.decodes:
        yield f"return self.head(x{model.num_layers})"


@torch.no_grad()
def _gives_the_same(model: Backbone, code: str, num_features: int) -> bool:
    """Compare both on a small random graph with directed edges and a node without any."""
    generator = torch.Generator().manual_seed(0)
    adjacency = torch.rand(12, 12, generator=generator) < 0.3
    adjacency.fill_diagonal_(False)[3] = False
    device = next(model.parameters()).device
    edge_index = adjacency.t().nonzero().t().to(device)
    x = torch.randn(12, num_features, generator=generator).to(device)
    namespace: dict[str, Any] = {}
    exec(code, namespace)  # our own text, made above
    stock = namespace["Model"]().to(device).eval()
    stock.load_state_dict(model.state_dict())
    theirs, ours = stock(x, edge_index), _logits(model, x, edge_index)
    return bool(torch.allclose(ours, theirs, rtol=1e-4, atol=1e-5 * float(ours.abs().max())))


def _logits(model: Backbone, x: Tensor, edge_index: Tensor) -> Tensor:
    csr = CSR.from_edge_index(edge_index, len(x), len(x))
    block = Block(csr.rowptr, csr.col.int(), len(x), csr.rowptr.diff())
    if model.propagation is not None:
        x = _forward(model.propagation, x, block)
    return _forward(model, x, block)


def _forward(model: LayeredModel, x: Tensor, block: Block) -> Tensor:
    h: Tensor | Rows = model.encode(Rows(x))
    h0, states = h, list[Tensor]()
    for index in range(model.num_layers):
        h = model.layer(index, h, block, h0)
        states.append(h)
    return model.decode(states)
