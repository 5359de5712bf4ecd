"""The page of the command line: what --help prints, for every command."""

from __future__ import annotations

import pytest

from redditgnn.cli import COMMANDS, help_of
from scripts import ROOT
from scripts.docs.commands import PLACE, with_help

PAGE = ROOT / "docs" / "command-line.md"


@pytest.mark.parametrize("name", COMMANDS)
def test_the_page_has_the_help_of_every_command(name: str) -> None:
    text = with_help(PAGE.read_text(encoding="utf-8"))
    assert f"```text\n{help_of(name)}\n```" in text
    assert not PLACE.search(text)


def test_a_place_for_a_command_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match="help: fly -->: there is no such command"):
        with_help("a\n<!-- help: fly -->\n")
