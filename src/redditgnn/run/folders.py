"""The folder of a run, found by its id, by the first letters of it, or as the latest."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path

from redditgnn.errors import DataError

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
