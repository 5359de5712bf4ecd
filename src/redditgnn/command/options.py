"""The options of a command beside Hydra's overrides, and these by what they are about."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from redditgnn.errors import UserError, no_effect_error

CONFIG_DIR = "--config-dir"


def existing_folder(value: str | Path | None) -> Path | None:
    """Return the value of `--config-dir` as a path, None if it is absent.

    Raises:
        UserError: there is no such folder.
    """
    if value is not None and not Path(value).is_dir():
        raise UserError(f"{CONFIG_DIR} must be a folder that exists, got {value}")
    return None if value is None else Path(value)


def split_group(
    overrides: Sequence[str], group: str, on: str, keys: Sequence[str], families: Sequence[str]
) -> tuple[list[str], list[str]]:
    """Split overrides into those of the group, and those of the data: `keys` and `families`.

    Families are names of groups, such as dataset. `on` is what the command makes, for the message.

    Raises:
        ConfigError: an override is neither.
    """
    own, data = list[str](), list[str]()
    for override in overrides:
        key = override.lstrip("+~").partition("=")[0]
        if key.partition(".")[0] == group:
            own.append(override)
        elif key in keys or key.startswith(tuple(f"{family}." for family in families)):
            data.append(override)
        else:
            known = (f"{group}.KEY", *keys)
            raise no_effect_error(override, key, on, known, ", ".join(f"{f}.KEY" for f in families))
    return own, data


def split_option(
    argv: Sequence[str], command: str, option: str, others: Sequence[str] = ()
) -> tuple[list[str], str | None]:
    """Split `argv` into the overrides and the value of `option VALUE` or `option=VALUE`.

    The value is None if the option is absent, and empty if it has no value. `others` are options
    of the command that stay among the overrides, with their values.

    Raises:
        UserError: there is another option.
    """
    overrides: list[str] = []
    option_value: str | None = None
    arguments = iter(argv)
    for argument in arguments:
        name, equals, value = argument.partition("=")
        if name == option:
            option_value = value if equals else next(arguments, "")
        elif name in others:
            overrides += [argument] if equals else [argument, next(arguments, "")]
        elif argument.startswith("-"):
            raise UserError(f"unknown option {argument}; see 'redditgnn {command} --help'")
        else:
            overrides.append(argument)
    return overrides, option_value
