"""The tests check annotations of every function of redditgnn, those with shapes also by size."""

from __future__ import annotations

import pytest
import torch
from beartype import beartype
from jaxtyping import Float
from torch import Tensor

from tests import type_checks
from tests.type_checks import jaxtyped

Rows = Float[Tensor, "rows dim"]


def plain(number: int, place: torch.device | None = None) -> str:
    return number * "a" if number else None  # type: ignore[return-value]


def named(left: Rows, right: Rows) -> Rows:
    return left


def spelt(left: Float[Tensor, " rows"], right: list[Float[Tensor, " rows"]]) -> None:
    return None


def test_a_wrong_argument_and_a_wrong_result_are_refused():
    checked = jaxtyped(plain, typechecker=beartype)
    assert checked(2, torch.device("cpu")) == "aa"
    with pytest.raises(Exception, match="number"):
        checked("2")
    with pytest.raises(Exception, match="return"):
        checked(0)


def test_shapes_agree_within_a_call_also_if_an_alias_or_a_list_holds_them():
    named_rows, listed = (jaxtyped(one, typechecker=beartype) for one in (named, spelt))
    named_rows(torch.zeros(2, 3), torch.zeros(2, 3))
    named_rows(torch.zeros(1, 3), torch.zeros(1, 3))  # another call has other sizes
    with pytest.raises(Exception, match="right"):
        named_rows(torch.zeros(2, 3), torch.zeros(3, 3))
    with pytest.raises(Exception, match="right"):
        listed(torch.zeros(2), [torch.zeros(3)])


def test_only_functions_that_name_a_shape_are_left_to_jaxtyping(monkeypatch):
    left = []
    monkeypatch.setattr(type_checks, "jaxtyped_by_jaxtyping", lambda one, **_: left.append(one))

    def own(number: int, place: torch.device) -> str | None: ...
    def shaped(rows: Rows) -> None: ...
    def unknown(graph: GraphData) -> None: ...  # noqa: F821 - as if imported for mypy alone

    for function in (own, shaped, unknown):
        jaxtyped(function, typechecker=beartype)
    assert left == [shaped, unknown]
