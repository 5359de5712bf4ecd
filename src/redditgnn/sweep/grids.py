"""The grids of a sweep: keys with their values, every combination of which is a run."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass

from hydra.core.override_parser.types import Override

from redditgnn.errors import require

MOST_JOBS = 100_000


@dataclass(frozen=True, kw_only=True)
class Grid:
    """Overrides with one value or several. `named` are keys that name a run even with one value."""

    overrides: Sequence[Override]
    named: Set[str]

    @classmethod
    def of(cls, overrides: Sequence[Override], named: Set[str]) -> Grid:
        """Take the last value of a repeated key, as everywhere in Hydra."""
        last = {override.key_or_group: override for override in overrides}
        return cls(overrides=list(last.values()), named=named)

    @property
    def swept(self) -> list[Override]:
        """The overrides whose values name a run."""
        return [o for o in self.overrides if o.is_sweep_override() or o.key_or_group in self.named]

    @property
    def common(self) -> list[str]:
        """The other overrides, as on the command line."""
        swept = self.swept
        return [str(o.input_line) for o in self.overrides if o not in swept]


def combinations(overrides: Sequence[Override]) -> Iterator[dict[str, str]]:
    """Yield each combination of the values of overrides, by key.

    Raises:
        ConfigError: an override has no values, or no end of them, or cannot be swept.
    """
    for override in overrides:
        require(
            override.is_discrete_sweep() or not override.is_sweep_override(),
            f"{override.input_line}: an interval has no end of values; give a list or "
            "range(...), or search it with sweep.search=optuna",
        )
        require(
            override.key_or_group != "results_dir",
            f"{override.input_line}: a sweep has one results_dir",
        )
    keys = [override.get_key_element() for override in overrides]
    values = [_values(override) for override in overrides]
    for key, choices in zip(keys, values, strict=True):
        require(bool(choices), f"{key}: nothing to sweep: it has no values, or matches no option")
    for number, combination in enumerate(itertools.product(*values)):
        require(number < MOST_JOBS, f"a sweep has at most {MOST_JOBS} jobs; sweep fewer values")
        yield dict(zip(keys, combination, strict=True))


def _values(override: Override) -> list[str]:
    if override.is_sweep_override():
        return list(override.sweep_string_iterator())
    return [str(override.input_line).partition("=")[2]]
