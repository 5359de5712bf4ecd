"""Run a function in several processes that are one team, for tests.

The processes are forks of one in which everything is imported, see `tests.forks`. A function must
be one of a module, and takes the team before its own arguments, which JSON can hold.

    def total(team: Team, start: int) -> int:
        return int(team.sum_(torch.tensor(start + team.rank)))

    def test_...(in_team):
        assert in_team(2, total, 5) == [11, 11]
"""

from __future__ import annotations

import json
import pickle
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.forks import Fork

LIMIT_S = 180.0  # on a machine that others use, too


def run_in_team(
    start: Callable[..., Fork],
    folder: Path,
    size: int,
    function: Callable[..., Any],
    *arguments: Any,
) -> list[Any]:
    """Return what `function` returned in each of `size` processes, by rank."""
    folder.mkdir()
    call = json.dumps([function.__module__, function.__name__, arguments])
    ranks = [
        start(str(rank), str(size), str(folder), call, script=Path(__file__))
        for rank in range(size)
    ]
    codes = [process.wait(LIMIT_S) for process in ranks]
    assert codes == [0] * size, "\n".join(process.stderr for process in ranks)
    return [pickle.loads((folder / f"{rank}.pickle").read_bytes()) for rank in range(size)]


def main(rank: int, size: int, folder: Path, call: str) -> None:
    """Be one of the processes."""
    import torch
    from torch.distributed import FileStore

    from redditgnn.distributed.team import Processes

    torch.set_num_threads(1)
    store = FileStore(str(folder / "store"), size)
    team = Processes(store, rank, size, backend="gloo", timeout_s=LIMIT_S / 2)
    module, name, arguments = json.loads(call)
    result = getattr(import_module(module), name)(team, *arguments)
    (folder / f"{rank}.pickle").write_bytes(pickle.dumps(result))
    team.barrier()
    team.close()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]), sys.argv[4])
