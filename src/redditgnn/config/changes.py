"""Changes of a trained run's settings: other data, another device."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from redditgnn.config.compose import compose_experiment
from redditgnn.config.settings import Settings
from redditgnn.errors import no_effect_error

TOP_LEVEL = ("data_dir", "results_dir", "device")
CHUNKS = "trainer.eval_chunk_edges"
BACKEND = "kernels.backend"
KEYS = ("dataset", *TOP_LEVEL, CHUNKS, BACKEND)


def with_changes(
    settings: Settings, overrides: Sequence[str], config_dir: Path | None = None
) -> Settings:
    """Return `settings` with the data, device and memory that `overrides` name.

    `dataset=NAME` chooses another dataset, with the values of its YAML. `dataset.KEY=VALUE` alone
    changes a key of the run's own. `config_dir` holds further options.

    Raises:
        ConfigError: a key has no effect on a trained model.
    """
    keys = [_key_of(override) for override in overrides]
    chooses = "dataset" in keys
    changes = any(key.startswith("dataset.") for key in keys)
    chosen = [f"dataset={settings.choices['dataset']}"] if changes and not chooses else []
    new, _ = compose_experiment([*chosen, *overrides], config_dir)
    top_level = {key: getattr(new, key) for key in TOP_LEVEL if key in keys}
    components = settings.components | {"dataset": _dataset(settings, new, keys)}
    if CHUNKS in keys:
        chunks = new.components["trainer"]["eval_chunk_edges"]
        components["trainer"] = components["trainer"] | {"eval_chunk_edges": chunks}
    return replace(
        settings,
        components=components,
        choices=settings.choices | ({"dataset": new.choices["dataset"]} if chooses else {}),
        kernels=new.kernels if BACKEND in keys else settings.kernels,
        **top_level,
    )


def names_data(overrides: Sequence[str]) -> bool:
    """Whether `overrides` choose the data."""
    keys = map(_key_of, overrides)
    return any(key == "data_dir" or key.split(".")[0] == "dataset" for key in keys)


def _key_of(override: str) -> str:
    key = override.lstrip("+~").partition("=")[0]
    if key in KEYS or key.startswith("dataset."):
        return key
    raise no_effect_error(override, key, "a trained model", KEYS, "dataset.KEY")


def _dataset(old: Settings, new: Settings, keys: Sequence[str]) -> dict[str, object]:
    if "dataset" in keys:
        return new.components["dataset"]
    values = dict(old.components["dataset"])
    for key in {key.split(".")[1] for key in keys if key.startswith("dataset.")}:
        values.pop(key, None)
        if key in new.components["dataset"]:
            values[key] = new.components["dataset"][key]
    return values
