"""Folders of runs: found by id, by its first letters, or as the latest. And their run.json."""

from __future__ import annotations

import json
from difflib import get_close_matches
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from redditgnn.config.hashing import current_target, with_later_keys
from redditgnn.config.settings import EMBEDDING, Settings
from redditgnn.errors import ConfigError, DataError
from redditgnn.prediction.facts import TrainingFacts
from redditgnn.run.trained_model import Description

LATEST = "latest"


def folder_of(run_id: str, results_dir: Path) -> Path:
    """Return `results_dir/runs/RUN_ID`. `latest` is the last run that has weights.

    Raises:
        DataError: there is none, or there are several.
    """
    runs = results_dir / "runs"
    exact = runs / run_id
    if run_id and (exact / "run.json").is_file() and exact.parent == runs:
        return exact
    names = sorted(path.parent.name for path in runs.glob("*/run.json"))
    if not names:
        raise DataError(f"{exact} has no run.json, and {runs} has no run at all; set results_dir")
    if run_id == LATEST:
        names = [name for name in names if (runs / name / "best.pt").is_file()] or names
        return runs / max(names)
    fitting = [name for name in names if run_id and name.startswith(run_id)]
    if len(fitting) == 1:
        return runs / fitting[0]
    if fitting:
        raise DataError(
            f"{run_id} fits {len(fitting)} runs: {', '.join(fitting[:3])}"
            f"{', ...' if len(fitting) > 3 else ''}; give more of the id"
        )
    near = get_close_matches(run_id, names, n=1) or names[-1:]
    raise DataError(
        f"{exact} has no run.json; did you mean {near[0]}? See the column run_id of runs.csv"
    )


def read_description(folder: Path) -> Description:
    """Read run.json.

    Raises:
        DataError: it cannot be read.
        ConfigError: the code of its dataset or model is not there.
    """
    path = folder / "run.json"
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        facts = values.get("graph")
        _refuse_missing_code(folder, values["settings"])
        return Description(
            settings=Settings.from_dict(_with_current_targets(values["settings"])),
            fingerprint=str(values["identity"]["fingerprint"]),
            facts=facts and TrainingFacts.from_dict(facts),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        reason = f"no key {error}" if isinstance(error, KeyError) else error
        raise DataError(f"{path} cannot be read ({reason}); choose another run") from error


def _refuse_missing_code(folder: Path, settings: dict[str, Any]) -> None:
    for group in ("dataset", "model"):
        target = str(settings["components"][group]["_target_"])
        package = target.partition(".")[0]
        if find_spec(package) is None:
            raise ConfigError(
                f"{folder}: {group}={settings['choices'][group]} is {target}, and Python finds no "
                f"{package}; put PYTHONPATH=DIR before the command, where DIR holds it"
            )


def _with_current_targets(settings: dict[str, Any]) -> dict[str, Any]:
    """Let components of ours that have moved since be found where they are now."""
    components = {
        group: values | {"_target_": current_target(group, values["_target_"])}
        for group, values in settings["components"].items()
    }
    embedding = settings.get(EMBEDDING)
    if embedding is None:
        return settings | {"components": with_later_keys(components)}
    completed = with_later_keys({**components, EMBEDDING: embedding})
    return settings | {EMBEDDING: completed.pop(EMBEDDING), "components": completed}
