"""The Python interface: what the command line does, from a script or a notebook."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import torch

import redditgnn
from redditgnn.errors import ConfigError, DataError

SMALL = ("dataset=sbm", "dataset.scale=0.002", "dataset.num_features=8", "dataset.num_classes=4")
QUICK = (*SMALL, "trainer.epochs=2", "device=cpu")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("python")


def places(folder: Path) -> tuple[str, str]:
    return f"data_dir={folder / 'data'}", f"results_dir={folder / 'results'}"


@pytest.fixture(scope="module")
def trained(folder: Path) -> redditgnn.Run:
    return redditgnn.train([*QUICK, *places(folder), "model=sage", "sampler=full"])


def test_importing_the_package_imports_nothing_else() -> None:
    program = (
        "import sys, redditgnn; assert 'train' in dir(redditgnn);"
        "assert not {'torch', 'hydra', 'pandas'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.parametrize("name", redditgnn.__all__)
def test_every_public_name_exists(name: str) -> None:
    assert getattr(redditgnn, name) is not None


def test_a_name_that_does_not_exist_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'trian'"):
        _ = redditgnn.trian


def test_the_predictions_of_a_run_have_the_scores_of_its_row(
    trained: redditgnn.Run, folder: Path
) -> None:
    (row,) = redditgnn.load_results(folder / "results").to_dict("records")
    test = trained.graph.test_mask
    hits = trained.predict()[test] == trained.graph.y[test]
    assert hits.double().mean().item() == pytest.approx(row["test_accuracy"])
    assert row["run_id"] == trained.run_id


def test_a_run_is_loaded_by_its_id_with_the_weights_of_its_best_epoch(
    trained: redditgnn.Run, folder: Path
) -> None:
    loaded = redditgnn.load_run(trained.run_id, folder / "results", device="cpu")
    assert loaded.settings == trained.settings
    torch.testing.assert_close(loaded.logits(), trained.logits(), rtol=0, atol=0)
    assert list(loaded.epochs.epoch) == [1, 2]


def test_precomputed_features_and_several_labels_are_predicted_too(folder: Path) -> None:
    labels = ("dataset=sbm_multilabel", "dataset.scale=0.002", "dataset.num_features=8")
    quick = ("trainer.epochs=1", "device=cpu", "sampler=full", *places(folder))
    multi = redditgnn.train([*labels, *quick, "model=sgc"])
    assert multi.predict().dtype == torch.bool
    assert multi.predict().shape == multi.graph.y.shape


def test_settings_and_results_are_tables_and_plain_values(
    trained: redditgnn.Run, folder: Path
) -> None:
    settings = redditgnn.compose([*QUICK, *places(folder), "model=sage", "sampler=full"])
    assert settings.components["model"]["hidden_channels"] == 256
    results = redditgnn.load_results(folder / "results")
    assert results["test_micro_f1"].dtype == float
    row = results.set_index("run_id").loc[trained.run_id]  # whichever test ran first
    assert row["model.hidden_channels"] == 256
    assert isinstance(row["config_hash"], str)
    assert isinstance(row["configuration"], str)


def test_a_sweep_returns_its_rows_and_runs_nothing_twice(folder: Path) -> None:
    overrides = [*QUICK, *places(folder / "sweep"), "sampler=full", "model=mlp,sgc"]
    first, second = redditgnn.train_sweep(overrides), redditgnn.train_sweep(overrides)
    assert sorted(first.model) == ["mlp", "sgc"]
    pd.testing.assert_series_equal(first.run_id, second.run_id)


def test_a_mistake_is_a_config_error(folder: Path) -> None:
    with pytest.raises(ConfigError, match="model.dropout must be in"):
        redditgnn.train([*QUICK, *places(folder), "model.dropout=1.5"])


def test_a_run_that_is_not_there_is_refused(folder: Path) -> None:
    with pytest.raises(DataError, match="no-such-run has no run.json"):
        redditgnn.load_run("no-such-run", folder / "results")
    with pytest.raises(DataError, match=r"runs.csv does not exist; results_dir must be"):
        redditgnn.load_results(folder / "nowhere")


def test_a_run_on_other_data_is_refused(trained: redditgnn.Run, folder: Path) -> None:
    path = trained.folder / "run.json"
    description = json.loads(path.read_text())
    other = trained.folder.parent / "other"
    other.mkdir(exist_ok=True)
    (other / "best.pt").write_bytes((trained.folder / "best.pt").read_bytes())
    description["settings"]["components"]["dataset"]["seed"] = 7
    (other / "run.json").write_text(json.dumps(description))
    with pytest.raises(DataError, match="trained on other data"):
        redditgnn.load_run("other", folder / "results").predict()


def test_a_run_of_a_component_that_has_moved_since_is_loaded(
    trained: redditgnn.Run, folder: Path
) -> None:
    path = trained.folder / "run.json"
    description = json.loads(path.read_text())
    description["settings"]["components"]["trainer"]["_target_"] = "redditgnn.trainer.Trainer"
    path.write_text(json.dumps(description))
    assert redditgnn.load_run(trained.run_id, folder / "results", device="cpu").settings == (
        trained.settings
    )
