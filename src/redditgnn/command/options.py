"""The one option that a command takes besides Hydra's overrides."""

from __future__ import annotations

from collections.abc import Sequence

from redditgnn.errors import UserError


def taken(argv: Sequence[str], command: str, option: str) -> tuple[list[str], str | None]:
    """Take `option VALUE` or `option=VALUE` out of the overrides; return those, and the value.

    The value is None where the option is not given, and empty where it has none.

    Raises:
        UserError: there is another option.
    """
    overrides: list[str] = []
    found: str | None = None
    arguments = iter(argv)
    for argument in arguments:
        name, equals, value = argument.partition("=")
        if name == option:
            found = value if equals else next(arguments, "")
        elif argument.startswith("-"):
            raise UserError(f"unknown option {argument}; see 'redditgnn {command} --help'")
        else:
            overrides.append(argument)
    return overrides, found
