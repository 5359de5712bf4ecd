"""Plain values of a configuration: read from files, set, and resolved as OmegaConf does it.

OmegaConf makes an object of each value, which takes most of the time. It is asked for what has an
interpolation, and for values that are set in any other way than by `KEY=VALUE`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from functools import cache
from typing import Any

import yaml
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.override_parser.types import Override, OverrideType
from omegaconf import OmegaConf
from omegaconf._utils import get_yaml_loader

Values = dict[str, Any]
NEEDS_OMEGACONF = re.compile(r"\$\{|^\?\?\?$")  # an interpolation, or a value that is missing


def parse_yaml(text: str) -> Any:
    """Read YAML as OmegaConf does, with its numbers and without double keys.

    Raises:
        YAMLError: `text` is no YAML.
    """
    return yaml.load(text, Loader=_yaml_loader())


@cache
def _yaml_loader() -> Any:
    """Return OmegaConf's loader, with the parser in C where PyYAML has it."""
    loader = get_yaml_loader()
    if not yaml.__with_libyaml__:
        return loader

    class Loader(yaml.cyaml.CParser, loader):  # type: ignore[misc, valid-type]
        def __init__(self, stream: str) -> None:
            yaml.cyaml.CParser.__init__(self, stream)
            yaml.constructor.SafeConstructor.__init__(self)
            yaml.resolver.Resolver.__init__(self)

    return Loader


def set_values(values: Values, changes: Sequence[Override]) -> Values:
    """Return `values` with those of a command line. They may share parts: do not change them.

    Raises:
        HydraException, OmegaConfBaseException: there is no such key.
    """
    for number, change in enumerate(changes):
        path = change.key_or_group.split(".")
        if not _is_plain(change, values, path):
            return _set_by_omegaconf(values, changes[number:])
        values = _set(values, path, change.value())
    return values


def _is_plain(change: Override, values: Any, path: Sequence[str]) -> bool:
    """Whether a change gives a value to a key that is there, and is not merged into others."""
    *above, last = path
    for key in above:
        values = values.get(key) if isinstance(values, dict) else None
    known = isinstance(values, dict) and last in values
    by_hand = change.type is OverrideType.CHANGE and change.package is None
    return known and by_hand and not isinstance(change.value(), dict)


def _set(values: Values, path: Sequence[str], value: Any) -> Values:
    first, *rest = path
    return {**values, first: _set(values[first], rest, value) if rest else value}


def _set_by_omegaconf(values: Values, changes: Sequence[Override]) -> Values:
    config = OmegaConf.create(values)
    OmegaConf.set_struct(config, True)
    ConfigLoaderImpl._apply_overrides_to_config(list(changes), config)
    changed = OmegaConf.to_container(config)
    assert isinstance(changed, dict)
    return {str(key): value for key, value in changed.items()}


def resolve(values: Values) -> Values:
    """Return a copy of `values` without interpolations.

    Raises:
        OmegaConfBaseException: one of them has no value.
    """
    resolved = deepcopy(values)
    words = {key: set(_words(value)) for key, value in values.items()}
    interpolated = [key for key in values if words[key]]
    if interpolated:
        needed = {*interpolated, *(word for key in interpolated for word in words[key])}
        config = OmegaConf.create({key: values[key] for key in values if key in needed})
        container = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
        assert isinstance(container, dict)
        resolved |= {key: container[key] for key in interpolated}
    return resolved


def _words(value: Any) -> Iterator[str]:
    """Yield each text in `value` that OmegaConf has to read, and its words: some may be keys."""
    if isinstance(value, str) and NEEDS_OMEGACONF.search(value):
        yield value
        yield from re.findall(r"\w+", value)
    elif isinstance(value, Mapping):
        for entry in value.values():
            yield from _words(entry)
    elif isinstance(value, list):
        for entry in value:
            yield from _words(entry)
