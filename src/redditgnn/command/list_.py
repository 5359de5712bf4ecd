"""List the options that can be chosen, with one line on each.

usage: redditgnn list [models|datasets|samplers|optimizers|schedulers|trainers|trackers|...]

Without an argument it lists everything. Choose an option with GROUP=NAME, as in `model=gat`.

examples:
  redditgnn list
  redditgnn list samplers
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import get_close_matches

from redditgnn import CONF_DIR
from redditgnn.errors import UserError

GROUPS = {
    "models": "model",
    "datasets": "dataset",
    "samplers": "sampler",
    "optimizers": "optimizer",
    "schedulers": "scheduler",
    "trainers": "trainer",
    "protocols": "protocol",
    "parallels": "parallel",
    "experiments": "experiment",
    "communities": "communities",
    "maps": "map",
    "evolutions": "evolve",
    "sweeps": "sweep",
    "trackers": "tracker",
    "embeddings": "embedding",
}


def main(argv: Sequence[str]) -> int:
    """Print the groups named in `argv`, or all that have options."""
    if len(argv) == 1:
        print(*describe_options(group_of(argv[0])), sep="\n")
        return 0
    sections = ((kind, list(describe_options(group_of(kind)))) for kind in argv or GROUPS)
    texts = (_format_section(kind, entries) for kind, entries in sections if entries)
    print("\n\n".join(texts))
    return 0


def group_of(kind: str) -> str:
    """Return the group of `models` or `model`.

    Raises:
        UserError: there is no such kind.
    """
    if kind in GROUPS.values():
        return kind
    if kind not in GROUPS:
        near = get_close_matches(kind, GROUPS, n=1)
        remedy = f"did you mean {near[0]!r}?" if near else f"choose from {', '.join(GROUPS)}"
        raise UserError(f"cannot list {kind!r}; {remedy}")
    return GROUPS[kind]


def describe_options(group: str) -> Iterator[str]:
    """Describe each option of `group` in one aligned line."""
    options = descriptions(group)
    width = max(map(len, options), default=0)
    for name, text in options.items():
        yield f"{name:<{width}}  {text}".rstrip()


def descriptions(group: str) -> dict[str, str]:
    """Return name and first comment of each option of `group`, in alphabetical order."""
    paths = sorted((CONF_DIR / group).glob("*.yaml"))
    return {path.stem: _first_comment(path.read_text(encoding="utf-8")) for path in paths}


def _format_section(kind: str, entries: list[str]) -> str:
    return "\n  ".join([f"{kind}  ({group_of(kind)}=NAME)", *entries])


def _first_comment(text: str) -> str:
    for line in text.splitlines():
        if line.startswith("#") and not line.startswith("# @package"):  # Hydra's, not for people
            return line.lstrip("# ").rstrip()
    return ""
