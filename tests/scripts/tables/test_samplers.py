"""docs/samplers.md and the guide's table: what make bench measured."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from scripts.tables import samplers as table

COLUMNS = (
    "dataset,model,sampler,settings,status,seeds,epoch_median_s,test_micro_f1,test_micro_f1_sd,"
    "peak_rss_mib,curves,device_name,torch_version,pyg_version,commit,dirty"
)


def row(
    model: str, sampler: str, *curves: list[tuple[float, float]], status: str = "completed"
) -> str:
    text = json.dumps(curves).replace('"', '""')
    return (
        f'sbm 0.1,{model},{sampler},trainer.epochs=8,{status},3,1.5,0.9,0.01,800,"{text}",Some CPU,'
        "2.13.0,2.8.1,0123456789,False"
    )


def checkout(root: Path, *rows: str) -> Path:
    (root / "docs").mkdir()
    (root / table.MATRIX).parent.mkdir(parents=True)
    (root / table.MATRIX).write_text("\n".join([COLUMNS, *rows, ""]))
    (root / table.GUIDE).write_text(f"# T\n{table.BEGIN}\nold\n{table.END}\n")
    return root


def test_seconds_run_until_95_percent_of_the_best_of_all(tmp_path: Path) -> None:
    best, slow = [(1.0, 0.5), (2.0, 1.0)], [(10.0, 0.94), (20.0, 0.95)]
    checkout(tmp_path, row("sage", "full", best, best), row("gat", "full", slow, slow))
    assert table.main([], tmp_path) == 0
    text = (tmp_path / table.DOCUMENT).read_text()
    assert "| sage | full | 90.00 ± 1.00 | 1.5 | 2 | 800 |" in text
    assert "| gat | full | 90.00 ± 1.00 | 1.5 | 20 | 800 |" in text
    assert "0.9500" in text
    guide = (tmp_path / table.GUIDE).read_text()
    assert "| sage | full |" in guide
    assert "| gat |" not in guide


def test_a_pair_of_which_a_seed_does_not_get_there_never_does(tmp_path: Path) -> None:
    checkout(tmp_path, row("sage", "full", [(1.0, 1.0)], [(1.0, 0.5)]))
    table.main([], tmp_path)
    assert "| 1.5 | never | 800 |" in (tmp_path / table.DOCUMENT).read_text()


def test_a_pair_that_did_not_complete_is_named(tmp_path: Path) -> None:
    checkout(tmp_path, row("sage", "full", [(1.0, 1.0)]), row("gat", "gas", status="oom"))
    table.main([], tmp_path)
    assert "| gat | gas | oom |" in (tmp_path / table.DOCUMENT).read_text()


def test_overrides_stand_beside_the_model(tmp_path: Path) -> None:
    other = row("gat", "gas", [(1.0, 1.0)]).replace("epochs=8", "epochs=8 model.dropout=0")
    checkout(tmp_path, row("sage", "gas", [(1.0, 1.0)]), other)
    table.main([], tmp_path)
    text = (tmp_path / table.DOCUMENT).read_text()
    assert "| sage | gas |" in text
    assert "| gat model.dropout=0 | gas | 90.00" in text


def test_a_pair_of_another_machine_is_named(tmp_path: Path) -> None:
    sage = row("sage", "full", [(1.0, 1.0)])
    checkout(tmp_path, sage, sage, row("gat", "gas", [(1.0, 1.0)]).replace("Some CPU", "New CPU"))
    table.main([], tmp_path)
    assert "; Some CPU, gat under gas on New CPU, one" in (tmp_path / table.DOCUMENT).read_text()
    assert "; Some CPU, one thread" in (tmp_path / table.GUIDE).read_text()


def test_a_stale_file_fails_the_check(tmp_path: Path) -> None:
    checkout(tmp_path, row("sage", "full", [(1.0, 1.0)]))
    assert table.main(["--check"], tmp_path) == 1
    assert table.main([], tmp_path) == 0
    assert table.main(["--check"], tmp_path) == 0


def test_cells_of_several_graphs_are_not_held_to_one_score(tmp_path: Path) -> None:
    other = row("gat", "full", [(1.0, 0.5)]).replace("sbm 0.1", "Reddit")
    checkout(tmp_path, row("sage", "full", [(1.0, 1.0)]), other)
    with pytest.raises(SystemExit, match="mixes graphs"):
        table.main([], tmp_path)
