"""The keys of a YAML file with their values and comments, as they stand there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

HYDRAS_OWN = ("_target_", "_partial_", "defaults", "hydra")
PACKAGE = "@package"  # Hydra's comment, not one for people


@dataclass(frozen=True, kw_only=True, slots=True)
class Key:
    """One key: `value` is its text in the file, empty for a mapping; `comment` follows it."""

    name: str
    value: str
    comment: str


def read_keys(path: Path, prefix: str) -> list[Key]:
    """Return every key of a file, those of mappings after the mapping, as `prefix.key`."""
    text = path.read_text(encoding="utf-8")
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    return list(_keys(root, text, prefix)) if isinstance(root, yaml.MappingNode) else []


def header(path: Path) -> list[str]:
    """Return the comments at the top of a file; the first says what the option is."""
    lines = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            break
        if PACKAGE not in line:
            lines.append(line.removeprefix("#").removeprefix(" ").rstrip())
    return lines or [""]


def _keys(node: yaml.MappingNode, text: str, prefix: str) -> Iterator[Key]:
    for key, value in node.value:
        if key.value in HYDRAS_OWN:
            continue
        name = f"{prefix}.{key.value}" if prefix else key.value
        if isinstance(value, yaml.MappingNode) and not value.flow_style:
            yield Key(name=name, value="", comment=_comment(text, key.end_mark.index + 1))
            yield from _keys(value, text, name)
        else:
            start, end = value.start_mark.index, value.end_mark.index
            yield Key(name=name, value=text[start:end].strip(), comment=_comment(text, end))


def _comment(text: str, index: int) -> str:
    """Return the comment between `index` and the end of its line."""
    rest = text[index:].partition("\n")[0]
    found = re.fullmatch(r"\s*#\s*(.*?)\s*", rest)
    return found[1] if found else ""
