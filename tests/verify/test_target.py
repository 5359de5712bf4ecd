"""A target is data: every field is checked, and it knows which data it is of."""

from __future__ import annotations

from typing import Any

import pytest

from redditgnn import CONF_DIR
from redditgnn.config.experiments import Experiments
from redditgnn.errors import ConfigError
from redditgnn.graph.fingerprint import Fingerprint
from redditgnn.verify.target import RECALLED, target_from
from redditgnn.verify.verdict import Sample, judge

VALUES = {
    "metric": "test_accuracy",
    "percent": 79,
    "spread": 0.3,
    "runs": 100,
    "source": "A et al., table 2",
    "trust": "V",
    "fingerprint": {"edges": 88648, "split": "60/500/1000"},
}
OURS = Experiments([CONF_DIR])
TARGETS = {name: OURS.target(name) for name in OURS.names if OURS.target(name) is not None}


def without(field: str) -> dict[str, Any]:
    return {name: value for name, value in VALUES.items() if name != field}


def test_a_target_is_a_published_sample() -> None:
    assert target_from(VALUES, "e").published == Sample(79.0, 0.3, 100)
    unknown = target_from({**VALUES, "spread": None, "runs": None}, "e")
    assert unknown.published == Sample(79.0, None, None)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (None, "target must map metric, percent, .* to values, got None"),
        ("79.0", "target must map metric, percent, .* to values, got '79.0'"),
        (without("runs"), "target.runs is missing; spread and runs are null where not published"),
        ({**VALUES, "metric": "auc"}, "target.metric must be one of test_accuracy, .*, got 'auc'"),
        ({**VALUES, "percent": 0.79e3}, r"target.percent must be in \(0, 100\], got 790.0"),
        ({**VALUES, "percent": "79"}, "target.percent must be a number, got '79'"),
        ({**VALUES, "spread": 0.0}, "target.spread must be positive or null, got 0.0; where the"),
        ({**VALUES, "runs": 1.5}, "target.runs must be int or null, got 1.5"),
        ({**VALUES, "runs": 0}, "target.runs must be positive, got 0"),
        ({**VALUES, "runs": 1}, "target.spread cannot be of target.runs=1; null is not known"),
        ({**VALUES, "source": " "}, "target.source must say who published it"),
        ({**VALUES, "trust": "W"}, "target.trust must be V or S or R or D, got 'W'"),
        ({**VALUES, "fingerprint": {}}, "target.fingerprint must name a part such as edges"),
        ({**VALUES, "fingerprint": {"edgs": 3}}, "fingerprint: there is no part 'edgs'; the parts"),
        ({**VALUES, "fingerprint": None}, "target.fingerprint must be "),
        ({**VALUES, "sd": 3}, "target.sd: there is no such key of Target"),
    ],
)
def test_a_field_that_cannot_be_is_refused_in_one_line(values: object, message: str) -> None:
    with pytest.raises(ConfigError, match=f"^experiment=e: {message}") as raised:
        target_from(values, "e")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(("runs", "seeds"), [(None, 10), (3, 10), (20, 20), (15, 15), (100, 20)])
def test_as_many_seeds_as_were_published_from_ten_to_twenty(runs: int | None, seeds: int) -> None:
    assert target_from({**VALUES, "runs": runs}, "e").num_seeds == seeds


def test_the_other_reddit_is_another_graph() -> None:
    reddit = Fingerprint.of({"edges": "114615892:12345678", "split": "153431/23831/55703:12345678"})
    parts = {"edges": 23213838, "split": "153932/23699/55334"}
    edges, split = target_from({**VALUES, "fingerprint": parts}, "e").differences(reddit)
    assert "114,615,892 edges" in edges
    assert "23,213,838 edges" in edges
    assert "153932/23699/55334" in split


def test_a_recalled_number_gets_no_verdict() -> None:
    verdict = judge(Sample(60.0, 0.1, 10), Sample(79.0, 0.3, 100))
    assert target_from(VALUES, "e").describe(verdict) == "BELOW"
    assert target_from({**VALUES, "trust": "R"}, "e").describe(verdict) == RECALLED


def test_a_verdict_on_an_error_says_which_side_is_better() -> None:
    target = target_from({**VALUES, "metric": "test_ece"}, "e")
    below, above = (judge(Sample(ours, 0.1, 20), Sample(79.0, 0.3, 100)) for ours in (70.0, 90.0))
    assert target.describe(below) == "BELOW (better)"
    assert target.describe(above) == "ABOVE (worse)"


def test_a_number_over_splits_gets_no_verdict_while_some_have_no_run() -> None:
    verdict = judge(Sample(79.0, 0.3, 10), Sample(79.0, 0.3, 10))
    target = target_from({**VALUES, "splits": 10}, "e")
    assert target.describe(verdict, 7) == "INCOMPLETE: 3 of 10 splits have no completed run"
    assert not target.is_met_by(verdict, 7)
    assert target.is_met_by(verdict, 10)
    assert target.describe(verdict, 10) == "REPRODUCED"


@pytest.mark.parametrize("name", TARGETS)
def test_a_target_of_ours_is_of_the_data_of_its_experiment(name: str) -> None:
    settings, composed = OURS.compose(name)
    assert composed == TARGETS[name]
    target = target_from(composed, name)
    expected = settings.components["dataset"].get("expected") or {}
    counts = {"edges": "num_edges", "features": "num_features", "labels": "num_classes"}
    for part, key in counts.items():
        if key in expected and part in target.fingerprint:
            value = str(target.fingerprint[part]).partition(":")[0]
            assert value == str(expected[key]), f"{name}: target.fingerprint.{part}"


@pytest.mark.parametrize(("metric", "is_met"), [("test_ece", True), ("test_roc_auc", False)])
def test_a_lower_calibration_error_than_the_published_one_is_met(metric: str, is_met: bool) -> None:
    verdict = judge(Sample(70.0, 0.1, 20), Sample(79.0, 0.3, 100))
    assert target_from({**VALUES, "metric": metric}, "e").is_met_by(verdict) is is_met
