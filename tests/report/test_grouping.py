"""Rows become configurations, and configurations groups that may be compared."""

from __future__ import annotations

import pytest

from redditgnn.errors import DataError
from redditgnn.report.settings import swept_pairs, varying_keys

DATA = "edges=10:aaaaaaaa features=3:bbbbbbbb protocol=transductive evaluator=exact"
ERRORS = {"a": 0.3, "b": 0.1}
OTHER = "edges=12:cccccccc features=3:bbbbbbbb protocol=transductive evaluator=exact"


def test_other_data_or_another_protocol_is_another_group(material, row):
    rows = [
        row("a", 0),
        row("a", 1, fingerprint=OTHER),
        row("a", 2, protocol="inductive"),
        row("b", 0, dataset="other", fingerprint="edges=1"),
    ]
    groups = material(rows).groups
    assert [len(group.configurations[0].runs) for group in groups] == [1, 1, 1, 1]
    names = [group.name for group in groups]
    assert names[0] == "other"
    assert len(set(names)) == 4
    assert all(name.startswith("toy-") for name in names[1:])


def test_of_a_seed_the_first_completed_run_counts(material, row):
    rows = [
        row("a", 0, None, status="failed", run_id="r0"),
        row("a", 0, 0.7, run_id="r1"),
        row("a", 0, 0.9, run_id="r2"),
    ]
    (configuration,) = material(rows).groups[0].configurations
    assert configuration.by_run("test_micro_f1") == {("", "0"): 0.7}
    assert configuration.statuses == {"failed": 1, "completed": 2}


def test_a_run_that_was_interrupted_and_continued_is_one_run(material, row):
    rows = [
        row("a", 0, None, status="interrupted", run_id="r"),
        row("a", 0, 0.7, run_id="r"),
    ]
    assert material(rows).groups[0].statuses == {"completed": 1}


def test_a_run_that_failed_before_its_data_is_counted_with_its_configuration(material, row):
    early = {"test": None, "status": "oom", "fingerprint": ""}
    found = material([row("a", 0), row("a", 1, **early), row("b", 0, **early)])
    assert found.groups[0].statuses == {"completed": 1, "oom": 1}
    assert found.ungrouped == {"oom": 1}


def test_the_best_is_chosen_by_validation_never_by_test(material, row):
    rows = [row("a", 0, 0.9, val_micro_f1=0.5), row("b", 0, 0.6, val_micro_f1=0.8)]
    assert material(rows).groups[0].best.config_hash == "hash-b"


def test_costs_of_two_devices_are_kept_apart(material, row):
    rows = [
        row("a", 0),
        row("a", 1, device_name="GPU", peak_cuda_allocated_mib=90, epoch_median_s=0.1),
        row("a", 2, epoch_median_s=0.7),
    ]
    first, second = material(rows).groups[0].configurations[0].costs
    assert (first.device_name, first.epoch_s, first.memory) == ("Some CPU", 0.6, "RSS")
    assert (second.peak_mib, second.memory) == (90, "CUDA")


@pytest.mark.parametrize(
    ("cells", "place"),
    [
        ({"num_threads": 1}, "Some CPU, 1 thread"),
        ({"num_threads": 2, "kernels_backend": "auto"}, "Some CPU, 2 threads"),
        (
            {"num_threads": 2, "kernels_backend": "torch"},
            "Some CPU, 2 threads, kernels.backend=torch",
        ),
    ],
)
def test_seconds_of_other_threads_and_kernels_are_kept_apart(cells, place, material, row):
    rows = [row("a", seed, **{"device": "cpu", **cells}) for seed in (0, 1)]
    rows.append(row("a", 2, device="cpu", epoch_median_s=9.0))
    costs = material(rows).groups[0].configurations[0].costs
    assert [(cost.device_name, cost.runs, cost.epoch_s) for cost in costs] == [
        (place, 2, 0.5),
        ("Some CPU", 1, 9.0),
    ]


def test_threads_of_the_cpu_do_not_part_the_runs_of_a_gpu(material, row):
    gpu = {"device": "cuda", "device_name": "GPU"}
    rows = [row("a", seed, num_threads=seed + 1, **gpu) for seed in (0, 1)]
    assert [cost.device_name for cost in material(rows).groups[0].configurations[0].costs] == [
        "GPU"
    ]


def test_columns_that_an_older_version_did_not_write_are_empty(material, row):
    old = row("a", 0)
    for name in ("run_id", "device_name", "peak_rss_mib", "hyperparameters", "val_micro_f1"):
        del old[name]
    group = material([old]).groups[0]
    assert group.best is None
    assert group.configurations[0].costs[0].peak_mib is None


