"""Ids of nodes as files have them, integers or text, and the index that each stands for."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Int32, Shaped
from numpy import ndarray

from redditgnn.errors import DataError

LONGEST_ID = 256  # characters, since each id takes as much room as the longest
UNKNOWN = -1


class NodeIds:
    """The ids of the nodes in the order of the file.

    Text of canonical integers, as 7 but not 007, is read as integers. `typed`: the file says
    itself whether an id is a number, so "7" is not 7.

    Raises:
        DataError: an id is blank, or two nodes have the same.
    """

    def __init__(self, where: str, column: str, array: Any, *, typed: bool) -> None:
        self.where, self._column, self._typed = where, column, typed
        array = _without_fractions(where, column, array)
        self._refuse_blanks(array)
        numbers = None if typed and _is_text(array) else canonical_integers(array)
        self._array = array if numbers is None or numbers.null_count else numbers
        self._refuse_repeated()

    @cached_property
    def names(self) -> Shaped[ndarray, " nodes"]:
        """The ids as an array of integers or of text."""
        if not _is_text(self._array):
            return np.asarray(self._array.to_numpy(zero_copy_only=False))
        from pyarrow import compute

        longest = compute.max(compute.utf8_length(self._array)).as_py()
        if longest > LONGEST_ID:
            raise DataError(
                f"{self.where}: an id in {self._column!r} has {longest:,} characters, at most "
                f"{LONGEST_ID} are possible; set dataset.id_column to another column"
            )
        return np.asarray(self._array.to_numpy(zero_copy_only=False), dtype=f"U{max(longest, 1)}")

    def __len__(self) -> int:
        return len(self._array)

    def __contains__(self, text: str) -> bool:
        import pyarrow as pa

        return bool(self.index_of(self.where, pa.array([text]), typed=False)[0] != UNKNOWN)

    def index_of(self, where: str, array: Any, *, typed: bool) -> Int32[ndarray, " rows"]:
        """Return the index of the node with each id in `array`, -1 if there is none.

        Raises:
            DataError: ids are numbers in one file and text in the other.
        """
        from pyarrow import compute

        array = _without_fractions(where, "ids", array)
        if typed and _is_text(array) != _is_text(self._array):
            self._refuse_types(where, array)
        if _is_text(self._array):
            found = compute.index_in(array, value_set=self._array)
            return np.asarray(found.fill_null(UNKNOWN).to_numpy(zero_copy_only=False))
        integers = canonical_integers(array)
        values = integers.fill_null(0).to_numpy(zero_copy_only=False)
        index = self._lookup.get_indexer(values).astype(np.int32)
        if integers.null_count:
            index[np.asarray(integers.is_null())] = UNKNOWN
        return index

    @cached_property
    def _lookup(self) -> Any:
        import pandas as pd

        return pd.Index(self.names)

    def _refuse_types(self, where: str, array: Any) -> None:
        if not self._typed and not _is_text(self._array):
            return  # text of numbers may be either
        kinds = {True: "text", False: "numbers"}
        raise DataError(
            f"{where}: ids are {kinds[_is_text(array)]} (as {array[0].as_py()!r}), and "
            f"{kinds[_is_text(self._array)]} (as {self._array[0].as_py()!r}) in {self.where}; "
            "give them one type in both files"
        )

    def _refuse_blanks(self, array: Any) -> None:
        if (row := find_blank(array)) is not None:
            raise DataError(
                f"{self.where}: node {row + 1:,} has no id in {self._column!r}; every node needs "
                "one, or set dataset.id_column to another column"
            )

    def _refuse_repeated(self) -> None:
        from pyarrow import compute

        if compute.count_distinct(self._array).as_py() == len(self._array):
            return
        counts = compute.value_counts(self._array)
        repeated = compute.greater(counts.field("counts"), 1)
        value = counts.field("values").filter(repeated)[0]
        raise DataError(
            f"{self.where}: {compute.sum(repeated).as_py():,} ids in {self._column!r} are there "
            f"more than once, the first is {value.as_py()!r}; keep one row for each node, or set "
            "dataset.id_column"
        )


def find_blank(array: Any) -> int | None:
    """Return the row of the first cell without a value, None if all have one."""
    from pyarrow import compute

    blank = array.is_null(nan_is_null=True)
    if _is_text(array):
        blank = compute.or_(blank, compute.fill_null(compute.equal(array, ""), True))
    row = int(compute.index(blank, True).as_py())
    return None if row < 0 else row


def canonical_integers(array: Any) -> Any:
    """Return int64, with null for text that is no integer in its shortest form: 007 is not 7."""
    import pyarrow as pa
    from pyarrow import compute

    if not _is_text(array):
        return array.cast(pa.int64())
    try:
        numbers = array.cast(pa.int64())
    except pa.ArrowInvalid:
        canonical = compute.match_substring_regex(array, r"^(0|-?[1-9]\d{0,17})$")
        return compute.if_else(canonical, array, None).cast(pa.int64())
    zeros = compute.and_(
        compute.starts_with(array, "0"), compute.greater(compute.binary_length(array), 1)
    )
    odd = compute.or_(zeros, compute.or_(*(compute.starts_with(array, sign) for sign in _ODD)))
    return compute.if_else(odd, None, numbers)


_ODD = ("-0", "+")


def _is_text(array: Any) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_string(array.type))


def _without_fractions(where: str, column: str, array: Any) -> Any:
    """Return ids that are floats, as pandas writes integers beside blanks, as integers."""
    import pyarrow as pa

    kind = array.type
    if pa.types.is_string(kind):
        return array
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        _refuse_inexact(where, column, array)
        try:
            return array.cast(pa.int64())
        except pa.ArrowInvalid as error:
            raise DataError(
                f"{where}: {column} must be whole numbers or text, not all are; write them without "
                "fractions, and below 2**63"
            ) from error
    raise DataError(
        f"{where}: {column} has the type {kind}; ids must be whole numbers or text: name another "
        "column"
    )


def _refuse_inexact(where: str, column: str, array: Any) -> None:
    import pyarrow as pa
    from pyarrow import compute

    if not pa.types.is_floating(array.type):
        return
    limit = 2 ** {16: 11, 32: 24, 64: 53}[array.type.bit_width]
    largest = compute.max(compute.abs(array.cast(pa.float64()))).as_py()
    if largest is not None and largest > limit and largest != float("inf"):
        raise DataError(
            f"{where}: {column} is stored as {array.type}, which cannot tell whole numbers above "
            f"{limit:,} apart; store integers"
        )
