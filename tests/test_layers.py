"""Who may import whom: what is below knows nothing of what is above."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import redditgnn

PACKAGE = Path(redditgnn.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))

# Layer -> the layers of redditgnn it may import, besides itself. A layer is a module or a folder.
ALLOWED = {
    "__init__": set(),
    "__main__": {"cli"},
    "cli": {"command", "run", "config", "errors", "warned"},
    "command": {"run", "config", "errors", "graph", "dataset", "kernels", "report", "recorder"}
    | {"sweep", "measure", "metrics", "provenance", "checkpoint", "hardware"}
    | {"experiments", "fingerprint", "results", "target", "verdict"}
    | {"assembly", "batch_size", "estimate", "memory", "out_of_memory", "trainer", "warned"},
    "run": {"config", "errors", "graph", "trainer", "inference", "metrics", "measure"}
    | {"recorder", "provenance", "kernels", "run_row", "run_entry"}
    | {"histories", "interrupt", "keeper", "resume", "schedule", "training_state"}
    | {"assembly", "batch_size", "estimate", "memory", "out_of_memory", "tracker"},
    "assembly": {"config", "errors", "graph"},
    "batch_size": {"assembly", "config", "errors", "estimate", "graph", "kernels", "measure"}
    | {"memory", "out_of_memory", "trainer"},
    "out_of_memory": {"config", "errors", "estimate", "graph", "measure", "memory", "metrics"}
    | {"trainer"},
    "estimate": {"config", "features", "graph", "inference", "measure", "miniature", "prefetch"}
    | {"sampler", "tensor_bytes", "trainer", "training_state"},
    "miniature": {"features", "graph"},
    "tensor_bytes": set(),
    "run_entry": {"recorder", "resume", "run_row", "tracker"},
    "tracker": {"errors", "recorder"},
    "resume": {"checkpoint", "errors", "provenance", "recorder", "runs_file"},
    "run_row": {"config", "measure", "provenance", "recorder", "trainer"},
    "config": {"arguments", "errors", "mistakes"},
    "arguments": {"errors"},
    "experiments": {"config", "errors"},
    "mistakes": set(),
    "verdict": set(),
    "target": {"arguments", "errors", "fingerprint", "verdict"},
    "results": {"errors", "fingerprint", "runs_file", "target", "verdict"},
    "trainer": {"graph", "inference", "metrics", "measure", "recorder", "checkpoint", "errors"}
    | {"captured_step", "hardware", "memory", "precision", "monitor", "histories", "progress"}
    | {"duration", "keeper", "training_state"},
    "keeper": {"checkpoint", "duration", "errors", "interrupt", "training_state"},
    "training_state": {"checkpoint", "errors", "graph", "histories", "measure", "monitor"}
    | {"prefetch", "recorder"},
    "duration": {"errors"},
    "interrupt": set(),
    "progress": set(),
    "inference": {"graph", "histories", "features", "metrics", "measure", "errors", "memory"}
    | {"precision"},
    "dataset": {"graph", "csr", "errors", "fingerprint", "memory"},
    "hash_numba": set(),
    "compiled": {"hash_numba"},
    "sampler": {"graph", "histories", "csr", "features", "errors", "hash_numba", "compiled"}
    | {"memory"},
    "captured_step": {"graph", "errors"},
    "model": {"graph", "csr", "features", "errors", "kernels"},
    "report": {"config", "errors", "experiments", "fingerprint", "results", "target", "verdict"},
    "kernels": {"errors", "graph", "csr", "features", "hash_numba", "compiled", "precision"},
    "recorder": {"errors", "histories", "runs_file"},
    "runs_file": {"errors"},
    "sweep": {"arguments", "config", "errors", "graph", "provenance", "recorder", "run", "run_row"}
    | {"assembly", "batch_size", "checkpoint", "duration", "fingerprint", "progress", "resume"}
    | {"runs_file", "warned"},
    "hardware": set(),
    "memory": {"errors"},
    "precision": {"errors", "hardware"},
    "csr": {"compiled", "transpose_numba"},
    "transpose_numba": set(),
    "features": {"compiled", "csr", "features_numba", "precision"},
    "features_numba": set(),
    "graph": {"csr", "features", "fingerprint", "histories"},
    "histories": set(),
    "fingerprint": {"errors"},
    "optimizer": {"errors"},
    "schedule": {"errors"},
    "monitor": {"recorder"},
    "metrics": set(),
    "measure": set(),
    "prefetch": set(),
    "provenance": set(),
    "checkpoint": {"errors"},
    "warned": set(),
    "errors": set(),
}
# Third party -> the layers that may know it.
KNOWN_TO = {
    "hydra": {"command", "run", "config", "sweep"},
    "omegaconf": {"command", "run", "config", "sweep", "experiments", "mistakes"},
    "torch_geometric": {"dataset", "model", "kernels"},
    "numba": set(),
    "llvmlite": set(),
    "triton": set(),
    "mlflow": {"tracker"},
    "tensorboard": {"tracker"},
    "wandb": {"tracker"},
}
# ... and the ending of a file's name that lets it in elsewhere.
ENDING = {"torch_geometric": "_pyg", "numba": "_numba", "llvmlite": "_numba", "triton": "_triton"}


def layer_of(path: Path) -> str:
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def imported(tree: ast.AST) -> Iterator[str]:
    """Dotted names of what is imported anywhere below `tree`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def imported_at_once(tree: ast.Module) -> Iterator[str]:
    """What is imported when the module is: not what a function asks for when it is called."""
    for node in tree.body:
        if not isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            yield from imported(node)


def own_layers(names: Iterator[str]) -> set[str]:
    """Layers among `names`; what `redditgnn/__init__.py` itself defines is none."""
    dotted = (name.split(".") for name in names)
    found = {parts[1] for parts in dotted if parts[0] == "redditgnn" and len(parts) > 1}
    return {name for name in found if (PACKAGE / name).is_dir() or is_module(name)}


def is_module(name: str) -> bool:
    return (PACKAGE / f"{name}.py").is_file()


each_module = pytest.mark.parametrize(
    "path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE).with_suffix(""))
)


@each_module
def test_a_module_imports_only_layers_below_its_own(path):
    layer = layer_of(path)
    assert layer in ALLOWED, f"say in this file what {layer} may import"
    forbidden = own_layers(imported(ast.parse(path.read_text()))) - ALLOWED[layer] - {layer}
    assert not forbidden, f"{layer} must not import {sorted(forbidden)}"


@each_module
def test_a_third_party_stays_where_it_belongs(path):
    roots = {name.split(".")[0] for name in imported(ast.parse(path.read_text()))}
    strangers = {
        name
        for name in roots & set(KNOWN_TO)
        if layer_of(path) not in KNOWN_TO[name]
        and not path.stem.endswith(ENDING.get(name, "no such ending"))
    }
    assert not strangers, f"{path.name} must not know {sorted(strangers)}"


@each_module
def test_compiled_code_is_imported_only_when_asked_for(path):
    if path.stem.endswith(("_numba", "_triton")):
        return
    eager = imported_at_once(ast.parse(path.read_text()))
    compiled = [name for name in eager if name.split(".")[0] == "redditgnn"]
    compiled = [n for n in compiled if any(p.endswith(("_numba", "_triton")) for p in n.split("."))]
    assert not compiled, f"import {compiled} inside the function that needs it"


def test_every_layer_of_the_table_has_acyclic_permissions():
    done: set[str] = set()
    while ready := {layer for layer, below in ALLOWED.items() if below <= done} - done:
        done |= ready
    assert done == set(ALLOWED)
