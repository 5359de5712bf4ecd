"""The output of `train --profile`: where the seconds of a step go, and how near the machine is."""

from __future__ import annotations

from collections.abc import Iterator

from redditgnn.command.doctor import align_columns
from redditgnn.config.settings import Settings
from redditgnn.run.profile import EVALUATION, PhaseCost, Profile, profile_run

MOST_OPERATORS = 10
LEAST_SHARE = 0.01  # of a phase: an operator below is not listed
NONE = "-"
HEADER = ("phase", "seconds", "of step", "GFLOP", "of peak", "GB", "of bandwidth")


def describe_profile(settings: Settings) -> str:
    """Profile the run of `settings`, and describe what it spends.

    Raises:
        UserError: see `profile_run`.
    """
    profiled = profile_run(settings)
    peaks = profiled.peaks
    lines = [
        f"one step (mean of {profiled.num_steps} after warm-up), and one evaluation",
        align_columns([HEADER, *_phase_rows(profiled)]),
        f"this machine multiplies at {peaks.flop / 1e9:,.1f} GFLOP/s, and copies at "
        f"{peaks.bytes / 1e9:,.1f} GB/s",
    ]
    for name, cost in profiled.phases.items():
        lines += ["", *_operator_lines(name, cost, profiled.count(name))]
    return "\n".join([*lines, "", f"trace, for ui.perfetto.dev: {profiled.trace}"])


def _phase_rows(profiled: Profile) -> Iterator[tuple[str, ...]]:
    """Give what each phase takes of a step, and how near it is to what the machine can do."""
    step_s = sum(c.seconds for name, c in profiled.phases.items() if name != EVALUATION)
    for name, cost in profiled.phases.items():
        count = profiled.count(name)
        share = NONE if name == EVALUATION else f"{cost.seconds / step_s:.0%}"
        yield (
            name,
            f"{cost.seconds / count:.4f}",
            share,
            *_amount(cost.flop / count, cost.flop / cost.seconds / profiled.peaks.flop),
            *_amount(cost.bytes / count, cost.bytes / cost.seconds / profiled.peaks.bytes),
        )


def _amount(number: float, share: float) -> tuple[str, str]:
    return (f"{number / 1e9:.3g}", f"{share:.0%}") if number else (NONE, NONE)


def _operator_lines(name: str, cost: PhaseCost, count: int) -> list[str]:
    """List the most expensive operators of a phase that was profiled `count` times."""
    total = sum(seconds for seconds, _ in cost.operators.values())
    largest = sorted(cost.operators.items(), key=lambda item: -item[1][0])[:MOST_OPERATORS]
    rows = [
        (
            f"{seconds / total:4.0%}",
            f"{seconds / count:.4f} s",
            f"{calls / count:g} calls",
            operator,
        )
        for operator, (seconds, calls) in largest
        if seconds > LEAST_SHARE * total
    ]
    return [f"{name}: most expensive operators", align_columns(rows)] if rows else []
