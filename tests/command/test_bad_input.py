"""A mistake on the command line is answered in one line, exit code 2, and costs nothing."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from redditgnn.config.compose import compose_settings

TRAIN = "train dataset=sbm dataset.scale=0.001 dataset.num_features=8 dataset.num_classes=4"
TRAIN += " model.hidden_channels=8 trainer.epochs=1 device=cpu"
TRAIN += " data_dir={here}/data results_dir={here}/results"
PARTS = "sampler.num_parts=4 sampler.batch_size=2"
CONV = "model=pyg model.conv._target_=torch_geometric.nn"

GROUPS_AND_KEYS = {
    "model=gatt": "model=gatt: no such option (did you mean model=gat?); the options are appnp, ",
    "scheduler=steps": "scheduler=steps: no such option (did you mean scheduler=step?)",
    "experiment=nothing": "experiment=nothing: no such option; 'redditgnn list experiments' lists",
    "modle=gat": "modle: no such key (did you mean model?)",
    "seeed=1": "seeed: no such key (did you mean seed?)",
    "MODEL=gat": "MODEL: no such key; 'redditgnn train --cfg job' prints all keys",
    "model@foo=gat": "model@foo: no such key (did you mean model?)",
    "model.hiden_channels=3": "model.hiden_channels: no such key (did you mean model.hidden_chann",
    "model.heads=3": "model.heads: no such key under the chosen model",
    "+model.foo=1": "model.foo: there is no such key of GraphSAGE; leave it out, or remove it",
    "optimizer=sgd +optimizer.betas=[1,2]": "optimizer.betas: there is no such key of sgd; leave",
    "+scheduler.foo=1": "scheduler.foo: there is no such key of ConstantLR; leave it out",
    "sampler=full +sampler.batch_size=3": "sampler.batch_size: there is no such key of FullSampler",
    "+model.dropout=0.1": "An item is already at 'model.dropout'. Either remove + prefix",
    "+model=gat": "Multiple values for model",
    "~foo": "Could not delete from config. 'foo' does not exist",
    "~model": "model.hidden_channels: no such key",
    "~model.dropout": "model.dropout must have a value and has none; give it one: +model.dropout=",
    "~seed": "seed must have a value and has none; give it one: +seed=VALUE",
    "~model._target_": "model=sage: model must have _target_, the import path of a function or cl",
    "model._partial_=false": "model=sage: model must have _target_, the import path of a funct",
    "experiment=null": "experiment=null: experiment must be the name of an option, see 'redditg",
    "dataset=": "dataset=: dataset must be the name of an option, see 'redditgnn list datasets'",
    "model=gcn,": "'model=gcn,' cannot be read as KEY=VALUE; quote lists and spaces: 'KEY=[1,2]'",
    "model=null": "model=null: model must be the name of an option, see 'redditgnn list models'",
    "sampler=3": "sampler=3: sampler must be the name of an option, see 'redditgnn list samplers'",
    "model=[gat]": "model=[gat]: model must be the name of an option, see 'redditgnn list models'",
    "hydra.verbose=true": "hydra.verbose=true: keys of Hydra have no effect here; leave it out",
    "hydra/launcher=basic": "hydra/launcher=basic: keys of Hydra have no effect here; leave it out",
    "=3": "'=3' is not KEY=VALUE; name the key in front of '='",
    "'foo bar'": "'foo bar' cannot be read as KEY=VALUE",
    "foo": "'foo' is not KEY=VALUE; quote lists and spaces: 'KEY=[1,2]'",
    "model.dropout==3": "'model.dropout==3' is not KEY=VALUE",
    "model..dropout=3": "'model..dropout=3' cannot be read as KEY=VALUE",
    "model.hidden_channels=[1": "'model.hidden_channels=[1' cannot be read as KEY=VALUE",
    "model=gat,gcn": "model=gat,gcn has several values: 'redditgnn train -m' runs each",
    "'model.dropout=${foo}'": "model.dropout: Interpolation key 'foo' not found",
    "'model.dropout=${oc.env:NOT_THERE}'": "Environment variable 'NOT_THERE' not found",
    "'model.dropout=${model.dropout}'": "model.dropout: Recursive interpolation detected",
}
TYPES = {
    "seed=1.5": "seed must be int, got 1.5",
    "optimizer.lr=1e38": "optimizer.lr must be at most 1e+30, got 1e+38",
    "trainer.max_time=5": "trainer.max_time must be a positive duration with its unit (s, min",
    "sampler.batch_size=aut": "sampler.batch_size must be an int or auto, got 'aut'",
    "dataset.scale=1000": "dataset.scale must be smaller: 1000 takes ",
    "seed=null": "seed must be int, got None",
    "seed=''": "seed must be int, got ''",
    "data_dir=null": "data_dir must be str, got None",
    "device=cuda:x": "device must be auto, cpu, cuda or cuda:NUMBER, got 'cuda:x'",
    "trainer.epochs=1e3": "trainer.epochs must be int, got 1000.0",
    "trainer.epochs=[1,2]": "trainer.epochs must be int, got [1, 2]",
    "trainer.epochs=true": "trainer.epochs must be int, got True",
    "model.norm=[batch]": "model.norm must be batch or layer or null, got ['batch']",
    "model.hidden_channels=wide": "model.hidden_channels must be int, got 'wide'",
    "model.hidden_channels=null": "model.hidden_channels must be int, got None",
    "optimizer.betas=0.9": "optimizer.betas must be list[number], got 0.9",
    "optimizer.betas=[a,b]": "optimizer.betas must be list[number], got ['a', 'b']",
    "sampler.num_neighbors=5": "sampler.num_neighbors must be list[int], got 5",
    "sampler.num_neighbors=[5,null]": "sampler.num_neighbors must be list[int], got [5, None]",
    "sampler.num_neighbors=[5,true]": "sampler.num_neighbors must be list[int], got [5, True]",
    "model=pna model.aggregators=[median]": "must be list[mean or max or min or std], got ['med",
    "model=pyg model.conv=GCNConv": "model.conv must be a class, by _target_ and _partial_: true",
    "scheduler=step scheduler.step_size=1.5": "scheduler.step_size must be int, got 1.5",
    "scheduler=step scheduler.step_size=null": "scheduler.step_size must be int, got None",
    "scheduler=plateau scheduler.min_lr=[1,2]": "scheduler.min_lr must be a number, got [1, 2]",
    "kernels.backend=cuda": "kernels.backend must be auto or torch or numba or triton, got 'cuda'",
}
RANGES = {
    "seed=-1": "seed must be in [0, 2**63), got -1",
    "seed=9223372036854775808": "seed must be below 2**63, got 9223372036854775808",
    "model.hidden_channels=99999999999999999999": "model.hidden_channels must be below 2**63, got",
    "sampler.num_neighbors=[99999999999999999999,5]": "sampler.num_neighbors must be below 2**63",
    "model.hidden_channels=0": "model.hidden_channels must be positive, got 0",
    "model.num_layers=-1": "model.num_layers must be positive, got -1",
    "model.dropout=1": "model.dropout must be in [0, 1), got 1",
    "model.dropout=nan": "model.dropout must be finite, got nan",
    "model.input_dropout=-0.1": "model.input_dropout must be in [0, 1), got -0.1",
    "model=gat model.heads=0": "model.heads must be positive, got 0",
    "model=gat model.negative_slope=-1": "model.negative_slope must be 0 or positive, and finite",
    "model=gcn2 model.alpha=1": "model.alpha must be in [0, 1), got 1",
    "model=gcn2 model.theta=inf": "model.theta must be finite, got inf",
    "model=appnp model.alpha=2": "model.alpha must be in [0, 1], got 2",
    "model=pna model.scalers=[]": "model.scalers must name at least one, as in [identity]",
    "optimizer.lr=-1": "optimizer.lr must be at least 0, got -1",
    "optimizer.lr=inf": "optimizer.lr must be finite, got inf",
    "optimizer.weight_decay=-1": "optimizer.weight_decay must be at least 0, got -1",
    "optimizer.nonreg_weight_decay=-1": "optimizer.nonreg_weight_decay must be at least 0, got",
    "optimizer.betas=[0.9]": "optimizer.betas must be two numbers in [0, 1), got [0.9]; try '[0.9",
    "optimizer.betas=[1,2]": "optimizer.betas must be two numbers in [0, 1), got [1, 2]; try",
    "optimizer.eps=-1": "optimizer.eps must be at least 0, got -1",
    "optimizer=sgd optimizer.momentum=-1": "optimizer.momentum must be in [0, 1), got -1",
    "scheduler=step scheduler.step_size=0": "scheduler.step_size must be positive, got 0",
    "scheduler=step scheduler.gamma=-1": "scheduler.gamma must be at least 0, got -1",
    "scheduler=cosine scheduler.T_max=0": "scheduler.T_max must be positive, got 0",
    "scheduler=plateau scheduler.patience=-1": "scheduler.patience must be at least 0, got -1",
    "scheduler=plateau scheduler.mode=up": "scheduler.mode must be min or max, got 'up'",
    "scheduler.factor=2": "scheduler=constant: Constant multiplicative factor expected to be bet",
    "trainer.epochs=0": "trainer.epochs must be positive, got 0",
    "trainer.eval_every=-2": "trainer.eval_every must be positive, got -2",
    "trainer.patience=0": "trainer.patience must be positive, got 0",
    "trainer.grad_clip=-1": "trainer.grad_clip must be positive, or null for no clipping, got -1",
    "sampler.batch_size=0": "sampler.batch_size must be positive, got 0",
    "sampler.num_neighbors=[5,-2]": "sampler.num_neighbors must be positive, or -1 for all",
    "sampler=cluster sampler.num_parts=0": "sampler.num_parts must be positive, got 0",
    "sampler=cluster": "sampler.num_parts must be in [1, 233] (the nodes to train on), got 1500; t",
    f"sampler=gas {PARTS} sampler.max_steps=0": "sampler.max_steps must be positive, or null",
    f"sampler=gas {PARTS} sampler.refresh_every=-1": "sampler.refresh_every must be at least 0, g",
    f"sampler=gas {PARTS} sampler.lipschitz_noise=0": "sampler.lipschitz_noise must be positive",
    "sampler=saint_rw sampler.walk_length=0": "sampler.walk_length must be positive, got 0",
    "sampler=saint_edge sampler.num_steps=-3": "sampler.num_steps must be positive, got -3",
    "dataset.scale=nan": "dataset.scale must be finite, got nan",
    "dataset.scale=1e-9": "dataset.scale must be at least 6.9e-05 for 4 nodes per class, got 1e-09",
    "dataset.scale=1e9": "dataset.scale must be below 9218, since node ids have 32 bits, got",
    "dataset.num_classes=1": "dataset.num_classes must be at least 2, got 1",
    "dataset.homophily=1.1": "dataset.homophily must be in [0, 1], got 1.1",
    "dataset.class_skew=100": "dataset.class_skew must be at most 10, got 100",
    "dataset.name=../x": "dataset.name must be a plain file name, got '../x'",
    "data_dir=": "data_dir must name a folder, got ''; data_dir=. is the one you are in",
    "results_dir=": "results_dir must name a folder, got ''; results_dir=. is the one you are in",
}
COMBINATIONS = {
    f"sampler=saint_node sampler.batch_size={10**15}": "sampler.batch_size must be at most ",
    f"sampler=saint_edge sampler.batch_size={10**15}": "can draw at once, got 1000000000000000",
    f"sampler=saint_rw sampler.walk_length={10**15}": "at most 0 with sampler.walk_length=1",
    "sampler.num_neighbors=[5]": "sampler.num_neighbors must have one entry for each of model.num"
    "_layers=2, got [5]; try 'sampler.num_neighbors=[5,5]'",
    "model.num_layers=3": "of model.num_layers=3, got [25, 10]; try 'sampler.num_neighbors=[25,10,",
    "sampler=neighbor_tree sampler.num_neighbors=[5,-1]": "for all neighbours use sampler=neighbor",
    "sampler=neighbor_tree sampler.cuda_graph=true": "sampler.cuda_graph=true needs device=cuda",
    "sampler.feature_tier=pinned": "sampler.feature_tier=pinned needs device=cuda; use sampler.fea",
    "sampler=neighbor_tree sampler.feature_tier=packed": "packed is for sampler=neighbor: trees",
    "sampler=full sampler.feature_tier=packed": "sampler.feature_tier",
    "sampler=cluster sampler.num_parts=10": "sampler.batch_size must be at most sampler.num_parts",
    "model=gat model.heads=3": "model.hidden_channels must be a multiple of model.heads=3, got 8;",
    "model=pna model.towers=3": "model.hidden_channels must be a multiple of model.towers=3, got 8",
    "optimizer=sgd optimizer.momentum=0 optimizer.nesterov=true": "needs optimizer.momentum above",
    "trainer.precision=tf32": "trainer.precision=tf32 needs a CUDA device, and this run is on the",
    "trainer.memory_limit_gib=nan": "trainer.memory_limit_gib must be finite, got nan",
    "kernels.backend=triton model=gat": "kernels.backend=triton cannot run here: it is made for",
    f"{CONV}.GCNConv": "sampler=neighbor would give wrong numbers: this convolution reads more th",
    f"{CONV}.GCNConv sampler=gas {PARTS}": "sampler=gas would give wrong numbers: this convolution",
    f"{CONV}.GINConv": "model.conv._target_=GINConv cannot be built from (in_channels, out_channe",
    f"{CONV}.GCNConv +model.conv.cached=true": "model.conv.cached must be false: GCNConv would re",
    f"{CONV}.TransformerConv +model.conv.heads=2": "gives 16; with several heads add +model.conv.",
    f"{CONV}.ChebConv +model.conv.K=0": "model.conv._target_=ChebConv cannot be built from",
    f"{CONV}.CuGraphSAGEConv": "model.conv._target_=CuGraphSAGEConv cannot be built from",
    f"{CONV}.Nothing": "model=pyg: Error locating target 'torch_geometric.nn.Nothing'; is it spelt",
    "model=pyg model.conv._target_=os.getcwd": "model.conv._target_=getcwd cannot be built from",
    "model=pyg model.conv._partial_=false": "set _partial_ to true",
    "optimizer._target_=torch.optim": "optimizer=adam: Expected a callable target, got",
    "scheduler._target_=builtins.id ~scheduler.factor ~scheduler.total_iters": "scheduler=constant"
    ": scheduler._target_ must give a scheduler, which has step(), got int",
    "model._target_=redditgnn.model.gat.GAT": "model.aggr: there is no such key of GAT; leave it",
}
FLAGS = {
    "-x": "unrecognized arguments: -x; see 'redditgnn train --help'",
    "--cfg foo": "argument --cfg/-c: invalid choice: 'foo'",
    "--config-dir /not/there": "--config-dir must be a folder that exists, got /not/there",
    "--config-name foo": "--config-name is no option of redditgnn; see 'redditgnn train --help'",
}
TABLE = GROUPS_AND_KEYS | TYPES | RANGES | COMBINATIONS | FLAGS
PROCESSES = [
    pytest.param("scheduler=step scheduler.step_size=0", marks=pytest.mark.slow),  # imports torch
    "-x",
]


@pytest.mark.parametrize(("arguments", "part"), TABLE.items(), ids=TABLE.keys())
def test_a_mistake_is_one_line_and_nothing_is_lost(
    arguments: str, part: str, refused: Callable[..., str]
) -> None:
    assert part in refused(*shlex.split(TRAIN), *shlex.split(arguments))


@pytest.mark.parametrize("arguments", PROCESSES)
def test_it_is_the_same_in_a_process_of_its_own(arguments: str, tmp_path: Path) -> None:
    text = TRAIN.replace("{here}", str(tmp_path))
    command = [sys.executable, "-m", "redditgnn", *shlex.split(text), *shlex.split(arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("redditgnn: ")
    assert TABLE[arguments] in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "results" / "runs.csv").exists()


def test_the_table_is_long() -> None:
    assert len(TABLE) >= 80


def test_a_mistake_made_elsewhere_is_the_same_mistake() -> None:
    with pytest.raises(Exception, match="model=null: model must be the name of an option"):
        compose_settings(["model=null"])
