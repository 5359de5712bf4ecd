"""The group `protocol`: what training sees, and what tests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, Literal, get_args

from redditgnn.config.arguments import check_types, refuse_missing
from redditgnn.errors import ConfigError

Protocol = Literal["transductive", "inductive", "temporal"]
TEMPORAL: Protocol = "temporal"
Update = Literal["frozen", "retrained", "warm_start"]
ADDED_LATER = {"update": "frozen"}  # with the value that changes nothing


@dataclass(frozen=True, kw_only=True, slots=True)
class Temporal:
    """The keys of `protocol=temporal`, as conf/protocol/temporal.yaml describes them."""

    until: int | float | str
    validation: int | float | str
    windows: int | str
    history: int | float | str | None
    repeated: Literal["keep", "merge"]
    update: Update

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Temporal:
        """Build the keys from what a run recorded, which may be older than some of them."""
        return cls(**{**ADDED_LATER, **values})

    @property
    def of_the_split(self) -> dict[str, Any]:
        """The keys that cut the graph."""
        return {key: value for key, value in asdict(self).items() if key != "update"}

    @property
    def hashed(self) -> dict[str, Any]:
        """The keys as `config_hash` has them: one that was added later only if it is set."""
        later = ADDED_LATER.items()
        return {key: value for key, value in asdict(self).items() if (key, value) not in later}

    @property
    def of_the_test(self) -> tuple[int | float | str, ...]:
        """What decides which nodes are tested when. Other keys are a choice of the method."""
        return self.until, self.validation, self.windows


def read_protocol(node: Any, choice: str | None) -> tuple[Protocol, Temporal | None]:
    """Return the name of the protocol, and the keys of the temporal one.

    `node` is the composed value of the key, and `choice` the option of the group.

    Raises:
        ConfigError: a key is missing or of the wrong type, or an experiment overrides the whole.
    """
    if not isinstance(node, Mapping):
        raise ConfigError(
            f"protocol must be the name of an option, {' or '.join(get_args(Protocol))}, got "
            f"{node!r} in the place of its keys; in an experiment, write '- override /protocol: "
            f"{node}' into its defaults"
        )
    values = {str(key): value for key, value in node.items()}
    name: Any = values.pop("name", None)
    if name not in get_args(Protocol) or name != choice:
        raise ConfigError(
            f"protocol={choice}: protocol.name must be {' or '.join(get_args(Protocol))}, and the "
            f"name of its option, got {name!r}; choose another by protocol=NAME"
        )
    if name != TEMPORAL:
        if values:
            raise ConfigError(f"protocol={name} has no key {next(iter(values))}; leave it out")
        return name, None
    call = partial(Temporal, **values)
    check_types("protocol", call)
    refuse_missing("protocol.", call)
    return name, call()
