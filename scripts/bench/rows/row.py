"""One row of results/bench/*.csv: the columns that most programs share."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeVar

from scripts.bench.timing.alternate import Timing, paired_ratio


@dataclass(frozen=True, kw_only=True)
class Row:
    """One side of one piece of work.

    `ratio`: how many times as long as `reference` the side took in the same round (median, then
    quantiles at 20 and 80 %). `extra_mib`: peak memory beyond what was there before, outputs
    included; `peak_mib`: with it. `output_error`, `gradient_error`: largest difference from float64
    over the largest value. `train_loss`: after as many epochs as every other side of the work.
    `floor_s`: bytes that must move (cases/floors.py) over `copy_gb_s`. Empty: not measured.
    """

    measured_at: str = ""
    program: str
    dataset: str
    nodes: int
    edges: int
    work: str
    side: str
    reference: str
    status: str = "completed"  # completed | oom | timeout | failed
    n: int = 0
    median_s: float | None = None
    low_s: float | None = None
    high_s: float | None = None
    ratio: float | None = None
    ratio_low: float | None = None
    ratio_high: float | None = None
    extra_mib: float | None = None
    peak_mib: float | None = None
    output_error: float | None = None
    gradient_error: float | None = None
    train_loss: float | None = None
    floor_s: float | None = None
    copy_gb_s: float | None = None
    settings: str = ""
    note: str = ""
    device: str = ""
    device_name: str = ""
    num_threads: int = 0
    memory_limit_gib: float | None = None
    torch_version: str = ""
    pyg_version: str = ""
    other_versions: str = ""
    commit: str = ""
    dirty: bool | None = None


AnyRow = TypeVar("AnyRow", bound=Row)


def with_times(row: AnyRow, timing: Timing, reference: Timing | None) -> AnyRow:
    """Fill in the times; `reference` is None if that side has none."""
    if timing.out_of_memory:
        return replace(row, status="oom", note=timing.out_of_memory)
    median, low, high = timing.spread
    row = replace(row, n=len(timing.seconds), median_s=median, low_s=low, high_s=high)
    if reference is None or not reference.seconds or row.side == row.reference:
        return row
    ratio, ratio_low, ratio_high = paired_ratio(timing, reference)
    return replace(row, ratio=ratio, ratio_low=ratio_low, ratio_high=ratio_high)


def describe(row: Row) -> str:
    """Return one line for the terminal."""
    words = [f"{row.work:28} {row.side:18}"]
    if row.median_s is None:
        words.append(f"{row.status} {row.note}".rstrip())
    else:
        words.append(f"{row.median_s:.3g} s [{row.low_s:.3g}, {row.high_s:.3g}] n={row.n}")
    if row.ratio is not None:
        words.append(
            f"{row.ratio:.2f} times {row.reference} [{row.ratio_low:.2f}, {row.ratio_high:.2f}]"
        )
    if row.extra_mib is not None:
        words.append(f"{row.extra_mib:,.0f} MiB more")
    if row.median_s is not None and row.floor_s:
        words.append(f"{row.median_s / row.floor_s:.1f} times the floor")
    if row.output_error is not None:
        words.append(f"error {row.output_error:.1e}")
    if row.gradient_error is not None:
        words.append(f"of gradients {row.gradient_error:.1e}")
    if row.train_loss is not None:
        words.append(f"loss {row.train_loss:.4f}")
    return "  ".join(words)
