"""A map as one page, which opens from disk and asks for nothing else.

Positions and columns are in the page as base64 of gzip: 16 bits a coordinate, 8 or 16 a column.
"""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from string import Template
from typing import Any

import numpy as np
from jaxtyping import Float, Float32, UInt16
from numpy import ndarray

from redditgnn.maps.columns import Category, Column, Number

HERE = Path(__file__).parent
STEPS = 65535  # of a coordinate
MISSING = 65535  # stands for a number that a node has not
MOST_NAMES = 65536


@dataclass(frozen=True, kw_only=True)
class Map:
    """Nodes in the plane, and what they can be coloured by.

    Attributes:
        title: What is shown.
        sentence: The same in a sentence, for those who do not see it.
        nodes: The id of each node, None if nodes are numbered from 0.
        colour: The name of the column that it opens with.
    """

    title: str
    sentence: str
    positions: Float32[ndarray, "nodes 2"]
    nodes: Sequence[str] | None
    columns: Sequence[Column]
    colour: str

    @property
    def column(self) -> Column:
        """The column that it opens with."""
        return next(column for column in self.columns if column.name == self.colour)


def write_page(content: Map) -> str:
    """Return the page. The same map gives the same bytes."""
    return fill_page(
        HERE / "page",
        title=content.title,
        sentence=escape(content.sentence),
        data=as_json(_data(content)),
    )


def fill_page(files: Path, *, title: str, **values: str) -> str:
    """Return a page of base.html and base.css, and of the .html, .css and .js of this name.

    `values` are HTML, by their names in the .html file. `title` is text, which may be there, too.
    """
    base, body, look, own_look, script = (
        path.read_text(encoding="utf-8")
        for path in (
            *(HERE / "base.html", files.with_suffix(".html")),
            *(HERE / "base.css", files.with_suffix(".css"), files.with_suffix(".js")),
        )
    )
    return Template(base).substitute(
        title=escape(title),
        style=look + own_look,
        body=Template(body).substitute(values, title=escape(title)),
        script=script,
    )


def grid(positions: Float32[ndarray, "nodes 2"]) -> UInt16[ndarray, "2 nodes"]:
    """Return positions in steps of the larger side, centred; the second axis goes down."""
    low, high = positions.min(0), positions.max(0)
    side = max(float((high - low).max()), np.finfo(np.float32).tiny)
    shares = (positions - (low + high) / 2) / side + 0.5
    shares[:, 1] = 1 - shares[:, 1]
    return np.ascontiguousarray((shares.clip(0, 1) * STEPS).round().T, np.uint16)


def _data(content: Map) -> dict[str, Any]:
    x, y = grid(content.positions)
    nodes = content.nodes
    return {
        "x": _packed(x),
        "y": _packed(y),
        "nodes": None if nodes is None else _packed("\n".join(nodes).encode()),
        "columns": [_column(column) for column in content.columns],
        "colour": content.colour,
    }


def _column(column: Column) -> dict[str, Any]:
    if isinstance(column, Number):
        return _number(column.name, column.values)
    codes, names = _limited(column)
    dtype = np.uint8 if len(names) <= 256 else np.uint16
    return {"name": column.name, "names": names, "codes": _packed(codes.astype(dtype))}


def _limited(column: Category) -> tuple[ndarray, Sequence[str]]:
    """Give the categories beyond the 16 bits of a code one name."""
    codes, names = np.asarray(column.codes), list(column.names)
    if len(names) <= MOST_NAMES:
        return codes, names
    return codes.clip(max=MOST_NAMES - 1), [*names[: MOST_NAMES - 1], "others"]


def _number(name: str, values: Float[ndarray, " nodes"]) -> dict[str, Any]:
    finite = np.isfinite(values)
    low, high = (values[finite].min(), values[finite].max()) if finite.any() else (0.0, 0.0)
    steps = np.full(len(values), MISSING, np.uint16)
    share = (values[finite] - low) / ((high - low) or 1)
    steps[finite] = (share * (MISSING - 1)).round()
    return {"name": name, "low": float(low), "high": float(high), "codes": _packed(steps)}


def _packed(values: ndarray | bytes) -> dict[str, str]:
    kind = "text" if isinstance(values, bytes) else values.dtype.name
    raw = values if isinstance(values, bytes) else np.ascontiguousarray(values).tobytes()
    return {"kind": kind, "data": base64.b64encode(gzip.compress(raw, mtime=0)).decode()}


def as_json(data: dict[str, Any]) -> str:
    """Return JSON that cannot end the element that holds it."""
    return json.dumps(data, separators=(",", ":"), sort_keys=True).replace("<", "\\u003c")
