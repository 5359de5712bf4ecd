"""`redditgnn list` shows every option that can be chosen."""

from __future__ import annotations

import subprocess
import sys

import pytest

from redditgnn import CONF_DIR
from redditgnn.command import list_
from redditgnn.errors import UserError


@pytest.mark.parametrize("kind", list_.GROUPS)
def test_every_option_of_a_group_is_one_line(kind, capsys):
    assert list_.main([kind]) == 0
    shown = capsys.readouterr().out.split("\n")
    options = sorted(path.stem for path in (CONF_DIR / list_.GROUPS[kind]).glob("*.yaml"))
    assert [line.split()[0] for line in shown if line] == options


def test_without_a_kind_it_lists_every_option(capsys):
    assert list_.main([]) == 0
    shown = {line.split()[0] for line in capsys.readouterr().out.splitlines() if line}
    for group in list_.GROUPS.values():
        assert {path.stem for path in (CONF_DIR / group).glob("*.yaml")} <= shown


def test_every_folder_of_the_configuration_can_be_listed():
    folders = {path.name for path in CONF_DIR.iterdir() if path.is_dir()}
    assert folders <= set(list_.GROUPS.values())


def test_a_line_is_the_name_and_the_first_comment(tmp_path, monkeypatch):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "a.yaml").write_text(
        "# @package _global_\n# What it is\n# more\nkey: 1\n"
    )
    (tmp_path / "model" / "longer.yaml").write_text("key: 1\n")
    monkeypatch.setattr(list_, "CONF_DIR", tmp_path)
    assert list(list_.describe_options("model")) == ["a       What it is", "longer"]


def test_the_name_of_a_group_will_do():
    assert list_.group_of("model") == list_.group_of("models") == "model"


@pytest.mark.parametrize(
    ("kind", "remedy"), [("modls", "did you mean 'models'?"), ("xyz", "choose from models, ")]
)
def test_an_unknown_kind_is_answered_with_a_remedy(kind, remedy):
    with pytest.raises(UserError, match=f"cannot list '{kind}'; ") as caught:
        list_.main([kind])
    assert remedy in str(caught.value)


def test_it_does_not_wait_for_torch():
    program = (
        "import sys; from redditgnn.cli import main; main(['list']);"
        "assert not {'torch', 'hydra', 'numba'} & set(sys.modules), 'slow'"
    )
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)
