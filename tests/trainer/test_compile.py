"""`trainer.compile`: the same losses from generated code, and a refusal where none can be made."""

from __future__ import annotations

import json
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from redditgnn.config.compose import compose_settings
from redditgnn.errors import ConfigError
from redditgnn.evaluation.evaluator import Evaluator
from redditgnn.evaluation.exact import ExactInference
from redditgnn.record import checkpoint

CPU = torch.device("cpu")
CHOICES = {
    "sage, neighbor": ["model=sage", "sampler=neighbor", "sampler.batch_size=60"],
    "gcn, full": ["model=gcn", "sampler=full"],
    "gat, neighbor": [
        *("model=gat", "model.heads=2", "model.attention_dropout=0.0"),
        *("sampler=neighbor", "sampler.batch_size=60"),
    ],
}
SMALL = ["dataset=sbm", "dataset.scale=0.002", "dataset.num_features=16", "trainer.epochs=4"]
SMALL += ["model.hidden_channels=8", "model.dropout=0.0"]


def main(folder: Path, *overrides: str) -> None:
    """Train with and without `compile`; print the losses of the epochs, and the graphs compiled.

    In a process of its own: the tests' type checks of every call do not understand tracing.
    """
    results = {}
    for compiled in ("false", "true"):
        settings = compose_settings([*SMALL, *overrides, f"trainer.compile={compiled}"])
        graph = settings.build("dataset", folder)
        torch.manual_seed(0)
        trainer = settings.build("trainer", device=CPU)
        model = settings.build("model", graph.spec)
        sampler = settings.build("sampler", graph, num_layers=2, device=CPU, seed=0)
        optimizer = settings.build("optimizer", model)
        scheduler = settings.build("scheduler", optimizer)
        evaluate = Evaluator(graph, ExactInference(graph, CPU, chunk_edges=None))
        losses, graphs = [], []

        def record(row, losses=losses, graphs=graphs) -> None:
            losses.append(row.train_loss)
            graphs.append(torch._dynamo.utils.counters["stats"]["unique_graphs"])

        best = folder / f"{compiled}.pt"
        with trainer.in_effect():
            trainer.fit(model, optimizer, scheduler, sampler, evaluate, best, record)
        results[compiled] = losses, graphs
    print(json.dumps(results))


@pytest.mark.slow
@pytest.mark.parametrize("choice", CHOICES.values(), ids=CHOICES.keys())
def test_compiled_steps_give_the_same_losses_and_are_compiled_once(
    choice: list[str], tmp_path: Path
) -> None:
    command = [sys.executable, __file__, str(tmp_path), *choice]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (plain, no_graphs), (losses, graphs) = json.loads(done.stdout.splitlines()[-1]).values()
    assert losses == pytest.approx(plain, rel=1e-5)
    assert no_graphs == [0] * 4
    assert graphs[0] > 0
    assert graphs[1:] == graphs[1:2] * 3, "batches of other sizes were compiled anew"
    weights = [checkpoint.load(tmp_path / name).keys() for name in ("true.pt", "false.pt")]
    assert weights[0] == weights[1]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda patch: patch.setenv("CXX", "no-such-compiler"), "there is no C\\+\\+ compiler"),
        (
            lambda patch: patch.setattr(sysconfig, "get_paths", lambda: {"include": "/nowhere"}),
            "Python's C headers are missing",
        ),
    ],
    ids=["compiler", "headers"],
)
def test_without_a_compiler_it_is_refused_before_anything_is_read(
    change: Callable[[pytest.MonkeyPatch], None], reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None if name.startswith("no-") else name)
    change(monkeypatch)
    message = f"trainer.compile=true cannot generate code here: {reason}.*trainer.compile=false"
    with pytest.raises(ConfigError, match=message) as raised:
        compose_settings(["trainer.compile=true"]).build("trainer", device=CPU)
    assert "\n" not in str(raised.value)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
