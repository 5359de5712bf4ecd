"""What other commands than train refuse, and what is wrong in a --config-dir: one line each."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

KARATE = "data data_dir={here}/data dataset=pyg dataset.source=torch_geometric"
ARGUMENTS = {
    "trian": "unknown command 'trian'; did you mean 'train'?",
    "--foo": "unknown command '--foo'; choose from train, ",
    "''": "unknown command ''; choose from train, ",
    "verify experiment=nothing": "experiment=nothing: no such experiment; see 'redditgnn verify'",
    "verify experiment=cora_gatt": "(did you mean experiment=cora_gat?)",
    "verify experiment=cora_gcn seeds=0": "seeds must be an int in [2, 1000], got 0",
    "verify experiment=cora_gcn seeds=x": "seeds must be an int in [2, 1000], got x",
    "verify cora_gcn": "cora_gcn needs an experiment: redditgnn verify experiment=cora_gcn; witho",
    "verify experiment=cora_gcn seed=3": "seed=3: verify chooses the seeds itself; say how",
    "verify experiment=cora_gcn target.percent=3": "target.percent: a published number is not set",
    "verify experiment=cora_gcn model=nothing": "model=nothing: no such option; the options are",
    "verify seeds=3": "seeds needs an experiment: redditgnn verify experiment=NAME",
    "verify --config-dir": "--config-dir needs a folder with experiment/*.yaml, got .",
    "verify --foo": "unknown option --foo; see 'redditgnn verify --help'",
    "verify results_dir": "'results_dir' is not KEY=VALUE; quote lists and spaces",
    "verify results_dir=": "results_dir must name a folder, got ''",
    "list modls": "cannot list 'modls'; did you mean 'models'?",
    "list --foo": "cannot list '--foo'; choose from models, datasets, ",
    "doctor foo": "doctor takes no arguments, got 'foo'",
    "data --foo": "unknown option --foo; see 'redditgnn data --help'",
    "data --raw": "--raw needs a folder, e.g. --raw synthetic",
    "data dataset=nothing": "dataset=nothing: no such option; 'redditgnn list datasets'",
    "data dataset=null": "dataset=null: dataset must be the name of an option",
    "data dataset.scale=-1 dataset=sbm": "dataset.scale must be positive, got -1",
    f"{KARATE}.datasets.Nothing": "has no attribute 'Nothing'); give the full path of a dataset",
    f"{KARATE}.datasets.Planetoid": "do not fit torch_geometric.datasets.Planetoid: TypeError: mi",
    f"{KARATE}.nn.GCNConv": "dataset.arguments do not fit torch_geometric.nn.GCNConv: TypeError",
    f"{KARATE}.datasets.FakeDataset": (
        "the files have no usable train_mask; set dataset.split=random"
    ),
    f"{KARATE}.datasets.WikiCS dataset.arguments=3": "dataset.arguments must be dict[str, ",
    "data data_dir={here}/data dataset=ogbn_arxiv dataset.url=foo": "unknown url type: 'foo'): pu",
    "data data_dir=/dev/null dataset=cora": "/dev/null/redditgnn-cache cannot be written (Not a d",
    "train results_dir=/dev/null dataset=sbm": "results_dir=/dev/null: /dev/null/runs.csv cannot "
    "be written: File exists; set another results_dir",
    "train results_dir=/dev/null/x dataset=sbm": "results_dir=/dev/null/x: /dev/null/x/runs.csv "
    "cannot be written: Not a directory; set another results_dir",
}


@pytest.mark.parametrize(("argv", "part"), ARGUMENTS.items(), ids=ARGUMENTS.keys())
def test_a_mistake_in_an_argument_is_one_line(
    argv: str, part: str, refused: Callable[..., str]
) -> None:
    assert part in refused(*shlex.split(argv))


def test_raw_files_that_cannot_be_written_are_one_line(refused: Callable[..., str]) -> None:
    tiny = ("dataset=sbm", "dataset.scale=0.001", "dataset.num_features=8", "dataset.num_classes=4")
    message = refused("data", *tiny, "data_dir={here}/data", "--raw", "/dev/null")
    assert message.startswith("--raw: /dev/null/Reddit/raw cannot be created (Not a directory)")


EDITED = {
    "another table": ("a,b\n1,2\n", "runs.csv"),
    "no table": ("hello\n", "runs.csv"),
    "nothing": ("", "runs.csv"),
    "no text": ("\udcff\udcfe", "runs.csv"),
}


@pytest.mark.parametrize("command", ["verify", "report"])
@pytest.mark.parametrize(("text", "part"), EDITED.values(), ids=EDITED.keys())
def test_a_runs_csv_that_is_none_is_named(
    text: str, part: str, command: str, tmp_path: Path, refused: Callable[..., str]
) -> None:
    (tmp_path / "results" / "runs.csv").write_bytes(text.encode("utf-8", "surrogateescape"))
    assert part in refused(command, "results_dir={here}/results")


MODEL = "_target_: redditgnn.model.mlp.MLP\n_partial_: true\n"
FILES = {
    "a tab": ("model/mine", "a: 1\n\tb: 2\n", "found character '\\t'"),
    "a key twice": ("model/mine", "a: 1\na: 2\n", "found duplicate key a in"),
    "a list": ("model/mine", "- 1\n", "model=mine: model must have _target_, the import path"),
    "nothing": ("model/mine", "", "model=mine: model must have _target_, the import path"),
    "no _target_": ("model/mine", "dropout: 0.5\n", "model=mine: model must have _target_"),
    "no such module": (
        "model/mine",
        "_target_: nope.Nope\n_partial_: true\n",
        "model=mine: Error locating target 'nope.Nope'; is it spelt right?",
    ),
    "a module for a class": (
        "model/mine",
        "_target_: redditgnn.model.gat\n_partial_: true\n",
        "model=mine: Expected a callable target",
    ),
    "no keys": ("model/mine", MODEL, "model.hidden_channels must have a value and has none; give"),
    "a bracket that is left open": ("model/mine", "a: [1\n", "expected ',' or ']'"),
    "no text": ("model/mine", "\udcff\udcfe", "not UTF-8 text"),
    "Python": (
        "model/mine",
        "x: !!python/object/apply:os.mkdir [ran]\n",
        "could not determine a constructor for the tag 'tag:yaml.org,2002:python/object/apply",
    ),
    "no such option": (
        "experiment/mine",
        "# @package _global_\ndefaults:\n  - override /model: nothing\n",
        "model=nothing: no such option",
    ),
    "no such group": (
        "experiment/mine",
        "# @package _global_\ndefaults:\n  - override /modle: gat\n",
        "modle: no such key (did you mean model?)",
    ),
    "no such top-level key": (
        "experiment/mine",
        "# @package _global_\nmodle: {a: 1}\n",
        "modle: there is no such key; leave it out",
    ),
    "defaults that are no list": (
        "experiment/mine",
        "# @package _global_\ndefaults: 3\n",
        "Invalid defaults list in 'experiment/mine', defaults must be a list",
    ),
}


@pytest.mark.parametrize(("option", "text", "part"), FILES.values(), ids=FILES.keys())
def test_a_mistake_in_a_file_of_ones_own_is_one_line(
    option: str, text: str, part: str, tmp_path: Path, refused: Callable[..., str]
) -> None:
    path = tmp_path / "conf" / f"{option}.yaml"
    path.parent.mkdir(parents=True)
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    chosen = option.replace("/", "=")
    message = refused("train", "dataset=sbm", "--config-dir", str(tmp_path / "conf"), chosen)
    assert part in message
