"""What every test needs: no surprise from the machine, real files if there are any, tiny graphs."""

from __future__ import annotations

import contextlib
import gc
import io
import itertools
import logging
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

# A virtual machine may announce AMX whose first use kills the process.
os.environ.setdefault("ONEDNN_MAX_CPU_ISA", "AVX512_CORE_BF16")
# Threads that wait for each other leave the CPU to other test processes.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
# Triton decides when a kernel is decorated: at its import, which a conftest.py may cause.
if not any(Path("/dev").glob("nvidia[0-9]*")):
    os.environ.setdefault("TRITON_INTERPRET", "1")

import pytest

from tests import type_checks  # noqa: F401 - before anything of redditgnn
from tests.tiers import mark_thorough

if TYPE_CHECKING:
    from redditgnn.graph.data import GraphData
    from tests.forks import Fork

# While jaxtyping's hook imports a module of redditgnn, Python finds no bytecode of what that
# imports, and compiles its source. Imported before, 2,400 modules are read from their bytecode.
IMPORTED_FIRST = (
    *("filelock", "hydra", "hypothesis", "itables", "jinja2", "matplotlib.pyplot", "omegaconf"),
    *("numba.extending", "pandas", "plotly.graph_objects", "psutil", "scipy.sparse", "tqdm"),
    *("scipy.special", "scipy.stats", "torch._dynamo", "torch_geometric.nn"),
)
REPOSITORY = Path(__file__).parents[1]
TINY = (  # a run of half a second, by the names that the command line knows
    *("dataset=sbm", "dataset.scale=0.001", "dataset.num_features=8", "dataset.num_classes=4"),
    *("model.hidden_channels=8", "trainer.epochs=1", "device=cpu"),
)
TEST_DATA = "REDDITGNN_TEST_DATA"
NUM_THREADS = 2  # of torch, in every test: rounding depends on them
ANCESTOR = pytest.StashKey["Ancestor"]()
NO_REAL_DATA = "no real data"
NO_BROWSER = "no browser"
LOUD = {  # reason of a skipped test -> what is said at the end, in red
    NO_REAL_DATA: f"REAL DATA WAS NOT TESTED: {{count}} tests skipped; set {TEST_DATA}",
    NO_BROWSER: "THE REPORT WAS NOT TESTED IN A BROWSER: {count} tests skipped; install chromium",
}


def pytest_configure(config: pytest.Config) -> None:
    """Import what tests need, except in the process that hands them out to others (-n)."""
    if getattr(config.option, "numprocesses", None) and not hasattr(config, "workerinput"):
        return
    import torch

    if not torch.cuda.is_available():  # a build of torch without CUDA
        os.environ.setdefault("TRITON_INTERPRET", "1")
    torch.set_num_threads(NUM_THREADS)
    for name in IMPORTED_FIRST:
        with contextlib.suppress(ModuleNotFoundError):  # where only tests of a GPU are to run
            import_module(name)
    from tests.forks import Ancestor

    config.stash[ANCESTOR] = Ancestor()  # while no thread of OpenMP runs: see there


@pytest.hookimpl(tryfirst=True)  # before -m selects
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    import torch

    mark_thorough(items)
    without_gpu = pytest.mark.skip(reason="no CUDA device")
    for item in items:
        if item.get_closest_marker("gpu") and not torch.cuda.is_available():
            item.add_marker(without_gpu)


def pytest_collection_finish() -> None:
    """Take what all tests share out of the garbage collector's sight: a million objects."""
    gc.collect()
    gc.freeze()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    skipped = [str(report.longrepr) for report in terminalreporter.stats.get("skipped", [])]
    for reason, text in LOUD.items():
        if count := sum(reason in report for report in skipped):
            line = text.format(count=count)
            terminalreporter.write_line(line, red=True, bold=True)


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown() -> None:
    """Take back what a test, or a run that it made, has left torch with."""
    import torch

    torch.set_num_threads(NUM_THREADS)


