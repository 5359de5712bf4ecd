"""`make test` and `make test-thorough` together run every test that is not slow."""

from __future__ import annotations

import ast
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests import tiers

HERE = Path(__file__).parent


@pytest.mark.parametrize("file", tiers.FEW)
def test_what_the_table_names_exists(file):
    tree = ast.parse((HERE / file).read_text(encoding="utf-8"))
    defined = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    assert {*tiers.FEW[file]} <= defined | {tiers.ALL}


def test_every_case_is_in_exactly_one_of_the_two_targets():
    lines = (HERE.parent / "Makefile").read_text().splitlines()
    selections = [line.split('-m "')[1].split('"')[0] for line in lines if 'pytest -m "' in line]
    assert selections == ["not slow and not thorough", "thorough and not slow"]


def cases(*rows: tuple[int, ...], slow: int | None = None) -> list[SimpleNamespace]:
    """Return the cases of one test whose parameters have these values."""

    def case(number: int) -> SimpleNamespace:
        marks = {"slow"} if number == slow else set()
        values = dict(zip("abc", rows[number], strict=False))
        return SimpleNamespace(
            nodeid=f"tests/test_x.py::test_x[{number}]",
            callspec=SimpleNamespace(params=values),
            marks=marks,
            add_marker=marks.add,
            get_closest_marker=lambda mark: mark if mark in marks else None,
        )

    return [case(number) for number in range(len(rows))]


def kept(items: list[SimpleNamespace], number: int | str, monkeypatch) -> list[int]:
    monkeypatch.setattr(tiers, "FEW", {"test_x.py": {"test_x": number}})
    tiers.mark_thorough(items)
    return [place for place, item in enumerate(items) if not item.marks]


@pytest.mark.parametrize(
    ("number", "places"), [(0, []), (1, [0]), (3, [0, 2, 4]), (9, list(range(7)))]
)
def test_a_number_of_cases_is_spread_over_all(number, places, monkeypatch):
    assert kept(cases(*[(n,) for n in range(7)]), number, monkeypatch) == places


def test_a_slow_case_is_neither_counted_nor_marked_again(monkeypatch):
    items = cases((0,), (1,), (2,), slow=0)
    assert kept(items, 1, monkeypatch) == [1]
    assert items[0].marks == {"slow"}


def test_each_value_of_each_parameter_is_kept_by_few_cases(monkeypatch):
    grid = [(a, b) for a in range(3) for b in range(2)]
    places = kept(cases(*grid), tiers.EACH, monkeypatch)
    assert {a for a, _ in (grid[n] for n in places)} == {0, 1, 2}
    assert {b for _, b in (grid[n] for n in places)} == {0, 1}
    assert len(places) == 3


def test_a_row_for_all_of_a_file_holds_for_tests_that_have_none(monkeypatch):
    items = cases((0,), (1,))
    items[1].nodeid = "tests/test_x.py::test_y[1]"
    monkeypatch.setattr(tiers, "FEW", {"test_x.py": {tiers.ALL: 0, "test_y": 1}})
    tiers.mark_thorough(items)
    assert [item.marks for item in items] == [{"thorough"}, set()]


@pytest.mark.parametrize("second", ["a", "b"])
@pytest.mark.parametrize("first", [1, 2, 3])
def test_a_case_of_pytest_has_parameters(first, second, request):
    assert tiers._values(request.node) == {("first", repr(first)), ("second", repr(second))}
