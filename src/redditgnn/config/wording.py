"""Errors of Hydra and OmegaConf in one line that says what to do."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

GROUP = r"[\w/]+"
MOST_OPTIONS = 30  # that one line lists
HOW_TO_QUOTE = "quote lists and spaces: 'KEY=[1,2]'"
OWN_FILES = "your own graph: dataset=files dataset.edges=edges.csv dataset.nodes=nodes.csv"
ALL_KEYS = "'redditgnn train --cfg job' prints all keys"


def describe_error(error: BaseException, conf_dir: Path) -> str:
    """Describe an error of Hydra or OmegaConf; `conf_dir` holds the known options."""
    text = join_lines(error).split(" Config search path")[0]
    if match := re.search(r"Could not find '(\w+)/([^']+)' Available options in .*: (.*)", text):
        return _describe_unknown_option(*match.groups())
    if match := re.search(rf"Could not load '({GROUP})/([^'/]+)'", text):
        return "{0}={1}: {0} must be the name of one option, got {1}".format(*match.groups())
    if match := re.search(r"Could not override '([\w.@/]+)'", text):
        key = match.group(1)
        return f"{key}: no such key{_suggest_key(key, conf_dir)}; {ALL_KEYS}"
    if match := re.search(r"Error parsing override '(.*?)' ", text):
        return f"{match.group(1)!r} is not KEY=VALUE; {HOW_TO_QUOTE}"
    if override := getattr(error, "override", None):
        return f"{override!r} cannot be read as KEY=VALUE; {HOW_TO_QUOTE}"
    if match := re.search(r"Ambiguous value for argument '(.*?)'", text):
        return (
            f"{match.group(1)} has several values: 'redditgnn train -m' runs each; or use "
            "brackets for a list"
        )
    if isinstance(error, UnicodeDecodeError):
        return f"a YAML file that this needs is not UTF-8 text: {text}"
    key = getattr(error, "full_key", None)
    return text if not key or key in text else f"{key}: {text}"


def _describe_unknown_option(group: str, option: str, rest: str) -> str:
    options = rest.split()
    choices = f"the options are {', '.join(options)}"
    if len(options) > MOST_OPTIONS:
        choices = f"'redditgnn list {group}s' lists all {len(options)} of them"
    suggestion = _suggest(option, options, f"{group}=")
    own = f"; {OWN_FILES}" if group == "dataset" else ""
    return f"{group}={option}: no such option{suggestion}; {choices}{own}"


def join_lines(error: BaseException) -> str:
    """Join the lines of an error, without those that OmegaConf adds for developers."""
    lines = [line.strip() for line in str(error).splitlines()]
    rest = [line for line in lines if line and not line.startswith(("full_key:", "object_type="))]
    return re.sub(r"\s+", " ", " ".join(rest))


def _suggest_key(key: str, conf_dir: Path) -> str:
    group, _, name = key.rpartition(".")
    folder = conf_dir / group.replace(".", "/")
    if not group or not folder.is_dir():
        return _suggest(
            key, _keys(conf_dir / "train.yaml") | {f.name for f in conf_dir.iterdir()}, ""
        )
    names = set().union(*(_keys(path) for path in folder.glob("*.yaml")))
    if name in names:
        return f" under the chosen {group}"
    return _suggest(name, names, f"{group}.")


def _keys(path: Path) -> set[str]:
    config = OmegaConf.load(path)
    assert isinstance(config, DictConfig)
    return {str(key) for key in config if not str(key).startswith("_")}


def _suggest(word: str, choices: Iterable[str], prefix: str) -> str:
    close = get_close_matches(word, list(choices), n=1)
    return f" (did you mean {prefix}{close[0]}?)" if close else ""
