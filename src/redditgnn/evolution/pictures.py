"""The alluvial diagram as SVG: its shapes for a page, and a picture for papers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape
from textwrap import shorten

from redditgnn.evolution.alluvial import HEIGHT, OTHERS, WIDTH, Band, Block
from redditgnn.evolution.wording import Diagram
from redditgnn.maps.picture import GREY, css_colour, group_colour

TOP, LEGEND_WIDTH, LINE = 34, 230, 17  # of the picture for papers, in pixels
MOST_HEADINGS = 10


def colour_of(community: int) -> str:
    """Return the colour of a community, as CSS writes it."""
    return css_colour(GREY if community == OTHERS else group_colour(community))


def name_of(community: int) -> str:
    """Return what a community is called."""
    return "others" if community == OTHERS else f"community {community}"


def shapes(diagram: Diagram) -> str:
    """Return bands and blocks."""
    width = f"{diagram.alluvial.block_width:.2f}"
    bands = (
        f'<path class="band" d="{band.path}" fill="{colour_of(band.source.community)}" '
        f'data-ids="{band.source.community} {band.target.community}" data-tip="{_band_tip(band)}"/>'
        for band in diagram.alluvial.bands
    )
    blocks = (
        f'<rect class="block" x="{block.x:.1f}" y="{block.y:.2f}" width="{width}" '
        f'height="{max(block.height, 0.5):.2f}" fill="{colour_of(block.community)}" '
        f'data-ids="{block.community}" data-snapshot="{block.snapshot}" '
        f'data-tip="{_block_tip(block, diagram.labels)}"/>'
        for block in diagram.alluvial.blocks
    )
    return "\n".join([*bands, *blocks])


def _block_tip(block: Block, labels: Mapping[tuple[int, int], str]) -> str:
    lines = [f"{name_of(block.community)}, snapshot {block.snapshot}", f"{block.nodes:,} nodes"]
    label = labels.get((block.snapshot, block.community))
    return escape("\n".join([*lines, *([label] if label else [])]))


def _band_tip(band: Band) -> str:
    source, target = band.source, band.target
    return escape(
        f"{band.nodes:,} nodes\nfrom {name_of(source.community)}, snapshot {source.snapshot}\n"
        f"to {name_of(target.community)}, snapshot {target.snapshot}"
    )


def picture(diagram: Diagram, title: str) -> str:
    """Return the diagram as an SVG file, with headings and a legend."""
    height = TOP + max(HEIGHT, LINE * len(diagram.legend)) + 10
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="-10 {-TOP} '
            f'{WIDTH + LEGEND_WIDTH:g} {height:g}" font-family="sans-serif" font-size="13">',
            f"<title>{escape(title)}</title>",
            "<style>.band{fill-opacity:.45}</style>",
            shapes(diagram),
            *_headings(diagram),
            *_legend(diagram.legend),
            "</svg>\n",
        ]
    )


def _headings(diagram: Diagram) -> Iterator[str]:
    count = len(diagram.headings)
    step = (WIDTH - diagram.alluvial.block_width) / max(1, count - 1)
    for number in range(0, count, -(-count // MOST_HEADINGS)):
        anchor = "start" if number == 0 else "end" if number == count - 1 else "middle"
        text = escape(f"{number + 1}: {diagram.headings[number]}")
        yield f'<text x="{number * step:.1f}" y="-10" text-anchor="{anchor}">{text}</text>'


def _legend(legend: Mapping[int, str]) -> Iterator[str]:
    x = WIDTH + 24
    for number, (community, text) in enumerate(legend.items()):
        y, colour, words = number * LINE, colour_of(community), shorten(text, 28, placeholder="...")
        yield f'<rect x="{x:g}" y="{y}" width="11" height="11" fill="{colour}"/>'
        yield f'<text x="{x + 17:g}" y="{y + 10}">{escape(words)}</text>'
