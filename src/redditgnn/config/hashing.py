"""The hash of a configuration, which identifies repetitions of one experiment.

A component of ours is hashed by its option in conf/, not by its import path. So modules may move,
and earlier rows keep their hash.
"""

from __future__ import annotations

import functools
import hashlib
import json
import re
from typing import Any

from hydra.utils import get_object

from redditgnn import CONF_DIR
from redditgnn.config.arguments import parameters_of
from redditgnn.config.settings import Settings

# No score depends on these. Those of `protocol=temporal` depend on times, and their fingerprint
# hashes the times themselves.
LATER_KEYS_NOT_HASHED = ("dataset.times", "sampler.pack_gib")
NOT_HASHED = ("trainer.checkpoint_every", "sampler.cuda_graph", *LATER_KEYS_NOT_HASHED)
HASHED_IF_SET = (  # keys added later: unset, they change no earlier hash
    "trainer.class_weight",
    "trainer.max_time",
    "trainer.recompute",
    "trainer.batches_per_step",
    *(f"dataset.{key}" for key in ("edge_weight", "labels", "train_ratio", "val_ratio")),
    "dataset.undirected",
    *("dataset.edge_time", "dataset.node_time"),
    "sampler.partition",
    "dataset.inputs",
    "embedding.drop_pairs",
)
NEUTRAL = {"trainer.batches_per_step": 1}  # values that do the same as none
EARLIER_DEFAULTS = {"dataset.folder": "WikiCS"}  # of keys that are null by default since then

# The first rows were hashed by import path. Options of that time keep that path, wherever the code
# is now. An option that is not listed here is hashed by its own name.
FIRST_PATHS = {
    "dataset": {
        "ogbn_arxiv": "redditgnn.dataset.ogb.load",
        "ppi": "redditgnn.dataset.ppi.load",
        "pyg": "redditgnn.dataset.pyg.load",
        "sbm": "redditgnn.dataset.sbm.load",
        "sbm_multilabel": "redditgnn.dataset.sbm_multilabel.load",
    },
    "model": {
        "appnp": "redditgnn.model.appnp.APPNP",
        "gat": "redditgnn.model.gat.GAT",
        "gatv2": "redditgnn.model.gatv2.GATv2",
        "gcn": "redditgnn.model.gcn.GCN",
        "gcn2": "redditgnn.model.gcn2.GCN2",
        "gin": "redditgnn.model.gin.GIN",
        "mlp": "redditgnn.model.mlp.MLP",
        "pna": "redditgnn.model.pna.PNA",
        "pyg": "redditgnn.model.pyg.PygStack",
        "sage": "redditgnn.model.sage.GraphSAGE",
        "sgc": "redditgnn.model.sgc.SGC",
        "sign": "redditgnn.model.sign.SIGN",
    },
    "sampler": {
        "cluster": "redditgnn.sampler.cluster.ClusterSampler",
        "full": "redditgnn.sampler.full.FullSampler",
        "gas": "redditgnn.sampler.gas.GASSampler",
        "neighbor": "redditgnn.sampler.neighbor.NeighborSampler",
        "neighbor_pyg": "redditgnn.sampler.neighbor_pyg.PygNeighborSampler",
        "neighbor_tree": "redditgnn.sampler.neighbor_tree.TreeSampler",
        "saint_edge": "redditgnn.sampler.saint.SaintEdge",
        "saint_node": "redditgnn.sampler.saint.SaintNode",
        "saint_rw": "redditgnn.sampler.saint.SaintRandomWalk",
    },
    "optimizer": {
        "adam": "redditgnn.optimizer.adam",
        "adamw": "redditgnn.optimizer.adamw",
        "sgd": "redditgnn.optimizer.sgd",
    },
    "trainer": {"default": "redditgnn.trainer.Trainer"},
}


def hash_of_config(settings: Settings) -> str:
    """Hash every setting that a score may depend on, except the seed."""
    components = {
        group: {
            key: _hashed_value(group, key, value)
            for key, value in values.items()
            if is_hashed(f"{group}.{key}", value)
        }
        for group, values in settings.with_embedding(settings.components).items()
    }
    parallel = [settings.parallel.hashed] if settings.parallel.hashed else []
    text = json.dumps([settings.protocol_keys, components, *parallel], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _hashed_value(group: str, key: str, value: Any) -> Any:
    if key == "_target_":
        return _component_id(group, value)
    return EARLIER_DEFAULTS.get(f"{group}.{key}") if value is None else value


def is_hashed(key: str, value: Any) -> bool:
    """Whether a score may depend on the setting `key` of this `value`."""
    is_unset = value is None or NEUTRAL.get(key) == value
    return key not in NOT_HASHED and not (key in HASHED_IF_SET and is_unset)


def with_later_keys(components: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Add the keys that the settings of an earlier run lack, unset."""
    completed = {group: dict(values) for group, values in components.items()}
    for group, name in (key.split(".") for key in (*HASHED_IF_SET, *LATER_KEYS_NOT_HASHED)):
        if group in completed and name in parameters_of(get_object(completed[group]["_target_"])):
            completed[group].setdefault(name, None)
    return completed


def _component_id(group: str, target: str) -> str:
    """Return the id that replaces the import path `target` in a hash.

    Options that share a target share an id: the one in `FIRST_PATHS`, or the first by name. The id
    of foreign code, and of our code that no option names, is the import path itself.
    """
    first_paths = FIRST_PATHS.get(group, {})
    targets = packaged_targets(group)
    for option in (*first_paths, *sorted(targets)):
        if targets.get(option) == target:
            return first_paths.get(option, f"{group}/{option}")
    return target


def current_target(group: str, target: str) -> str:
    """Return today's import path of what was `target` when a run recorded it."""
    for option, path in FIRST_PATHS.get(group, {}).items():
        if path == target:
            return packaged_targets(group).get(option, target)
    return target


@functools.cache
def packaged_targets(group: str) -> dict[str, str]:
    """Return the `_target_` of each option of `group` in our conf/ that names our code."""
    targets = {}
    for path in (CONF_DIR / group).glob("*.yaml"):
        line = re.search(
            r"^_target_: *(redditgnn\.\S+)", path.read_text(encoding="utf-8"), re.MULTILINE
        )
        if line:
            targets[path.stem] = line[1]
    return targets
