"""The overview of a report: the best configuration of each group, what is as good, verdicts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, get_args

from redditgnn.report.cells import mean_and_spread, score_name
from redditgnn.report.noise import HIGHER, LOWER, WITHIN_NOISE
from redditgnn.report.published import Judgement
from redditgnn.report.summary import BEST, Entry, Summary
from redditgnn.verify.target import INCOMPLETE
from redditgnn.verify.verdict import Name

MOST_NAMES = 3  # in a list
ALMOST_EQUAL = "\N{ALMOST EQUAL TO}"
TITLES = ("data", "best by validation", "test score, %", "n", "within noise of it", "published")
EXPLANATION = (
    "A row for each group of equal data and protocol; scores of different rows do not compare. The "
    "best has the best mean validation score in the metric that all runs of the group monitor, "
    "micro-F1 if they monitor the loss or differ. What the runs do not distinguish from it is "
    "within noise. Higher is what scores more on the test nodes, which choose nothing; of an error "
    "lower is named. Published numbers have the verdicts of redditgnn verify."
)
MATRIX_EXPLANATION = (
    "Test scores in percent of the best configuration of each model by validation: the best of a "
    f"group in bold, those within noise of it with {ALMOST_EQUAL}."
)


class ModelScore(NamedTuple):
    """The test score of the best configuration of a model by validation, and its comparison."""

    text: str
    verdict: str

    @property
    def is_best(self) -> bool:
        """Whether the configuration is the best of its group."""
        return self.verdict == BEST

    @property
    def is_within_noise(self) -> bool:
        """Whether the runs do not distinguish the configuration from the best of its group."""
        return self.verdict == WITHIN_NOISE


class OverviewRow(NamedTuple):
    """A group; `cells` belong to `TITLES`, and `scores` has a cell for each model, '' if none."""

    name: str
    cells: tuple[str, ...]
    scores: list[ModelScore]


class Overview(NamedTuple):
    """All groups of a report, and the models that occur in them."""

    models: list[str]
    rows: list[OverviewRow]


def overview_of(
    summaries: Sequence[Summary], verdicts: Mapping[str, Mapping[str, Judgement]]
) -> Overview:
    """Summarise all groups; `verdicts` has those of each group by experiment."""
    models = sorted({c.model for summary in summaries for c in summary.group.scored})
    rows = [_build_row(summary, models, verdicts[summary.group.name]) for summary in summaries]
    return Overview(models, rows)


def overview_lines(overview: Overview) -> Iterator[str]:
    """Yield the rows as aligned lines of text, with a head."""
    table = [TITLES, *(row.cells for row in overview.rows)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for cells in table:
        padded = (f"{cell:{width}}" for cell, width in zip(cells, widths, strict=True))
        yield "  ".join(padded).rstrip()


def _build_row(
    summary: Summary, models: Sequence[str], verdicts: Mapping[str, Judgement]
) -> OverviewRow:
    entries = [entry for entry in summary.entries if len(entry.configuration.runs)]
    best = next((entry for entry in entries if entry.is_best), None)
    cells = (
        summary.group.name,
        _describe_best(best, bool(entries)),
        _describe_score(summary, best),
        str(best.configuration.run_count) if best else "",
        _describe_noise(
            [entry for entry in entries if best and entry is not best],
            HIGHER if summary.group.metric.higher_is_better else LOWER,
        ),
        _describe_verdicts(verdicts),
    )
    scores = [_model_score(summary, entries, model) for model in models]
    return OverviewRow(summary.group.name, cells, scores)


def _describe_best(best: Entry | None, has_scores: bool) -> str:
    if best is None:
        return "no validation score" if has_scores else "no completed run"
    return ", ".join(best.configuration.names)


def _describe_score(summary: Summary, best: Entry | None) -> str:
    if best is None:
        return ""
    score = mean_and_spread(best.configuration.sample(summary.group.test_score))
    return f"{score} {score_name(summary.group)}"


def _describe_noise(others: Sequence[Entry], better: str) -> str:
    """Name the models and samplers within noise of the best or better, and count the undecided."""
    if not others:
        return ""
    within, ahead = (
        [" ".join(entry.configuration.names) for entry in others if entry.verdict == verdict]
        for verdict in (WITHIN_NOISE, better)
    )
    decided = (WITHIN_NOISE, HIGHER, LOWER)
    undecided = sum(entry.verdict not in decided for entry in others)
    texts = [
        _shorten(within) or "none",
        f"{better}: {_shorten(ahead)}" if ahead else "",
        f"{undecided} of {len(others)} undecided" if undecided else "",
    ]
    return "; ".join(filter(None, texts))


def _describe_verdicts(verdicts: Mapping[str, Judgement]) -> str:
    """Count verdicts, and name the experiments of those that are not met."""
    texts = []
    for judgement in sorted(set(verdicts.values()), key=_order_of_verdict):
        names = [experiment for experiment, other in verdicts.items() if other == judgement]
        note = "" if judgement.is_met else f" ({_shorten(names)})"
        texts.append(f"{len(names)} {judgement.name}{note}")
    return ", ".join(texts)


def _order_of_verdict(judgement: Judgement) -> tuple[int, str]:
    return (*get_args(Name), INCOMPLETE).index(judgement.name.partition(" ")[0]), judgement.name


def _shorten(names: Iterable[str]) -> str:
    """List different names, at most `MOST_NAMES` of them."""
    unique = list(dict.fromkeys(names))
    more = [f"{len(unique) - MOST_NAMES} more"] if len(unique) > MOST_NAMES else []
    return ", ".join([*unique[:MOST_NAMES], *more])


def _model_score(summary: Summary, entries: Sequence[Entry], model: str) -> ModelScore:
    """Return the first entry of `model`: the best by validation come first."""
    for entry in entries:
        if entry.configuration.model == model:
            sample = entry.configuration.sample(summary.group.test_score)
            return ModelScore(mean_and_spread(sample), entry.verdict)
    return ModelScore("", "")
