"""The reference of every configuration key: a page a group of conf/, generated from its files.

Values and meanings are those of the YAML files, types those of the constructors' annotations, and
the text above each table is the docstring of what `_target_` names.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from hydra.utils import get_object

from redditgnn.config.arguments import types_in_words
from redditgnn.config.settings import Kernels, Settings
from redditgnn.sweep.settings import SlurmSettings, SweepSettings
from redditgnn.verify.target import Target
from scripts.docs.docstrings import as_markdown
from scripts.docs.yaml_keys import Key, header, read_keys

FOLDER = "reference"
GROUPS = (
    *("dataset", "embedding", "model", "sampler", "optimizer", "scheduler", "trainer", "tracker"),
    *("protocol", "parallel", "sweep", "communities", "map", "evolve"),
)
HEADER = "| key | default | type | meaning |\n| --- | --- | --- | --- |"
INTRODUCTION = """\
Choose one with `{group}=NAME`. Set its keys with `{group}.KEY=VALUE`. This page is generated from
the files of `conf/{group}/`."""


def pages(conf_dir: Path) -> dict[str, str]:
    """Return the text of every page by its path below docs/."""
    groups = {f"{FOLDER}/{group}.md": group_page(group, conf_dir) for group in GROUPS}
    return {
        f"{FOLDER}/top-level.md": top_level_page(conf_dir / "train.yaml"),
        **groups,
        f"{FOLDER}/experiment.md": experiments_page(conf_dir / "experiment"),
    }


def top_level_page(path: Path) -> str:
    """Return the page of conf/train.yaml: the keys of no group, and each group's default."""
    types = types_in_words(Settings) | _prefixed("kernels", types_in_words(Kernels))
    choices = [dict(entry) for entry in _values(path)["defaults"] if isinstance(entry, dict)]
    defaults = [
        f"| `{group}` | `{_shown(option)}` |"
        for choice in choices
        for group, option in choice.items()
        if " " not in group
    ]
    return "\n".join(
        [
            "# Top-level keys\n",
            "These keys belong to no group. This page is generated from `conf/train.yaml`.\n",
            table(read_keys(path, ""), types),
            "\n## Default options\n",
            "What each group is unless you choose another option. Their keys have pages of their",
            "own.\n",
            "| group | default |\n| --- | --- |",
            *defaults,
            "",
        ]
    )


def group_page(group: str, conf_dir: Path) -> str:
    """Return the page of one group: a section an option."""
    paths = sorted((conf_dir / group).glob("*.yaml"))
    targets = {path: _values(path).get("_target_", "") for path in paths}
    modules = Counter(target.rpartition(".")[0] for target in targets.values())
    alone = {path for path, target in targets.items() if modules[target.rpartition(".")[0]] == 1}
    sections = [option_section(group, path, targets[path], path in alone) for path in paths]
    parts = [f"# Keys of `{group}`", INTRODUCTION.format(group=group), *sections]
    return "\n\n".join(parts) + "\n"


def option_section(group: str, path: Path, target: str, with_module: bool) -> str:
    """Return the section of one option; `with_module`: its module is about nothing else."""
    title, *more = header(path)
    parts = [f"## {group}={path.stem}", f"{title.rstrip('.')}."]
    if any(more):
        parts.append("\n".join(["```text", *more, "```"]))
    if target.startswith("redditgnn."):
        parts.append(as_markdown(get_object(target), with_module))
    if target:
        parts.append(f"Built by `{target}`.")
    if keys := read_keys(path, group):
        parts.append(table(keys, _types(group, target)))
    elif not _values(path).get("defaults"):
        parts.append("It has no keys.")
    return "\n\n".join(part for part in parts if part)


def experiments_page(folder: Path) -> str:
    """Return the page of all experiments, and of the key `target` that they may have."""
    types = _prefixed("target", types_in_words(Target))
    lines = [f"| `{key}` | {_cell(kind)} |" for key, kind in types.items()]
    return "\n".join(
        [
            "# Keys of `experiment`\n",
            "An experiment sets a dataset, a model, a sampler and their keys at once. Choose one",
            "with `experiment=NAME`; keys after it on the command line win. Its file is a lab",
            "note: where each setting comes from, and what is expected.\n",
            "## The published number: `target`\n",
            "| key | type |\n| --- | --- |",
            *lines,
            "\n[Verify a published number](../verify.md) says what each is for.\n",
            "## All of them\n",
            "| experiment | what it is |\n| --- | --- |",
            *(_experiment_line(path) for path in sorted(folder.glob("*.yaml"))),
            "",
        ]
    )


def table(keys: Sequence[Key], types: Mapping[str, str]) -> str:
    """Return a row for each key; `types` says what a value must be, as far as it is known."""
    return "\n".join([HEADER, *(_row(key, types) for key in keys)])


def _row(key: Key, types: Mapping[str, str]) -> str:
    value = f"`{key.value}`" if key.value else ""
    return f"| `{key.name}` | {_cell(value)} | {_cell(_type(key, types))} | {_cell(key.comment)} |"


def _type(key: Key, types: Mapping[str, str]) -> str:
    """Say what a value must be: by its annotation, else by the type of the default."""
    if not key.value:
        return "mapping"
    if key.name in types:
        return types[key.name].removeprefix("a ").replace("typing.Any", "any")
    value = yaml.safe_load(key.value)
    return "" if value is None else type(value).__name__


def _types(group: str, target: str) -> dict[str, str]:
    if group == "sweep":
        slurm = _prefixed("slurm", types_in_words(SlurmSettings))
        return _prefixed(group, types_in_words(SweepSettings) | slurm)
    return _prefixed(group, types_in_words(get_object(target))) if target else {}


def _prefixed(prefix: str, types: Mapping[str, str]) -> dict[str, str]:
    return {f"{prefix}.{key}": kind for key, kind in types.items() if key != "return"}


def _experiment_line(path: Path) -> str:
    link = f"[`{path.stem}`](../../conf/experiment/{path.name})"
    return f"| {link} | {_cell(header(path)[0])} |"


def _values(path: Path) -> dict[str, Any]:
    return dict(yaml.safe_load(path.read_text(encoding="utf-8")) or {})


def _shown(value: Any) -> str:
    return "null" if value is None else str(value)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
