"""Arguments of the commands that read finished runs: ids, overrides and options, in any order."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from redditgnn.command.options import CONFIG_DIR, existing_folder
from redditgnn.errors import UserError

if TYPE_CHECKING:
    from redditgnn.run.saved import Run

RESULTS_DIR = "results_dir="


class Arguments(ArgumentParser):
    """The parser of one command. A mistake is a `UserError`."""

    def __init__(self, command: str) -> None:
        super().__init__(prog=f"redditgnn {command}", add_help=False, allow_abbrev=False)
        self._command = command
        self.add_argument("words", nargs="*")
        self.add_argument(CONFIG_DIR)
        self.add_argument("--window", type=int)

    def error(self, message: str) -> NoReturn:
        """Refuse in one line.

        Raises:
            UserError: always.
        """
        unknown = message.removeprefix("unrecognized arguments: ")
        text = message if unknown == message else f"unknown option {unknown.split()[0]}"
        raise UserError(f"{text}; see 'redditgnn {self._command} --help'")

    def read(self, argv: Sequence[str]) -> tuple[Namespace, list[str], list[str]]:
        """Return the options, the ids of runs, and the overrides."""
        options = self.parse_intermixed_args(list(argv))
        ids = [word for word in options.words if "=" not in word and not word.startswith("~")]
        if not ids:
            raise UserError(
                f"{self._command} needs a run: redditgnn {self._command} latest, or a value of the "
                "column run_id of runs.csv"
            )
        return options, ids, [word for word in options.words if word not in ids]

    def refuse_more_than(self, most: int, ids: Sequence[str]) -> None:
        """Refuse more than `most` ids of runs."""
        if len(ids) > most:
            number = {1: "one run", 2: "at most two runs"}[most]
            raise UserError(f"{self._command} takes {number}, got {' '.join(ids)}")


def load(
    run_id: str,
    overrides: Sequence[str],
    config_dir: str | Path | None = None,
    window: int | None = None,
) -> Run:
    """Read a run below `results_dir=...`, with the data that the other overrides name.

    `window` is that of a run of `protocol=temporal`, see `Run.on`.
    """
    # It imports torch and PyG, which a mistake in the arguments need not wait for.
    from redditgnn.run.saved import load_run

    folder = existing_folder(config_dir)
    places = [text for text in overrides if text.startswith(RESULTS_DIR)]
    results_dir = places[-1].removeprefix(RESULTS_DIR) if places else "results"
    if not Path(results_dir).is_dir():
        raise UserError(f"results_dir={results_dir} must be a folder of runs, there is none")
    return load_run(run_id, results_dir).on(overrides, folder, window=window)


def default_place(run: Run, name: str, window: int | None) -> Path:
    """Return where in the run's folder answers are written.

    Those on other data or of a chosen window have other names. `report` reads the diagnosis of the
    run's own graph, which another must not replace.
    """
    path = Path(name)
    of_window = "" if window is None else f"-window-{window}"
    of_data = "" if run.is_on_own_graph else "-other-graph"
    return run.folder / f"{path.stem}{of_window}{of_data}{path.suffix}"
