"""What Hydra and OmegaConf complain about, in one line that says what to do."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

GROUP = r"[\w/]+"
MOST_OPTIONS = 30  # that are told in a line
HOW_TO_QUOTE = "quote lists and spaces: 'KEY=[1,2]'"
ALL_KEYS = "'redditgnn train --cfg job' prints all keys"


def told(error: BaseException, conf_dir: Path) -> str:
    """Word an error of Hydra's or OmegaConf's; `conf_dir` is where the known options are."""
    text = folded(error).split(" Config search path")[0]
    if found := re.search(
        rf"Could not find '({GROUP})/([^'/]+)' Available options in .*: (.*)", text
    ):
        return _no_such_option(*found.groups())
    if found := re.search(rf"Could not load '({GROUP})/([^'/]+)'", text):
        return "{0}={1}: {0} must be the name of one option, got {1}".format(*found.groups())
    if found := re.search(r"Could not override '([\w.@/]+)'", text):
        key = found.group(1)
        return f"{key}: no such key{_near_key(key, conf_dir)}; {ALL_KEYS}"
    if found := re.search(r"Error parsing override '(.*?)' ", text):
        return f"{found.group(1)!r} is not KEY=VALUE; {HOW_TO_QUOTE}"
    if override := getattr(error, "override", None):
        return f"{override!r} cannot be read as KEY=VALUE; {HOW_TO_QUOTE}"
    if found := re.search(r"Ambiguous value for argument '(.*?)'", text):
        return (
            f"{found.group(1)} has several values: 'redditgnn train -m' runs each; or use "
            "brackets for a list"
        )
    if isinstance(error, UnicodeDecodeError):
        return f"a YAML file that this needs is no text in UTF-8: {text}"
    key = getattr(error, "full_key", None)
    return text if not key or key in text else f"{key}: {text}"


def _no_such_option(group: str, option: str, rest: str) -> str:
    options = rest.split()
    known = f"the options are {', '.join(options)}"
    if len(options) > MOST_OPTIONS:
        known = f"'redditgnn list {group}s' tells all {len(options)} of them"
    near = _near(option, options, f"{group}=")
    return f"{group}={option}: no such option{near}; {known}"


def folded(error: BaseException) -> str:
    """Fold the text of an error into one line, without OmegaConf's appendix for developers."""
    lines = [line.strip() for line in str(error).splitlines()]
    kept = [line for line in lines if line and not line.startswith(("full_key:", "object_type="))]
    return re.sub(r"\s+", " ", " ".join(kept))


def _near_key(key: str, conf_dir: Path) -> str:
    group, _, name = key.rpartition(".")
    folder = conf_dir / group.replace(".", "/")
    if not group or not folder.is_dir():
        return _near(key, _keys(conf_dir / "train.yaml") | {f.name for f in conf_dir.iterdir()}, "")
    known = set().union(*(_keys(path) for path in folder.glob("*.yaml")))
    if name in known:
        return f" under the chosen {group}"
    return _near(name, known, f"{group}.")


def _keys(path: Path) -> set[str]:
    config = OmegaConf.load(path)
    assert isinstance(config, DictConfig)
    return {str(key) for key in config if not str(key).startswith("_")}


def _near(word: str, known: Iterable[str], prefix: str) -> str:
    close = get_close_matches(word, list(known), n=1)
    return f" (did you mean {prefix}{close[0]}?)" if close else ""
