"""A run on classes of unequal size: what it says, records, and does with class weights."""

from __future__ import annotations

import logging

import pytest

from redditgnn.config.compose import compose_settings
from redditgnn.record.reading import load_results
from redditgnn.run.execution import run
from redditgnn.run.saved import load_run


@pytest.mark.parametrize("sampler", ["full", "saint_node", "neighbor"])
def test_a_run_counts_and_names_the_classes_that_it_never_predicts(tmp_path, caplog, sampler):
    overrides = ["dataset=sbm", "dataset.scale=0.005", "device=cpu", f"sampler={sampler}"]
    settings = compose_settings(
        [*overrides, "model=mlp", "trainer.epochs=1", "trainer.class_weight=balanced"]
        + ["trainer.monitor=val_roc_auc", f"data_dir={tmp_path}", f"results_dir={tmp_path}"]
    )
    with caplog.at_level(logging.WARNING):
        row, _ = run(settings)
    assert row.classes_never_predicted
    assert f"{row.classes_never_predicted} of " in caplog.text
    (recorded,) = load_results(tmp_path).to_dict("records")
    assert recorded["classes_never_predicted"] == row.classes_never_predicted
    assert 0 < recorded["val_roc_auc"] < 1
    assert load_run(row.run_id, tmp_path).epochs.val_roc_auc.notna().all()
