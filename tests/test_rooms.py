"""Who may import whom: what is below knows nothing of what is above."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import redditgnn

PACKAGE = Path(redditgnn.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))

# Room -> the rooms of redditgnn that it may import. A room is a folder, or a loose module. The
# ground knows no run, and a run knows no sweep.
ALLOWED = {
    "__init__": {"config", "record", "run", "sweep"},  # the Python interface, when it is used
    "errors": set(),
    "metric": set(),
    "config": {"errors"},
    "optimizer": {"errors"},
    "record": {"config", "errors", "graph", "metric", "runtime"},
    "runtime": {"errors"},
    "graph": {"errors", "runtime"},
    "tracker": {"errors", "record"},
    "dataset": {"errors", "graph", "runtime"},
    "histories": {"errors", "graph", "record", "runtime"},
    "distributed": {"errors", "graph", "runtime"},
    "kernels": {"errors", "graph", "runtime"},
    "partition": {"errors", "graph", "runtime"},
    "verify": {"config", "errors", "graph", "metric", "record"},
    "nn": {"errors", "graph", "kernels", "runtime"},
    "report": {"config", "errors", "graph", "metric", "record", "verify"},
    "sampler": {"distributed", "errors", "graph", "histories", "partition", "record", "runtime"},
    "model": {"errors", "graph", "kernels", "nn"},
    "evaluation": {"distributed", "graph", "kernels", "metric", "model", "record", "runtime"}
    | {"sampler"},
    "embedding": {"errors", "evaluation", "graph", "kernels", "model", "nn", "runtime", "sampler"},
    "trainer": {"distributed", "errors", "graph", "metric", "model", "record", "runtime"}
    | {"sampler"},
    "parts": {"config", "distributed", "embedding", "errors", "evaluation", "graph", "kernels"}
    | {"metric", "model", "runtime", "sampler", "trainer"},
    "maps": {"errors", "graph", "partition", "runtime"},
    "evolution": {"dataset", "errors", "graph", "maps", "metric", "partition", "record"}
    | {"runtime"},
    "prediction": {"errors", "evaluation", "graph", "model", "runtime"},
    "memory": {"config", "distributed", "errors", "evaluation", "graph", "histories", "metric"}
    | {"model", "parts", "runtime", "sampler", "trainer"},
    "run": {"config", "distributed", "errors", "evaluation", "graph", "memory", "metric", "model"}
    | {"optimizer", "parts", "prediction", "record", "runtime", "sampler", "tracker", "trainer"},
    "sweep": {"config", "dataset", "errors", "graph", "metric", "parts", "record", "run"}
    | {"runtime"},
    "command": {
        "config",
        "dataset",
        "distributed",
        "embedding",
        "errors",
        "evaluation",
        "evolution",
        "graph",
    }
    | {"kernels", "maps", "memory", "metric", "parts", "partition", "prediction", "record"}
    | {"report", "run", "runtime", "sweep", "verify"},
    "cli": {"errors", "runtime"},
}
# Third party -> the rooms that may know it.
KNOWN_TO = {
    "hydra": {"command", "config", "sweep"},
    "omegaconf": {"command", "config", "sweep"},
    "torch_geometric": {"dataset", "model", "nn"},
    "numba": set(),
    "llvmlite": set(),
    "triton": set(),
    "mlflow": {"tracker"},
    "tensorboard": {"tracker"},
    "wandb": {"tracker"},
}
# ... and the ending of a file's name that lets it in elsewhere.
ENDING = {"torch_geometric": "_pyg", "numba": "_numba", "llvmlite": "_numba", "triton": "_triton"}


def room_of(path: Path) -> str:
    """Return the room of a module. `python -m redditgnn` is the command line, too."""
    room = path.relative_to(PACKAGE).with_suffix("").parts[0]
    return "cli" if room == "__main__" else room


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


def own_rooms(names: Iterator[str]) -> set[str]:
    """Rooms among `names`; what `redditgnn/__init__.py` itself defines is none."""
    dotted = (name.split(".") for name in names)
    names_below = {parts[1] for parts in dotted if parts[0] == "redditgnn" and len(parts) > 1}
    return {name for name in names_below if (PACKAGE / name).is_dir() or is_module(name)}


def is_module(name: str) -> bool:
    return (PACKAGE / f"{name}.py").is_file()


each_module = pytest.mark.parametrize(
    "path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE).with_suffix(""))
)


@each_module
def test_a_module_imports_only_rooms_below_its_own(path):
    room = room_of(path)
    assert room in ALLOWED, f"say in this file what {room} may import"
    forbidden = own_rooms(imported(ast.parse(path.read_text()))) - ALLOWED[room] - {room}
    assert not forbidden, f"{room} must not import {sorted(forbidden)}"


@each_module
def test_a_third_party_stays_where_it_belongs(path):
    roots = {name.split(".")[0] for name in imported(ast.parse(path.read_text()))}
    strangers = {
        name
        for name in roots & set(KNOWN_TO)
        if room_of(path) not in KNOWN_TO[name]
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


def test_the_permissions_have_no_circle():
    done: set[str] = set()
    while ready := {room for room, below in ALLOWED.items() if below <= done} - done:
        done |= ready
    assert done == set(ALLOWED)


def test_every_permission_is_used():
    used: dict[str, set[str]] = {room: set() for room in ALLOWED}
    for path in MODULES:
        used[room_of(path)] |= own_rooms(imported(ast.parse(path.read_text()))) - {room_of(path)}
    assert used == ALLOWED


def test_the_package_has_few_loose_modules():
    assert len(ALLOWED) <= 31
    assert len(list(PACKAGE.glob("*.py"))) <= 6
