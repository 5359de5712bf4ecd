"""One entry for each configuration, which summary.csv, .md, .tex and the page show."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from redditgnn.report.grouping import SCORES, STATUSES, Configuration, Group
from redditgnn.report.noise import Difference, compare
from redditgnn.report.settings import VaryingKeys, value_of, varying_keys
from redditgnn.verify.verdict import interval_of_mean

BEST = "best"


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A configuration beside the best one of its group; `difference` is None for the best."""

    configuration: Configuration
    difference: Difference | None
    is_best: bool

    @property
    def verdict(self) -> str:
        """The comparison with the best in a word or two, '' if no run completed."""
        if self.is_best:
            return BEST
        return self.difference.verdict if self.difference else ""


@dataclass(frozen=True, kw_only=True)
class Summary:
    """A group's entries, and the hyper-parameters in which they differ."""

    group: Group
    entries: list[Entry]
    varying: VaryingKeys


def summary_of(group: Group) -> Summary:
    """Compare each configuration of `group` with the best."""
    best = group.best
    others = [c for c in group.scored if c is not best]
    differences: Iterable[Difference] = []
    if best is not None:
        runs = [c.by_run(group.test_score) for c in others]
        differences = compare(best.by_run(group.test_score), runs, group.repeated)
    by_hash = dict(zip((c.config_hash for c in others), differences, strict=False))
    entries = [
        Entry(configuration=c, difference=by_hash.get(c.config_hash), is_best=c is best)
        for c in group.configurations
    ]
    return Summary(group=group, entries=entries, varying=varying_keys(group.configurations))


def table_of(summaries: Sequence[Summary]) -> pd.DataFrame:
    """Return summary.csv: scores as fractions, and an empty cell for what is unknown."""
    rows = [row for summary in summaries for row in _rows(summary)]
    keys = sorted({key for row in rows for key in row if "." in key})
    first = ["group", "dataset", "protocol", "fingerprint", "model", "sampler", "experiment"]
    columns = None if rows else [*first, "config_hash"]
    table = pd.DataFrame(rows, columns=columns, dtype=object)  # 200 epochs stay 200, not 200.0
    rest = [name for name in table.columns if name not in (*first, *keys)]
    return table[[*first, *keys, *rest]]


def _rows(summary: Summary) -> Iterable[dict[str, Any]]:
    group = summary.group
    for entry in summary.entries:
        c = entry.configuration
        yield {
            "group": group.name,
            "dataset": c.dataset,
            "protocol": group.protocol,
            "fingerprint": group.fingerprint,
            "model": c.model,
            "sampler": c.sampler,
            "experiment": c.experiment,
            **{key: value_of(c, key) for key in (*summary.varying.swept, *summary.varying.others)},
            "config_hash": c.config_hash,
            "seeds": c.run_count.seeds if group.num_splits > 1 else len(c.runs),
            "splits": len(c.splits),
            "runs": len(c.runs),
            **_score_cells(c),
            **_comparison_cells(entry),
            **_cost_cells(c),
            **{status: c.statuses.get(status, 0) for status in STATUSES},
        }


def _score_cells(configuration: Configuration) -> dict[str, Any]:
    cells: dict[str, Any] = {}
    for score in SCORES:
        sample = configuration.sample(score)
        interval = sample and interval_of_mean(sample)
        cells |= {
            f"{score}_mean": sample and round(sample.mean, 6),
            f"{score}_std": sample and _round(sample.deviation),
            f"{score}_low": interval and round(interval.low, 6),
            f"{score}_high": interval and round(interval.high, 6),
        }
    return cells


def _comparison_cells(entry: Entry) -> dict[str, Any]:
    difference = entry.difference or Difference(seeds=0)
    interval = difference.interval
    return {
        "best_by_validation": entry.is_best,
        "against_best": entry.verdict,
        "common_seeds": difference.seeds if entry.difference else None,
        "difference": _round(difference.mean),
        "difference_low": interval and round(interval.low, 6),
        "difference_high": interval and round(interval.high, 6),
        "p": _round_p(difference.p),
        "p_holm": _round_p(difference.p_holm),
        "untested": difference.untested,
    }


def _cost_cells(configuration: Configuration) -> dict[str, Any]:
    """Return the costs on the device with the most runs, and count the others."""
    if not configuration.costs:
        return {"device_name": "", "other_devices": 0}
    cost = configuration.costs[0]
    return {
        "epoch_median_s": _round(cost.epoch_s),
        "peak_mib": _round(cost.peak_mib),
        "peak_mib_of": cost.memory,
        "device_name": cost.device_name,
        "other_devices": len(configuration.costs) - 1,
    }


def _round(value: float | None) -> float | None:
    return None if value is None else round(value, 6)


def _round_p(p: float | None) -> float | None:
    return None if p is None else float(f"{p:.3g}")