@pytest.mark.parametrize(
    ("cells", "text"),
    [
        ({"test_micro_f1": ""}, "completed and has no test_micro_f1; remove that row"),
        ({"peak_rss_mib": "much"}, "column peak_rss_mib of runs.csv"),
        ({"hyperparameters": "{"}, "hyperparameters of run run-a-0 are not a JSON object"),
        ({"hyperparameters": "[1]"}, "hyperparameters of run run-a-0 are not a JSON object"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_cell_edited_by_hand_is_named(material, row, cells, text):
    with pytest.raises(DataError, match=text.replace("(", r"\(")):
        material([row("a", 0, **cells)])


def test_settings_that_names_tell_are_kept_apart_from_swept_ones(material, row):
    rows = [
        row("a", 0, settings={"model.heads": 1}),
        row("b", 0, settings={"model.heads": 8}),
        row("c", 0, model="gcn", settings={"model.norm": "batch"}),
    ]
    swept, others = varying_keys(material(rows).groups[0].configurations)
    assert (swept, others) == (["model.heads"], ["model.norm"])


def test_only_numbers_that_were_crossed_are_a_sweep(material, row):
    together = [
        row(f"{n}", 0, settings={"model.heads": n, "model.dropout": n / 10}) for n in (1, 2, 3)
    ]
    assert swept_pairs(material(together).groups[0].configurations) == []
    crossed = [
        row(f"{heads}-{dropout}", 0, settings={"model.heads": heads, "model.dropout": dropout})
        for heads in (1, 2)
        for dropout in (0.1, 0.2)
    ]
    pairs = swept_pairs(material(crossed).groups[0].configurations)
    assert pairs == [("model.dropout", "model.heads")]


def on_split(row, name, number, test, seed=0, **cells):
    settings = {
        "dataset.split": "public",
        "dataset.split_index": number,
        **cells.pop("settings", {}),
    }
    data = DATA.replace("features", f"split=6/2/2:{number:08d} features")
    return row(
        f"{name}-{number}", seed, test, model=name, fingerprint=data, settings=settings, **cells
    )


def test_all_splits_of_a_dataset_are_one_group_that_says_how_many(material, row):
    rows = [on_split(row, name, number, 0.5) for name in ("gat", "gcn") for number in range(3)]
    (group,) = material(rows).groups
    assert group.name == "toy, 3 splits"
    assert [str(c.run_count) for c in group.configurations] == ["3 x 1", "3 x 1"]
    assert "split=6/2/2 " in group.fingerprint


def test_one_split_that_is_not_the_first_is_named(material, row):
    assert [group.name for group in material([on_split(row, "gat", 4, 0.5)]).groups] == [
        "toy, split 4"
    ]


def test_runs_are_paired_by_split_and_seed(material, row):
    rows = [
        on_split(row, "gat", number, 0.1 * number, seed) for number in (1, 2) for seed in (0, 1)
    ]
    (configuration,) = material(rows).groups[0].configurations
    assert configuration.by_run("test_micro_f1") == {
        ("6/2/2:00000001", "0"): 0.1,
        ("6/2/2:00000001", "1"): 0.1,
        ("6/2/2:00000002", "0"): 0.2,
        ("6/2/2:00000002", "1"): 0.2,
    }


def test_what_lacks_a_split_is_never_the_best(material, row):
    rows = [on_split(row, "gcn", number, 0.5) for number in range(3)]
    rows += [on_split(row, "gat", number, 0.9) for number in range(2)]
    rows += [on_split(row, "gat", 2, None, status="oom")]
    group = material(rows).groups[0]
    assert group.best.model == "gcn"
    assert str(group.configurations[1].run_count) == "3 x 1 (2 of 3)"


def monitored(row, name, seed, metric, **scores):
    """Make a run that monitors `metric`, with scores of validation and test nodes."""
    cells = {f"{split}_{metric}": score for split, score in scores.items()}
    return row(name, seed, settings={"trainer.monitor": f"val_{metric}"}, **cells)


def test_the_best_of_a_group_is_by_the_metric_that_its_runs_monitor(material, row):
    rows = [monitored(row, "a", 0, "roc_auc", val=0.7, test=0.7)]
    rows += [monitored(row, "b", 0, "roc_auc", val=0.9, test=0.9) | {"val_micro_f1": 0.1}]
    group = material(rows).groups[0]
    assert (group.metric.name, group.best.config_hash) == ("roc_auc", "hash-b")
    assert group.main_metrics == {"roc_auc"}


def test_of_an_error_the_lowest_is_the_best(material, row):
    rows = [monitored(row, name, 0, "ece", val=error, test=error) for name, error in ERRORS.items()]
    assert [c.config_hash for c in material(rows).groups[0].configurations] == ["hash-b", "hash-a"]


def test_runs_that_monitor_different_metrics_are_ranked_by_micro_f1(material, row):
    rows = [monitored(row, "a", 0, "roc_auc", val=0.7, test=0.7), row("b", 0, 0.9)]
    group = material(rows).groups[0]
    assert (group.metric.name, group.best.config_hash) == ("micro_f1", "hash-b")


def test_a_group_whose_models_read_an_embedding_has_its_name(material, row):
    parts = "edges=4:1 features={} labels=2:3 split=1/1/1:4 protocol=transductive evaluator=exact"
    rows = [
        row("a", 0, fingerprint=parts.format("3:2")),
        row("b", 0, fingerprint=parts.format("64:5c6757f5-deepwalk")),
    ]
    first, second = (group.name for group in material(rows).groups)
    assert second == f"{first}, deepwalk"
