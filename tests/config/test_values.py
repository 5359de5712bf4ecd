"""Plain values are read, set and resolved as OmegaConf does it."""

from __future__ import annotations

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from redditgnn import CONF_DIR
from redditgnn.config.values import parse_yaml, resolve, set_values

TEXT = """
a: {b: 1e-3, c: [1, 2.5, yes, ~, 2020-01-01, 1_000], d: "${e.f}"}
e: {f: "${a.b}", g: "${oc.env:NOWHERE,x y}", h: '${.f} and \\${a.b}', i: 0x1F}
k: {l: [{m: "${....e.f}"}, "${e}"]}
"""


def test_every_file_is_read_as_by_omegaconf() -> None:
    for path in CONF_DIR.rglob("*.yaml"):
        text = path.read_text(encoding="utf-8")
        assert repr(parse_yaml(text)) == repr(OmegaConf.to_container(OmegaConf.create(text)))
    assert repr(parse_yaml(TEXT)) == repr(OmegaConf.to_container(OmegaConf.create(TEXT)))


@pytest.mark.parametrize("text", ["a: 1\na: 2\n", "a: {", "a: [1}"])
def test_what_is_no_yaml_or_has_a_key_twice_is_an_error(text: str) -> None:
    with pytest.raises(YAMLError):
        parse_yaml(text)


def test_interpolations_are_resolved_as_by_omegaconf() -> None:
    expected = OmegaConf.to_container(OmegaConf.create(TEXT), resolve=True)
    assert resolve(parse_yaml(TEXT)) == expected


@pytest.mark.parametrize("text", ["a: ???", "a: {b: ['???']}", "a: {b: '${c.d}'}\nc: {}"])
def test_what_has_no_value_is_an_error(text: str) -> None:
    with pytest.raises(OmegaConfBaseException):
        resolve(parse_yaml(text))


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("a.b=2 a.b=3", {"a": {"b": 3, "c": [1, 2]}, "d": {}}),
        ("a.c=[5,x]", {"a": {"b": 1, "c": [5, "x"]}, "d": {}}),
        ("a.c.1=7", {"a": {"b": 1, "c": [1, 7]}, "d": {}}),
        ("a={b:9}", {"a": {"b": 9, "c": [1, 2]}, "d": {}}),
        ("a=null", {"a": None, "d": {}}),
        ("+d.e=1 d.e=2", {"a": {"b": 1, "c": [1, 2]}, "d": {"e": 2}}),
        ("~a.b", {"a": {"c": [1, 2]}, "d": {}}),
    ],
)
def test_values_are_set_in_a_copy(line: str, expected: dict[str, object]) -> None:
    values = {"a": {"b": 1, "c": [1, 2]}, "d": {}}
    changes = OverridesParser.create().parse_overrides(line.split())
    assert set_values(values, changes) == expected
    assert values == {"a": {"b": 1, "c": [1, 2]}, "d": {}}


@pytest.mark.parametrize("line", ["x=1", "a.x=1", "a.b.c=1", "~a.x", "+a.b=2"])
def test_a_key_that_is_not_there_or_is_there_already_is_an_error(line: str) -> None:
    with pytest.raises((HydraException, OmegaConfBaseException)):
        set_values({"a": {"b": 1}}, OverridesParser.create().parse_overrides([line]))
