"""Commands are found, explained, and end in the exit code that was promised."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from types import SimpleNamespace

import pytest

from redditgnn import cli
from redditgnn.errors import ConfigError, DataError, OutOfMemory, RunFailed, TrainingDiverged


def call(*argv: str) -> subprocess.CompletedProcess[str]:
    """Run `redditgnn` as a user does, in a process of its own."""
    command = [sys.executable, "-m", "redditgnn", *argv]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture
def raising(monkeypatch):
    """Put an error in the place of the command `list`."""

    def replace(error: BaseException) -> None:
        def main(argv: list[str]) -> int:
            raise error

        monkeypatch.setattr(cli, "import_module", lambda name: SimpleNamespace(main=main))

    return replace


@pytest.mark.parametrize("argv", [[], ["--help"], ["-h"], ["help"]])
def test_without_a_command_it_lists_all_of_them(argv, capsys):
    assert cli.main(argv) == 0
    shown = capsys.readouterr().out
    assert all(f"  {name} " in shown for name in cli.COMMANDS)


def test_version_is_the_one_of_the_package(capsys):
    assert cli.main(["--version"]) == 0
    assert re.fullmatch(r"redditgnn \d+\.\d+\.\d+\S*\n", capsys.readouterr().out)


@pytest.mark.parametrize("value", [None, "0"])
def test_large_tensors_lie_on_large_pages_unless_the_environment_says_otherwise(value, monkeypatch):
    monkeypatch.setattr(os, "environ", {} if value is None else {cli.HUGE_PAGES: value})
    assert cli.main(["--version"]) == 0
    assert os.environ == {cli.HUGE_PAGES: value or "1"}


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_help_of_every_command_has_usage_and_two_examples(name, capsys):
    if find_spec(cli.COMMANDS[name].module) is None:
        pytest.skip(f"there is no {name} command yet")
    assert cli.main([name, "--help"]) == 0
    shown = capsys.readouterr().out
    assert f"usage: redditgnn {name}" in shown
    assert len(re.findall(rf"^ +redditgnn {name}\b", shown, re.MULTILINE)) >= 2


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("trian", "redditgnn: unknown command 'trian'; did you mean 'train'?\n"),
        ("xyz", "redditgnn: unknown command 'xyz'; choose from train, "),
    ],
)
def test_an_unknown_command_is_answered_with_the_nearest_one(name, message, capsys):
    assert cli.main([name]) == 2
    assert capsys.readouterr().err.startswith(message)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigError("why"), 2),
        (DataError("why"), 2),
        (RunFailed("why"), 3),
        (OutOfMemory("why"), 3),
        (TrainingDiverged("why"), 3),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_known_error_is_one_line_and_its_exit_code(error, code, raising, capsys):
    raising(error)
    assert cli.main(["list"]) == code
    assert capsys.readouterr().err == "redditgnn: why\n"


def test_an_error_of_hydras_is_one_line(raising, capsys):
    from redditgnn.config import compose

    raising(compose.ConfigurationError[0]("first\n  second"))
    assert cli.main(["list"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_bug_keeps_its_traceback(raising):
    raising(ZeroDivisionError("a bug"))
    with pytest.raises(ZeroDivisionError):
        cli.main(["list"])


def test_an_interruption_is_130(raising, capsys):
    raising(KeyboardInterrupt())
    assert cli.main(["list"]) == 130
    assert "Traceback" not in capsys.readouterr().err


def test_a_reader_that_goes_away_is_no_error():
    shell = f"set -o pipefail; {sys.executable} -m redditgnn list | true"
    done = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, check=False)
    assert done.returncode in (0, 141)  # 0: all was written before the reader had gone
    assert done.stderr == ""


def test_a_mistake_in_a_process_of_its_own_has_no_traceback():
    done = call("list", "modls")
    assert done.returncode == 2
    assert done.stderr == "redditgnn: cannot list 'modls'; did you mean 'models'?\n"
