"""The fingerprint of a score: hashes of everything that it depends on besides the settings.

A fingerprint is one line, `edges=10556:1a2b3c4d features=1433:... labels=7:... split=140/500/1000:
... protocol=transductive evaluator=exact`. Sizes are for people, hashes tell equal sizes apart.
Features are hashed as the model reads them, after normalisation. Times of nodes and edges are a
part only where the protocol of the run reads them. Runs with different fingerprints
are never averaged, and the parts show why.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from redditgnn.errors import ConfigError

EVALUATOR = "exact"
"""Test and validation scores use all edges, without sampling (`redditgnn.evaluation.exact`)."""
TEMPORAL = "temporal"
"""The protocol that trains on the past and tests on the future."""

KINDS = {
    "edges": "the edge set differs",
    "features": "the features (or their normalisation or storage) differ",
    "labels": "the labels differ",
    "split": "the split into training, validation and test nodes differs",
    "times": "the times of nodes or edges differ",
    "protocol": "the protocol differs",
    "evaluator": "the evaluator differs",
}


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """The parts, each as `SIZE:HASH`. Protocol and evaluator, which a run adds, are words.

    A target's fingerprint may describe files that were never hashed here. Its parts may then be
    only a size, or empty, and allow any value of the rest.
    """

    edges: str = ""
    features: str = ""
    labels: str = ""
    split: str = ""
    protocol: str = ""
    evaluator: str = ""
    times: str = ""

    def __str__(self) -> str:
        return " ".join(f"{part}={value}" for part, value in asdict(self).items() if value)

    @classmethod
    def parse(cls, text: str) -> Fingerprint:
        """Parse the output of `str`.

        Raises:
            ConfigError: the text has another form, such as an older version's.
        """
        return cls.of(dict(word.partition("=")[::2] for word in text.split()))

    @classmethod
    def of(cls, parts: Mapping[str, Any]) -> Fingerprint:
        """Build a fingerprint from a mapping, as in a YAML file.

        Raises:
            ConfigError: the mapping names an unknown part.
        """
        names = [field.name for field in fields(cls)]
        if unknown := [part for part in parts if part not in names]:
            raise ConfigError(
                f"fingerprint: there is no part {unknown[0]!r}; the parts are {', '.join(names)}"
            )
        return cls(**{part: str(value) for part, value in parts.items()})

    def of_a_run(self, protocol: str) -> Fingerprint:
        """Add the parts that a run decides: the protocol of training, and the evaluator.

        Only scores of `TEMPORAL` depend on times.
        """
        times = self.times if protocol.partition(":")[0] == TEMPORAL else ""
        return replace(self, protocol=protocol, evaluator=EVALUATOR, times=times)

    def of_subgraph(self, num_edges: int) -> Fingerprint:
        """Return the fingerprint of the subgraph of a node set that the split determines."""
        digest = short_hash(self.edges, self.split)
        return replace(self, edges=f"{num_edges}:{digest}")

    def differences(self, target: Fingerprint) -> list[str]:
        """Describe the parts in which this one does not satisfy `target`. Empty if it does."""
        return [
            f"{kind}: {_describe_part(part, self)} here, {_describe_part(part, target)} there"
            for part, kind in KINDS.items()
            if not _satisfies(getattr(self, part), getattr(target, part))
        ]


def short_hash(*parts: str) -> str:
    """Return a hash of these texts, eight hexadecimal digits."""
    return hashlib.blake2b("|".join(parts).encode(), digest_size=4).hexdigest()


def _satisfies(value: str, target: str) -> bool:
    return target in ("", value) or target == value.partition(":")[0]


def _describe_part(part: str, fingerprint: Fingerprint) -> str:
    value: str = getattr(fingerprint, part)
    size, _, digest = value.partition(":")
    size = f"{int(size):,}" if size.isdigit() else size
    unit = {"edges": " edges", "features": " a node", "labels": " classes"}.get(part, "")
    return f"{size}{unit}" + (f" ({digest})" if digest else "")