@pytest.fixture(scope="session")
def realdata() -> Path:
    """Root of the original files of PubMed and others; read only, link `raw/` elsewhere."""
    root = Path(os.environ.get(TEST_DATA, REPOSITORY.parent / "shared" / "data"))
    if not (root / "PubMed" / "raw").is_dir():
        give_up = pytest.fail if TEST_DATA in os.environ else pytest.skip
        give_up(f"{NO_REAL_DATA} in {root}; set {TEST_DATA}")
    return root


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """A headless Chromium that may not reach the network."""
    from shutil import which

    selenium = pytest.importorskip("selenium.webdriver", reason=f"{NO_BROWSER}: no selenium")
    chromium, driver = which("chromium") or which("google-chrome"), which("chromedriver")
    if not chromium or not driver:
        pytest.skip(f"{NO_BROWSER}: chromium or chromedriver is not installed")
    from selenium.webdriver.chrome.service import Service

    options = selenium.ChromeOptions()
    options.binary_location = chromium
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.add_argument("--window-size=1280,1000")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    started = selenium.Chrome(options=options, service=Service(driver))
    started.execute_cdp_cmd("Network.enable", {})
    started.execute_cdp_cmd("Network.setBlockedURLs", {"urls": ["http*://*"]})
    yield started
    started.quit()


@pytest.fixture
def link_raw(realdata: Path, tmp_path: Path) -> Callable[[str], Path]:
    """Give a temporary root the raw files of a real dataset; PyG writes processed/ beside them."""

    def linked(folder: str) -> Path:
        (tmp_path / folder / "raw").mkdir(parents=True)
        for path in (realdata / folder / "raw").iterdir():
            (tmp_path / folder / "raw" / path.name).symlink_to(path)
        return tmp_path

    return linked


@pytest.fixture(scope="session")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the results of one run, and data/ with the cache of its dataset."""
    folder = tmp_path_factory.mktemp("recorded")
    command = [*TINY, f"data_dir={folder / 'data'}", f"results_dir={folder / 'results'}"]
    assert call("train", *command)[0] == 0
    return folder


THREE_SPLITS = """
import torch
from torch_geometric.data import Data, InMemoryDataset


