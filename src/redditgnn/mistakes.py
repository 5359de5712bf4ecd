"""What Hydra and OmegaConf complain about, in one line that says what to do."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

ALL_KEYS = "'redditgnn train --cfg job' prints all keys"


def told(error: BaseException, conf_dir: Path) -> str:
    """Word an error of Hydra's or OmegaConf's; `conf_dir` is where the known options are."""
    text = folded(error)
    if found := re.search(r"Could not find '(\w+)/([^']+)' Available options in '\w+': (.*)", text):
        group, option, rest = found.groups()
        options = rest.split(" Config search path")[0].split()
        return (
            f"{group}={option}: no such option{_near(option, options, f'{group}=')}; "
            f"the options are {', '.join(options)}"
        )
    if found := re.search(r"Could not override '([\w.@/]+)'", text):
        key = found.group(1)
        return f"{key}: no such key{_near_key(key, conf_dir)}; {ALL_KEYS}"
    if found := re.search(r"Error parsing override '(.*?)' ", text):
        return f"{found.group(1)!r} is not KEY=VALUE; quote lists and spaces: 'KEY=[1,2]'"
    return text


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
