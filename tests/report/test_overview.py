"""The overview that a report begins with: groups, their best, what is as good, and verdicts."""

from __future__ import annotations

from typing import Any

import pytest

from redditgnn import CONF_DIR
from redditgnn.config.experiments import Experiments
from redditgnn.config.hashing import hash_of_config
from redditgnn.report.grouping import Material
from redditgnn.report.overview import Overview, overview_lines, overview_of
from redditgnn.report.published import judge_published
from redditgnn.report.summary import summary_of
from redditgnn.verify.target import target_from

CORA = (
    "edges=10556:859f658d features=1433:d95a6e76 labels=7:18ab9c93 split=140/500/1000:2a21689d "
    "protocol=transductive evaluator=exact"
)
MINESWEEPER = (
    "edges=78804:c229c5ab features=7:8511d571 labels=2:f94e9d40 split=5000/2500/2500:83c0bd18 "
    "protocol=transductive evaluator=exact"
)
NOISE = (0.001, -0.002, 0.003, 0.0, -0.001)
EXPERIMENTS = Experiments([CONF_DIR])


def overview(material: Material) -> Overview:
    verdicts = {group.name: judge_published(group, EXPERIMENTS) for group in material.groups}
    return overview_of([summary_of(group) for group in material.groups], verdicts)


def seeds(row: Any, name: str, mean: float, turn: int = 0, **cells: Any) -> list[dict[str, Any]]:
    """Make five runs around `mean`, whose noise is another one for each `turn`."""
    return [
        row(name, seed, round(mean + NOISE[(seed + turn) % 5], 4), **cells) for seed in range(5)
    ]


def test_a_row_names_the_best_and_what_is_within_noise_of_it(material, row):
    rows = [
        *seeds(row, "a", 0.80),
        *seeds(row, "b", 0.7995, 1, model="gcn", sampler="gas", val_micro_f1=0.79),
        *seeds(row, "c", 0.60, 2, model="mlp", val_micro_f1=0.6),
        row("d", 0, 0.70, model="sage", val_micro_f1=0.7),
    ]
    (line,) = overview(material(rows)).rows
    assert line.cells == (
        "toy",
        "gat, full",
        "80.02 \N{PLUS-MINUS SIGN} 0.19 accuracy",
        "5",
        "gcn gas; 1 of 3 undecided",
        "",
    )


def test_what_scores_higher_on_the_test_nodes_is_named(material, row):
    rows = [
        *seeds(row, "a", 0.70, val_micro_f1=0.9),
        *seeds(row, "b", 0.80, 1, model="gcn", val_micro_f1=0.8),
    ]
    (line,) = overview(material(rows)).rows
    assert line.cells[1] == "gat, full"
    assert line.cells[4] == "none; higher: gcn full"


def test_names_after_the_third_are_counted(material, row):
    rows = seeds(row, "best", 0.80)
    for turn, model in enumerate(("a", "b", "c", "d", "e")):
        rows += seeds(row, model, 0.8, turn + 1, model=model, val_micro_f1=0.7 - turn / 100)
    (line,) = overview(material(rows)).rows
    assert line.cells[4] == "a full, b full, c full, 2 more"


def test_a_model_has_the_score_of_its_best_configuration_by_validation(material, row):
    rows = [
        *seeds(row, "a", 0.80),
        *seeds(row, "b", 0.79, model="gcn", val_micro_f1=0.70),
        *seeds(row, "c", 0.60, 1, model="gcn", sampler="gas", val_micro_f1=0.71),
        row("d", 0, 0.5, model="mlp", dataset="other", fingerprint="edges=1"),
    ]
    table = overview(material(rows))
    assert table.models == ["gat", "gcn", "mlp"]
    scores = {line.name: [score.text[:5] for score in line.scores] for line in table.rows}
    assert scores == {"other": ["", "", "50.00"], "toy": ["80.02", "60.02", ""]}
    best = {line.name: [score.is_best for score in line.scores] for line in table.rows}
    assert best == {"other": [False, False, True], "toy": [True, False, False]}


def test_a_group_without_a_completed_run_says_so(material, row):
    table = overview(material([row("a", 0, None, status="failed")]))
    assert table.models == []
    assert table.rows[0].cells == ("toy", "no completed run", "", "", "", "")


@pytest.mark.parametrize(
    ("mean", "verdict"),
    [(0.83, "1 REPRODUCED"), (0.90, "1 ABOVE"), (0.70, "1 BELOW (cora_gat)")],
)
def test_a_published_number_has_the_verdict_of_verify(mean, verdict, material, row):
    config_hash = hash_of_config(EXPERIMENTS.compose("cora_gat")[0])
    cells = {"experiment": "cora_gat", "fingerprint": CORA}
    rows = seeds(row, "a", mean, config_hash=config_hash, **cells)
    (line,) = overview(material(rows)).rows
    assert line.cells[5] == verdict


def test_runs_of_other_settings_or_data_get_no_verdict(material, row):
    config_hash = hash_of_config(EXPERIMENTS.compose("cora_gat")[0])
    rows = [
        *seeds(row, "changed", 0.83, experiment="cora_gat", fingerprint=CORA),
        *seeds(row, "data", 0.83, experiment="cora_gat", config_hash=config_hash),
    ]
    assert [line.cells[5] for line in overview(material(rows)).rows] == ["", ""]


def test_of_an_error_what_scores_lower_on_the_test_nodes_is_named(material, row):
    settings = {"trainer.monitor": "val_ece"}
    rows = [
        *(row("a", s, val_ece=0.1, test_ece=0.3 + s / 100, settings=settings) for s in range(5)),
        *(
            row("b", s, model="gcn", val_ece=0.2, test_ece=0.1 + s / 50, settings=settings)
            for s in range(5)
        ),
    ]
    (line,) = overview(material(rows)).rows
    assert line.cells[1:3] == ("gat, full", "32.00 \N{PLUS-MINUS SIGN} 1.58 calibration error")
    assert line.cells[4] == "none; lower: gcn full"


def test_a_number_over_splits_without_runs_on_all_of_them_is_incomplete(material, row):
    name, target = "minesweeper_gcn", target_from(EXPERIMENTS.target("minesweeper_gcn"), "")
    hashes = target.config_hashes(EXPERIMENTS.compose(name)[0])
    cells = {"experiment": name, "fingerprint": MINESWEEPER, "test_roc_auc": 0.9}
    rows = [row(text, 0, config_hash=text, **cells) for text in hashes[:9]]
    (line,) = overview(material(rows)).rows
    assert line.cells[5] == "1 INCOMPLETE (minesweeper_gcn)"


def test_printed_columns_are_aligned(material, row):
    rows = [row("a", 0), row("b", 0, dataset="another", fingerprint="edges=1", sampler="saint")]
    head, *lines = overview_lines(overview(material(rows)))
    assert head.startswith("data     best by validation  test score, %")
    assert [line.index("gat, ") for line in lines] == [head.index("best")] * 2
    assert [line.index("80.00") for line in lines] == [head.index("test")] * 2