class Graph(InMemoryDataset):
    raw_file_names = ["nodes.txt"]
    processed_file_names = "data.pt"

    def __init__(self, root, force_reload=False):
        super().__init__(root, force_reload=force_reload)
        self.load(self.processed_paths[0])

    def process(self):
        places = torch.arange(24)
        third = torch.stack([(places // 2 + split) % 3 for split in range(3)], dim=1)
        masks = {f"{name}_mask": third == k for k, name in enumerate(("train", "val", "test"))}
        edges = torch.stack([places, (places + 2) % 24])
        x = torch.nn.functional.one_hot(places % 2).float()
        self.save([Data(x=x, edge_index=edges, y=places % 2, **masks)], self.processed_paths[0])
"""


@pytest.fixture
def three_splits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Overrides of a tiny run on a graph whose files have three splits."""
    (tmp_path / "three_splits.py").write_text(THREE_SPLITS)
    (tmp_path / "data" / "raw").mkdir(parents=True)
    (tmp_path / "data" / "raw" / "nodes.txt").write_text("24")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "three_splits", raising=False)
    return [
        *("dataset=pyg", "dataset.source=three_splits.Graph", "dataset.folder=''"),
        *("dataset.name=three_splits", "model=mlp", "model.hidden_channels=4", "sampler=full"),
        *("trainer.epochs=1", "device=cpu", f"data_dir={tmp_path / 'data'}"),
        f"results_dir={tmp_path / 'results'}",
    ]


def call(*argv: str) -> tuple[int, str]:
    """Run `redditgnn` in this process, and leave that as it was; return exit code and stderr."""
    from redditgnn import cli

    root, stderr = logging.getLogger(), io.StringIO()
    before = sys.argv, root.handlers[:], root.level, signal.getsignal(signal.SIGTERM)
    try:
        with contextlib.redirect_stderr(stderr), contextlib.redirect_stdout(io.StringIO()):
            code = cli.main(argv)
    finally:
        sys.argv, root.handlers[:] = before[:2]
        root.setLevel(before[2])
        signal.signal(signal.SIGTERM, before[3])
    return code, stderr.getvalue()


def pytest_unconfigure(config: pytest.Config) -> None:
    if ANCESTOR in config.stash:
        config.stash[ANCESTOR].close()


@pytest.fixture
def fork(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[..., Fork]]:
    """Start `redditgnn` with arguments, or `script`, in a process that the end of a test kills."""
    forks: list[Fork] = []

    def started(*arguments: str, script: Path | None = None) -> Fork:
        output = tmp_path / f"output{len(forks)}"
        program = ["redditgnn" if script is None else str(script), *arguments]
        forks.append(request.config.stash[ANCESTOR].fork(program, output))
        return forks[-1]

    yield started
    for process in forks:
        process.kill()


@pytest.fixture
def in_team(fork: Callable[..., Fork], tmp_path: Path) -> Callable[..., list[Any]]:
    """Run a function in several processes that are one team; see `tests.teams`."""
    from tests.teams import run_in_team

    numbers = itertools.count()

    def run(size: int, function: Callable[..., Any], *arguments: Any) -> list[Any]:
        folder = tmp_path / f"team{next(numbers)}"
        return run_in_team(fork, folder, size, function, *arguments)

    return run


@pytest.fixture(name="call", scope="session")
def command_line() -> Callable[..., tuple[int, str]]:
    """Run `redditgnn` in this process; see `call`."""
    return call


@pytest.fixture
def refused(recorded: Path, tmp_path: Path) -> Callable[..., str]:
    """Run a command that must be refused in one line, which is returned; nothing is lost by it.

    In the place of {here} comes a folder with data/, and with results/ that hold a run.
    """
    shutil.copytree(recorded, tmp_path, dirs_exist_ok=True)
    results = tmp_path / "results"

    def run(*argv: str) -> str:
        before = {path.name: path.read_bytes() for path in results.glob("*.csv")}
        here = (text.replace("{here}", str(tmp_path)) for text in argv)
        code, message = call(*here)
        assert code == 2, message
        assert message.startswith("redditgnn: ")
        assert message.endswith("\n")
        assert message.count("\n") == 1, message
        assert {path.name: path.read_bytes() for path in results.glob("*.csv")} == before
        assert not list(tmp_path.rglob("*.tmp*")), "something half-written is left"
        return message.removeprefix("redditgnn: ").rstrip()

    return run


@pytest.fixture
def works(tmp_path: Path) -> Callable[..., None]:
    """Run a command that must succeed; {here} is as in `refused`."""

    def run(*argv: str) -> None:
        code, stderr = call(*(text.replace("{here}", str(tmp_path)) for text in argv))
        assert code == 0, stderr
        assert "Traceback" not in stderr

    return run


@pytest.fixture(scope="session")
def make_graph() -> Callable[..., GraphData]:
    """A function that draws small graphs."""
    return random_graph


def random_graph(
    num_nodes: int = 20,
    num_edges: int = 60,
    num_features: int = 5,
    num_classes: int = 3,
    seed: int = 0,
) -> GraphData:
    """Draw a symmetric graph without self-loops, with at most `num_edges` edges, both ways.

    Train, validation and test nodes take turns, so that no split is empty.
    """
    import torch

    from redditgnn.graph.csr import pointers
    from redditgnn.graph.data import GraphData
    from redditgnn.graph.fingerprint import Fingerprint

    generator = torch.Generator().manual_seed(seed)
    adjacency = torch.zeros(num_nodes, num_nodes, dtype=torch.bool)
    ends = torch.randint(num_nodes, (2, num_edges // 2), generator=generator)
    adjacency[ends[0], ends[1]] = True
    adjacency = (adjacency | adjacency.T).fill_diagonal_(False)
    turn = torch.arange(num_nodes) % 3
    return GraphData(
        name=f"random{seed}",
        x=torch.randn(num_nodes, num_features, generator=generator),
        rowptr=pointers(adjacency.sum(1)),
        col=adjacency.nonzero()[:, 1].int(),
        y=torch.randint(num_classes, (num_nodes,), generator=generator),
        num_classes=num_classes,
        train_mask=turn == 0,
        val_mask=turn == 1,
        test_mask=turn == 2,
        fingerprint=Fingerprint(f"random-{num_nodes}-{num_edges}-{seed}"),
    )
