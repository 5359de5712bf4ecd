"""Rows that differ only in split and seed are one configuration, and no others are."""

from __future__ import annotations

import json
from typing import Any

import pytest

from redditgnn.record.splits import RunCount, split_columns


def row(number: int = 0, part: str = "", **cells: Any) -> dict[str, Any]:
    """A row on the public split of this number."""
    settings = {"dataset.split": "public", "dataset.split_index": number, "dataset.split_seed": 0}
    settings |= {"model.heads": 1, **cells.pop("settings", {})}
    part = part or f"6/2/2:{number:08d}"
    return {
        "run_id": "r",
        "protocol": "transductive",
        "dataset": "toy",
        "model": "gat",
        "sampler": "full",
        "config_hash": f"hash-{sorted(settings.items())}",
        "fingerprint": f"edges=9:aaaaaaaa split={part} protocol=transductive evaluator=exact",
        "hyperparameters": json.dumps(settings),
        **cells,
    }


def drawn(seed: int, part: str, **settings: Any) -> dict[str, Any]:
    chosen = {"dataset.split": "random", "dataset.split_index": 0, "dataset.split_seed": seed}
    return row(part=part, settings=chosen | settings)


def configurations(*rows: dict[str, Any]) -> list[int]:
    """Number the configurations of the rows in the order in which they occur."""
    names = list(split_columns(rows).configuration)
    return [list(dict.fromkeys(names)).index(name) for name in names]


def test_splits_of_unequal_sizes_are_one_configuration():
    assert configurations(row(0, "6/2/2:a"), row(1, "5/3/2:b"), row(0, "6/2/2:a")) == [0, 0, 0]


def test_drawn_splits_of_one_rule_are_one_configuration():
    assert configurations(drawn(0, "6/2/2:a"), drawn(1, "6/2/2:b")) == [0, 0]


@pytest.mark.parametrize(
    "other",
    [
        row(1, settings={"model.heads": 8}),
        row(1, model="gatv2"),
        row(1, protocol="inductive"),
        row(1, fingerprint="edges=9:bbbbbbbb split=6/2/2:b"),
        drawn(1, "6/2/2:b"),
        row(1, settings={"dataset.normalize_features": True}),
    ],
    ids=["setting", "model", "protocol", "data", "rule", "dataset setting"],
)
def test_rows_that_differ_in_more_than_the_split_are_two_configurations(other):
    assert configurations(row(0), other) == [0, 1]


def test_drawn_splits_of_other_sizes_are_two_configurations():
    assert configurations(drawn(0, "6/2/2:a"), drawn(1, "4/4/2:b")) == [0, 1]


def test_nothing_is_put_together_if_one_number_stands_for_two_splits():
    rows = [row(0, "6/2/2:a"), row(1, "6/2/2:b"), row(0, "6/2/2:c")]
    assert configurations(*rows) == [0, 1, 2]
    assert list(split_columns(rows).data) == [one["fingerprint"] for one in rows]


def test_a_difference_that_only_the_hash_shows_keeps_rows_apart():
    assert configurations(row(0), row(0, config_hash="other code")) == [0, 1]


def test_settings_that_no_hash_contains_do_not_part_rows():
    later = row(1, settings={"trainer.max_time": None, "trainer.checkpoint_every": 5})
    assert configurations(row(0), later) == [0, 0]


def test_an_older_fingerprint_is_never_put_together():
    old = {"fingerprint": "f4a60c4618d706e9-transductive"}
    assert configurations(row(0, **old), row(1)) == [0, 1]


@pytest.mark.parametrize(
    ("runs", "begun", "text", "words"),
    [
        (3, [("a", 0), ("a", 1), ("a", 2)], "3", ""),
        (2, [("a", 0), ("b", 0)], "2 x 1", "2 splits x 1 seed"),
        (
            3,
            [("a", 0), ("b", 0), ("a", 1), ("b", 1)],
            "2 x 2 (3 of 4)",
            "2 splits x 2 seeds (3 of 4)",
        ),
        (3, [("a", 0), ("b", 0), ("a", 1)], "2 x 2 (3 of 4)", "2 splits x 2 seeds (3 of 4)"),
        (2, [("a", 0), ("b", 1)], "2 x 1", "2 splits x 1 seed"),
    ],
)
def test_an_incomplete_grid_of_splits_and_seeds_is_told(runs, begun, text, words):
    count = RunCount.of(runs, begun)
    assert (str(count), count.in_words) == (text, words)
