"""Classes that a model never predicts, although nodes have them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from redditgnn.metric.classification import Labels, Outcome

MOST_NAMES = 10


@dataclass(frozen=True, slots=True)
class Coverage:
    """Which classes are predicted on some nodes.

    Attributes:
        num_classes: Classes that the nodes have. Classes without nodes do not count.
        never: Those of them that are never predicted.
        only: The class that every node is predicted to have, None if there are several.
    """

    num_classes: int
    never: tuple[int, ...]
    only: int | None

    def describe(self, names: Sequence[str] | None) -> str:
        """Return a sentence that names the classes; `names` are those of all classes, if any."""

        def name(number: int) -> str:
            return str(number) if names is None else f"{names[number]!r}"

        listed = [name(number) for number in self.never[:MOST_NAMES]]
        if more := len(self.never) - len(listed):
            listed.append(f"{more} more")
        return (
            f"{len(self.never)} of {self.num_classes} classes are never predicted on the "
            f"validation nodes at the best epoch: {', '.join(listed)}"
            + ("" if self.only is None else f"; every prediction is {name(self.only)}")
            + "; trainer.class_weight=balanced or trainer.monitor=val_macro_f1 may help"
        )


def class_coverage(logits: Float[Tensor, "nodes classes"], y: Labels) -> Coverage:
    """Compare the predictions of nodes with their labels `y`."""
    outcome = Outcome(logits, y)
    occurs, predicted = outcome.true_nodes > 0, outcome.predicted_nodes > 0
    single = predicted.nonzero().view(-1).tolist()
    is_constant = len(single) == 1 and not outcome.is_multi_label
    return Coverage(
        num_classes=int(occurs.sum()),
        never=tuple((occurs & ~predicted).nonzero().view(-1).tolist()),
        only=single[0] if is_constant else None,
    )
