"""What makes scores comparable: a hash of each thing that they depend on besides the settings.

A fingerprint is one line, `edges=10556:1a2b3c4d features=1433:... labels=7:... split=140/500/1000:
... protocol=transductive evaluator=exact`: sizes for people, hashes for what has equal sizes.
Features are hashed as the model reads them, after normalisation. Runs with different fingerprints
are never averaged, and the parts say why.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from redditgnn.errors import ConfigError

EVALUATOR = "exact"
"""Test and validation scores are of all edges, without sampling (`redditgnn.evaluation.exact`)."""

KINDS = {
    "edges": "the edge set differs",
    "features": "the features (or their normalisation or storage) differ",
    "labels": "the labels differ",
    "split": "the split into training, validation and test nodes differs",
    "protocol": "the protocol differs",
    "evaluator": "the evaluator differs",
}


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """The parts, each as `SIZE:HASH`; protocol and evaluator, which a run adds, are words.

    In a target's, which may stand for files that nobody here has hashed, a part may be a size
    alone, or empty: it then says nothing about the rest.
    """

    edges: str = ""
    features: str = ""
    labels: str = ""
    split: str = ""
    protocol: str = ""
    evaluator: str = ""

    def __str__(self) -> str:
        return " ".join(f"{part}={value}" for part, value in asdict(self).items() if value)

    @classmethod
    def parse(cls, text: str) -> Fingerprint:
        """Read what `str` wrote.

        Raises:
            ConfigError: it is of another form, such as an older version's.
        """
        return cls.of(dict(word.partition("=")[::2] for word in text.split()))

    @classmethod
    def of(cls, parts: Mapping[str, Any]) -> Fingerprint:
        """Make one of a mapping, as a YAML file has it.

        Raises:
            ConfigError: names a part that there is not.
        """
        known = [field.name for field in fields(cls)]
        if unknown := [part for part in parts if part not in known]:
            raise ConfigError(
                f"fingerprint: there is no part {unknown[0]!r}; the parts are {', '.join(known)}"
            )
        return cls(**{part: str(value) for part, value in parts.items()})

    def of_a_run(self, protocol: str) -> Fingerprint:
        """Add what a run decides: what training sees, and how scores are computed."""
        return replace(self, protocol=protocol, evaluator=EVALUATOR)

    def of_induced(self, num_edges: int) -> Fingerprint:
        """Return that of the subgraph that a node set, which the split tells, induces."""
        told = hashed(self.edges, self.split)
        return replace(self, edges=f"{num_edges}:{told}")

    def differences(self, wanted: Fingerprint) -> list[str]:
        """Say in which parts this one is not what `wanted` asks for; empty if it is."""
        return [
            f"{kind}: {_spoken(part, self)} here, {_spoken(part, wanted)} there"
            for part, kind in KINDS.items()
            if not _satisfies(getattr(self, part), getattr(wanted, part))
        ]


def hashed(*parts: str) -> str:
    """Return eight hexadecimal digits that stand for these texts."""
    return hashlib.blake2b("|".join(parts).encode(), digest_size=4).hexdigest()


def _satisfies(value: str, wanted: str) -> bool:
    return wanted in ("", value) or wanted == value.partition(":")[0]


def _spoken(part: str, fingerprint: Fingerprint) -> str:
    value: str = getattr(fingerprint, part)
    size, _, told = value.partition(":")
    size = f"{int(size):,}" if size.isdigit() else size
    unit = {"edges": " edges", "features": " a node", "labels": " classes"}.get(part, "")
    return f"{size}{unit}" + (f" ({told})" if told else "")
