"""`redditgnn doctor` tells the truth about the machine, and about what fits."""

from __future__ import annotations

import pytest
import torch

from redditgnn import CONF_DIR
from redditgnn.command import doctor
from redditgnn.errors import UserError
from redditgnn.kernels import OPERATORS


def test_it_names_versions_memory_samplers_and_kernels(capsys):
    assert doctor.main([]) == 0
    shown = capsys.readouterr().out
    names = [torch.__version__, *doctor.REQUIRED, *doctor.OPTIONAL, *doctor.SIZES, *OPERATORS]
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


def test_tensors_are_counted_in_mib():
    need = doctor.needs(doctor.Size(num_nodes=2**20, num_edges=2**20, num_features=10))
    assert need.features == 40
    assert need.adjacency == pytest.approx(8 + 4, abs=1e-4)
    assert need.hidden == 1024
    assert need.messages == 256
    assert need.full_graph == pytest.approx(80 + 48 + 8192, abs=1e-3)


def test_a_graph_fits_where_there_is_memory_for_it():
    rows = doctor.memory_table({"small": 1.0, "large": 1e9})
    assert {tuple(row[-2:]) for row in rows[1:]} == {("no", "yes")}


def test_columns_with_numbers_are_aligned_to_the_right():
    shown = doctor.aligned([("name", "size"), ("ab", "1,000"), ("c", "7")])
    assert shown == "  name   size\n  ab    1,000\n  c         7"
