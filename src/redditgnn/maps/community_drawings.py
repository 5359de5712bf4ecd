"""Communities as drawings in SVG: the quotient graph, and the heat map of blocks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from html import escape

import numpy as np
from jaxtyping import Float64, Int64
from numpy import ndarray

from redditgnn.maps.picture import css_colour, group_colour
from redditgnn.maps.quotient import Quotient

CELL = 12
MARGIN = 150  # for the names of rows
MOST_DOUBLINGS = 5  # of a ratio, where colours are full
OPACITIES = 20
LONGEST_NAME = 16
MOST_IN_LEGEND = 24
LEGEND_WIDTH, LINE = 190, 20
# In a page the style is that of the page, with the colours of its scheme.
STYLE = """\
<style>text { font: 12px system-ui, sans-serif; fill: #222 } .tie { stroke: #888 }
.node { stroke: #fff } .more { fill: #c25400 } .less { fill: #1f6fb5 }
.frame { fill: none; stroke: #888 }
.number { fill: #fff; text-anchor: middle; stroke: #0009; stroke-width: 2px; paint-order: stroke }
</style>
"""


def colour_of(code: int) -> str:
    """Return the colour of a label, as on a map."""
    return css_colour(group_colour(code))


def quotient_svg(
    quotient: Quotient, colours: Sequence[str], legend: Sequence[tuple[str, str]] = ()
) -> str:
    """Return the quotient graph. `legend` has a colour and its name, for a drawing of its own."""
    places, radii = quotient.places(), quotient.radii()
    low, high = (places - radii[:, None]).min(0) - 4, (places + radii[:, None]).max(0) + 4
    width, height = high - low
    box = f"{low[0]:.1f} {low[1]:.1f} {width + LEGEND_WIDTH * bool(legend):.1f} {height:.1f}"
    parts = [*_ties(quotient, places), *_circles(places, radii, colours)]
    if legend:
        parts = [STYLE, *parts, *_legend(legend, high[0] + 16, low[1] + LINE)]
    return _svg("quotient", box, parts)


def _ties(quotient: Quotient, places: Float64[ndarray, "drawn 2"]) -> Iterator[str]:
    ties = quotient.ties()
    strength = np.log1p(quotient.ratio[ties[:, 0], ties[:, 1]])
    shares = strength / max(strength.max(initial=0), 1e-300)
    for (a, b), share in zip(ties, shares, strict=True):
        (x1, y1), (x2, y2) = places[a], places[b]
        yield (
            f'<line class="tie" data-ends="{a} {b}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" '
            f'y2="{y2:.1f}" stroke-width="{1 + 5 * share:.1f}"/>'
        )


def _circles(
    places: Float64[ndarray, "drawn 2"], radii: Float64[ndarray, " drawn"], colours: Sequence[str]
) -> Iterator[str]:
    for number, ((x, y), radius) in enumerate(zip(places, radii, strict=True)):
        yield (
            f'<circle class="node" data-node="{number}" cx="{x:.1f}" cy="{y:.1f}" '
            f'r="{radius:.1f}" fill="{colours[number]}"/>'
        )
        if radius >= 9:
            yield f'<text class="number" x="{x:.1f}" y="{y + 4:.1f}">{number}</text>'


def _legend(legend: Sequence[tuple[str, str]], x: float, y: float) -> Iterator[str]:
    for place, (colour, name) in enumerate(legend[:MOST_IN_LEGEND]):
        top = y + place * LINE
        yield f'<circle cx="{x:.1f}" cy="{top - 4:.1f}" r="6" fill="{colour}"/>'
        yield f'<text x="{x + 12:.1f}" y="{top:.1f}">{escape(shortened(name))}</text>'


def blocks_svg(
    quotient: Quotient, order: Int64[ndarray, " drawn"], names: Sequence[str], *, alone: bool
) -> str:
    """Return the heat map of edges between communities, in this order, beside those expected.

    `alone`: it is a file, not a part of a page.
    """
    side = CELL * len(order)
    parts = [STYLE] if alone else []
    parts += [
        f'<text x="{MARGIN - 6}" y="{place * CELL + 10}" text-anchor="end" font-size="10">'
        f"{escape(shortened(names[number]))}</text>"
        for place, number in enumerate(order)
    ]
    parts += _cells(quotient.ratio[np.ix_(order, order)])
    parts.append(f'<rect class="frame" x="{MARGIN}" y="0" width="{side}" height="{side}"/>')
    return _svg("blocks", f"0 -1 {MARGIN + side + 1} {side + 2}", parts)


def _cells(ratio: Float64[ndarray, "drawn drawn"]) -> Iterator[str]:
    """Yield a path for all cells of one colour. Pairs without edges have none."""
    squares = defaultdict[tuple[str, float], str](str)
    for (row, column), value in np.ndenumerate(ratio):
        if value > 0:
            doublings = float(np.log2(value))
            share = np.ceil(OPACITIES * min(abs(doublings) / MOST_DOUBLINGS, 1)) / OPACITIES
            place = f"M{MARGIN + column * CELL} {row * CELL}"
            squares["more" if doublings > 0 else "less", share] += f"{place}h{CELL}v{CELL}h-{CELL}z"
    for (kind, share), path in sorted(squares.items()):
        yield f'<path class="{kind}" fill-opacity="{share:g}" d="{path}"/>'


def shortened(name: str) -> str:
    """Return a name that finds room in a drawing."""
    return (
        name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}\N{HORIZONTAL ELLIPSIS}"
    )


def _svg(name: str, box: str, parts: Sequence[str]) -> str:
    inner = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" id="{name}" viewBox="{box}">\n{inner}\n</svg>\n'
    )
