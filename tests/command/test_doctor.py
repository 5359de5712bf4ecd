"""`redditgnn doctor` tells the truth about the machine, and about what fits."""

from __future__ import annotations

import pytest
import torch

from redditgnn import CONF_DIR
from redditgnn.command import doctor
from redditgnn.command import fits as fitting
from redditgnn.errors import UserError
from redditgnn.kernels import OPERATORS
from redditgnn.memory.estimate import tensors_of
from redditgnn.memory.trace import tensor_bytes


def test_it_names_versions_memory_samplers_and_kernels(capsys):
    assert doctor.main([]) == 0
    shown = capsys.readouterr().out
    names = [torch.__version__, *doctor.REQUIRED, *doctor.OPTIONAL, *fitting.SIZES, *OPERATORS]
    names += [path.stem for path in (CONF_DIR / "sampler").glob("*.yaml")]
    assert [name for name in names if name not in shown] == []
    assert max(map(len, shown.splitlines())) <= 160


def test_a_missing_required_package_is_one_line(monkeypatch, capsys):
    monkeypatch.setattr(doctor, "REQUIRED", ("torch", "no_such_package"))
    with pytest.raises(UserError, match="not installed: no_such_package; run 'pip install"):
        doctor.main([])
    assert "not installed (required)" in capsys.readouterr().out


def test_a_missing_optional_package_says_what_it_is_for(monkeypatch):
    monkeypatch.setattr(doctor, "OPTIONAL", {"no_such_package": "sampler=fast"})
    assert ("no_such_package", "not installed (optional: sampler=fast)") in doctor.versions()


def test_arguments_are_refused():
    with pytest.raises(UserError, match="doctor takes no arguments, got 'all'"):
        doctor.main(["all"])


def test_a_graph_that_is_not_there_takes_no_memory_but_counts():
    graph = fitting.phantom_graph(fitting.Size(num_nodes=2**20, num_edges=2**20, num_features=10))
    assert graph.num_bytes == pytest.approx(2**20 * (10 * 4 + 8 + 4), rel=1e-5)
    assert tensor_bytes(tensors_of(graph)) < 100
    training, evaluation = fitting.peaks_of("gat", graph)
    assert training > evaluation > 2**20 * 64 * 4 / fitting.MIB  # more than one hidden layer


def test_a_graph_fits_where_there_is_memory_for_it(monkeypatch):
    monkeypatch.setattr(fitting, "peaks_of", lambda model, graph: (10.0, 5.0))
    rows = fitting.memory_table({"small": 1.0, "large": 1e9})
    assert {tuple(row[-2:]) for row in rows[1:]} == {("no", "yes")}


def test_columns_with_numbers_are_aligned_to_the_right():
    shown = doctor.align_columns([("name", "size"), ("ab", "1,000"), ("c", "7")])
    assert shown == "  name   size\n  ab    1,000\n  c         7"
