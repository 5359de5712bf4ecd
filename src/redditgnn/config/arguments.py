"""Checks of keyword arguments from YAML or the command line against what a call takes."""

from __future__ import annotations

import inspect
import math
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from typing import Any, Literal

from beartype import BeartypeConf
from beartype.door import is_bearable
from typing_extensions import Unpack

from redditgnn.errors import ConfigError, require

LARGEST = 1e30  # float32 ends at 3.4e38, and optimizers multiply
# PEP 484: an int is acceptable where a float is expected.
_TYPE_RULES = BeartypeConf(is_pep484_tower=True)


def check_types(group: str, call: partial[Any]) -> None:
    """Compare the keyword arguments of `call` with what the function that it calls takes.

    Our own functions, and constructors inherited from ours, are checked against their annotations.
    Those of other libraries are checked against numeric defaults and the annotation `int`.
    Numbers must be finite. Integers must fit into 64 bits, other numbers into 32.

    Raises:
        ConfigError: names key, expected type and value.
    """
    prefix = f"{group}." if group else ""
    _refuse_unknown(prefix, call)
    hints = _hints(call.func)
    for key, value in call.keywords.items():
        if key in hints and not _fits(value, hints[key]):
            raise ConfigError(f"{prefix}{key} must be {_describe_type(hints[key])}, got {value!r}")
        _refuse_extreme(f"{prefix}{key}", value)


def types_in_words(target: Callable[..., Any]) -> dict[str, str]:
    """Say what each keyword argument of `target` must be, as messages and the documentation do."""
    return {key: _describe_type(hint) for key, hint in _hints(target).items()}


def _hints(target: Callable[..., Any]) -> Mapping[str, Any]:
    ours = _is_ours(target) or _is_ours(_constructor(target))
    return _type_hints(target) if ours else _numeric_hints(target)


def _refuse_unknown(prefix: str, call: partial[Any]) -> None:
    parameters = parameters_of(call.func)
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        return
    for key in call.keywords:
        if key not in parameters:
            text = f"{prefix}{key}: there is no such key" + (prefix and f" of {call.func.__name__}")
            raise ConfigError(f"{text}; leave it out, or remove it with ~{prefix}{key}")


def refuse_missing(prefix: str, call: partial[Any], facts: Sequence[str] = ()) -> None:
    """Refuse a `call` that lacks a keyword argument which is not among the `facts` either."""
    for name, parameter in parameters_of(call.func).items():
        needed = parameter.kind is parameter.KEYWORD_ONLY and parameter.default is parameter.empty
        if needed and name not in call.keywords and name not in facts:
            key = prefix + name
            raise ConfigError(f"{key} must have a value and has none; give it one: +{key}=VALUE")


def _refuse_extreme(key: str, value: Any) -> None:
    """Refuse nan, infinity and integers that no tensor can hold, also as entries of a list."""
    for number in value if isinstance(value, list) else [value]:
        if isinstance(number, float):
            require(math.isfinite(number), f"{key} must be finite, got {value}")
            require(abs(number) <= LARGEST, f"{key} must be at most {LARGEST:g}, got {value}")
        elif isinstance(number, int):
            require(abs(number) < 2**63, f"{key} must be below 2**63, got {value}")


def parameters_of(target: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    """Return the parameters of `target` by name; keys of `**kwargs: Unpack[...]` count as such."""
    try:
        parameters = dict(inspect.signature(target).parameters)
    except ValueError:  # a function in C without a signature
        return {"anything": inspect.Parameter("anything", inspect.Parameter.VAR_KEYWORD)}
    for name, keys in _unpacked_keys(target).items():
        del parameters[name]
        parameters |= {
            key: inspect.Parameter(key, inspect.Parameter.KEYWORD_ONLY, annotation=hint)
            for key, hint in keys.items()
        }
    return parameters


def _type_hints(target: Callable[..., Any]) -> dict[str, Any]:
    """Return the types of the parameters of `target`, with those of `Unpack[...]` by key."""
    hints = dict(_own_hints(_constructor(target)))
    for name, keys in _unpacked_keys(target).items():
        del hints[name]
        hints |= keys
    return hints


@cache
def _own_hints(function: Any) -> Mapping[str, Any]:
    """Return the annotations of `function`, which Python evaluates anew at every call."""
    return typing.get_type_hints(function)


def _unpacked_keys(target: Callable[..., Any]) -> dict[str, dict[str, Any]]:
    """Return keys and types of each parameter `**name: Unpack[SomeTypedDict]` in our code."""
    constructor = _constructor(target)
    if not (_is_ours(target) or _is_ours(constructor)):
        return {}
    return {
        name: dict(_own_hints(typing.get_args(hint)[0]))
        for name, hint in _own_hints(constructor).items()
        if typing.get_origin(hint) is Unpack
    }


def _is_ours(function: Any) -> bool:
    return (getattr(function, "__module__", None) or "").startswith("redditgnn.")


def _constructor(target: Callable[..., Any]) -> Callable[..., Any]:
    return inspect.getattr_static(target, "__init__") if isinstance(target, type) else target


def _numeric_hints(target: Callable[..., Any]) -> Mapping[str, Any]:
    parameters = parameters_of(target).values()
    defaults = {p.name: float for p in parameters if type(p.default) in (int, float)}
    integers = {p.name: int for p in parameters if p.annotation in (int, "int")}
    return defaults | integers


def _fits(value: Any, hint: Any) -> bool:
    accepted = typing.get_args(hint) or (hint,)
    if isinstance(value, list) and typing.get_origin(hint) in (list, Sequence):
        return all(_fits(entry, accepted[0]) for entry in value)
    if isinstance(value, bool) and bool not in accepted and (int in accepted or float in accepted):
        return False  # bool is a subclass of int
    return is_bearable(value, hint, conf=_TYPE_RULES)


def _describe_type(hint: Any) -> str:
    """Describe a type as a user would: `int`, `batch or layer or null`, `list[int]`."""
    if hint is type(None):
        return "null"
    if hint is float:
        return "a number"
    if typing.get_origin(hint) is Literal:
        return " or ".join(map(str, typing.get_args(hint)))
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        args = typing.get_args(hint)
        return " or ".join(
            _describe_type(arg) for arg in args if arg is not int or float not in args
        )
    if typing.get_origin(hint) in (list, Sequence):
        return f"list[{_describe_type(typing.get_args(hint)[0])}]".replace("a number", "number")
    if typing.get_origin(hint) is Callable:
        return "a class, by _target_ and _partial_: true"
    return hint.__name__ if type(hint) is type else str(hint)
