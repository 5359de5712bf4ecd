"""A docstring in Google's style as Markdown."""

from __future__ import annotations

import inspect
import re
import sys
from typing import Any

SECTION = re.compile(
    r"^(Args|Attributes|Returns|Raises|Yields):\n((?:    .*\n?|\n)*)", re.MULTILINE
)
ARGUMENT = re.compile(r"^(\w+): ", re.MULTILINE)


def as_markdown(target: Any, with_module: bool) -> str:
    """Return the docstring of `target`, after that of its module if `with_module`.

    The first sentence of the module is left out: the option's YAML file has it. Arguments become a
    list. Sections for callers, such as Returns and Raises, are left out.
    """
    module = inspect.getdoc(sys.modules[target.__module__]) if with_module else None
    texts = [(module or "").partition("\n\n")[2], inspect.getdoc(target) or ""]
    return "\n\n".join(filter(None, map(_converted, texts)))


def _converted(text: str) -> str:
    prose = SECTION.sub("", text).strip()
    arguments = [_listed(body) for kind, body in SECTION.findall(text) if kind == "Args"]
    return "\n\n".join(filter(None, [prose, *arguments]))


def _listed(body: str) -> str:
    """Return `name: text` paragraphs as a list."""
    return ARGUMENT.sub(r"- `\1`: ", inspect.cleandoc(f"\n{body}"))
