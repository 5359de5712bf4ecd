"""A sweep over splits: all that the files have, one line a configuration, a mean to search by."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from redditgnn import cli
from redditgnn.config.compose import compose_settings
from redditgnn.config.splits import with_split
from redditgnn.errors import ConfigError
from redditgnn.sweep.plan import Job, Planner
from redditgnn.sweep.protocol import Outcome
from redditgnn.sweep.search import Search
from redditgnn.sweep.splits import count_splits
from redditgnn.sweep.summary import Result, format_table

ACTOR = ("dataset=actor", "sampler=full")


def fingerprint(job: Job) -> str:
    number = job.split.number
    return f"edges=9:aaaaaaaa split=6/2/2:{number:08d} protocol=transductive evaluator=exact"


def completed(job: Job, score: float) -> Outcome:
    row = {"status": "completed", "val_micro_f1": str(score), "test_micro_f1": str(score)}
    row |= {"fingerprint": fingerprint(job), "epoch_median_s": "1", "peak_rss_mib": "1"}
    return Outcome(status="completed", row=row)


def table(scores: dict[str, list[float | None]]) -> list[str]:
    """Format the table of models with a score on each split; None ran out of memory."""
    jobs = Planner([*ACTOR, f"model={','.join(scores)}", "dataset.split_index=range(3)"]).jobs()
    results = []
    for job in jobs:
        score = scores[job.values["model"]][job.split.number]
        outcome = Outcome(status="oom", code=3) if score is None else completed(job, score)
        results.append(Result(job, outcome))
    return [" ".join(line.split()) for line in format_table(results)]


def test_the_dataset_says_how_many_splits_its_files_have(three_splits):
    settings = compose_settings(three_splits)
    assert count_splits(settings) == 3
    found = Planner([*three_splits, "dataset.split_index=all", "seed=0,1"]).jobs()
    assert [(job.split.number, job.settings.seed) for job in found] == [
        *((0, 0), (1, 0), (2, 0), (0, 1), (1, 1), (2, 1))
    ]


def test_a_dataset_that_does_not_say_how_many_splits_it_has_is_refused(three_splits, monkeypatch):
    monkeypatch.setattr("redditgnn.sweep.splits.conversion_facts", lambda graph: {})
    with pytest.raises(ConfigError, match=r"does not say how many .*split_index='range\(10\)'"):
        count_splits(compose_settings(three_splits))


@pytest.mark.parametrize("command", ["train", "data"])
def test_all_splits_are_refused_where_there_is_one_run(command, three_splits, capsys):
    chosen = [text for text in three_splits if command == "train" or "results_dir" not in text]
    assert cli.main([command, *chosen, "dataset.split_index=all"]) == 2
    error = capsys.readouterr().err
    assert "dataset.split_index=all is a run on each split, not one run: add -m" in error
    assert error.count("\n") == 1


def test_a_line_of_the_table_is_a_mean_over_splits():
    head, gcn, mlp, _, words = table({"gcn": [0.1, 0.2, 0.3], "mlp": [0.5, 0.6, 0.7]})
    assert "split_index" not in head
    assert gcn.startswith("gcn 3 x 1 0.2000 +- 0.1000")
    assert mlp.startswith("* mlp 3 x 1 0.6000 +- 0.1000")
    assert "over all runs of 3 splits x 1 seed" in words


def test_a_configuration_without_some_splits_is_told_and_never_the_best():
    _, gcn, mlp, *_ = table({"gcn": [0.1, 0.2, 0.3], "mlp": [0.9, None, 0.9]})
    assert mlp.startswith("mlp 3 x 1 (2 of 3)")
    assert gcn.startswith("* gcn")


def test_a_trial_of_a_search_scores_its_mean_over_splits_and_seeds():
    optuna = pytest.importorskip("optuna")
    repeated = ["dataset.split_index=0,1", "seed=0,1", "model.dropout=interval(0,0.5)"]
    search = Search(Planner([*ACTOR, *repeated, "sweep.search=optuna", "sweep.trials=2"]))
    assert len(search.corners()) == 4 + 1
    assert search.num_jobs == 2 * 4
    search.start([], lambda job: None)
    jobs = list(search.jobs())
    assert [job.number for job in jobs] == list(range(1, 9))
    for job in jobs[:3]:
        search.learn(job, completed(job, 0.1 * job.number))
    assert search._study.trials[0].state == optuna.trial.TrialState.RUNNING
    search.learn(jobs[3], completed(jobs[3], 0.4))
    assert search._study.trials[0].value == pytest.approx(0.25)
    for job in jobs[4:]:
        search.learn(job, Outcome(status="oom", code=3) if job is jobs[5] else completed(job, 0.9))
    assert search._study.trials[1].state == optuna.trial.TrialState.PRUNED


def test_a_trial_that_lacks_a_split_is_proposed_again_first():
    pytest.importorskip("optuna")
    swept = ["dataset.split_index=0,1", "model.dropout=interval(0,0.5)", "model.norm=null,batch"]
    search = Search(Planner([*ACTOR, *swept, "sweep.search=optuna", "sweep.trials=3"]))
    search.corners()
    done = Planner([*ACTOR, "model.dropout=0.25", "dataset.split_index=0,1"]).jobs()
    partly = Planner([*ACTOR, "model.dropout=0.125", "dataset.split_index=0"]).jobs()
    rows = {job.config_hash: row_of(job) for job in [*done, *partly]}
    known = search.start(list(rows.values()), lambda job: rows.get(job.config_hash))
    assert [result.job.config_hash for result in known] == [job.config_hash for job in done]
    jobs = list(search.jobs())
    assert len(jobs) == 2 * 2  # one trial is known
    assert jobs[0].config_hash == partly[0].config_hash


def row_of(job: Job) -> dict[str, Any]:
    from redditgnn.run.row import hyperparameters

    row = completed(job, 0.5).row
    settings = hyperparameters(job.settings, job.settings.components)
    return {**row, "config_hash": job.config_hash, "seed": "0", "hyperparameters": settings}


def test_a_split_is_chosen_by_the_key_that_numbers_it():
    public, drawn = (
        job.settings for job in Planner([*ACTOR, "dataset.split=public,random"]).jobs()
    )
    assert with_split(public, 3).components["dataset"]["split_index"] == 3
    assert with_split(drawn, 3).components["dataset"]["split_seed"] == 3
    only = compose_settings(["dataset=sbm", "sampler=full"])
    assert with_split(only, 3) == replace(only)
