"""Who may import whom: a package knows its own modules, a single program knows none."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts import ROOT

SCRIPTS = ROOT / "scripts"
MODULES = sorted(SCRIPTS.rglob("*.py"))
ROOMS = ("timing", "rows", "cases", "peers")  # of scripts.bench; each knows those before it
KNOWN_TO = {  # of other packages: bench.estimate writes a document, and tables render the page
    "bench": {"scripts.tables.documents"},
    "chaos": {"scripts.bench.options", "scripts.bench.timing.ranks"},
    "tables": {"scripts.bench.gpu_page"},
}


def imported(path: Path) -> Iterator[str]:
    """Names of the modules that a file imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: imports are absolute"
            module = node.module or ""
            names = [f"{module}.{alias.name}" for alias in node.names]
            yield from (name if is_module(name) else module for name in names)


def is_module(name: str) -> bool:
    path = ROOT.joinpath(*name.split("."))
    return path.is_dir() or path.with_suffix(".py").is_file()


def own(path: Path) -> set[str]:
    """Names of the modules of scripts that a file imports, without `scripts` itself."""
    return {name for name in imported(path) if name.startswith("scripts.")}


each_module = pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(SCRIPTS)))


@each_module
def test_no_program_is_imported_by_its_bare_name(path: Path) -> None:
    siblings = {each.stem for each in MODULES} | {each.parent.name for each in MODULES}
    bare = {name for name in imported(path) if name.split(".")[0] in siblings - {"scripts"}}
    assert not bare


@each_module
def test_a_room_imports_only_itself_and_rooms_before_it(path: Path) -> None:
    package, *inside = path.relative_to(SCRIPTS).with_suffix("").parts
    if package == "bench" and len(inside) > 1:
        allowed = [f"scripts.bench.{room}" for room in ROOMS[: ROOMS.index(inside[0]) + 1]]
        assert all(name.startswith(tuple(allowed)) for name in own(path))
    elif inside:
        others = {name for name in own(path) if not name.startswith(f"scripts.{package}.")}
        assert others <= KNOWN_TO.get(package, set())
    else:
        assert not own(path), "a single program imports nothing of scripts"
