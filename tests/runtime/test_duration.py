"""Durations, and how often a checkpoint is written."""

from __future__ import annotations

import pytest

from redditgnn.errors import ConfigError
from redditgnn.runtime.duration import seconds_of
from redditgnn.trainer.checkpointing import Cadence


@pytest.mark.parametrize(
    ("text", "seconds"), [("60s", 60), ("10min", 600), ("1.5h", 5400), ("2 d", 172_800)]
)
def test_a_duration_has_a_number_and_a_unit(text: str, seconds: float) -> None:
    assert seconds_of("trainer.max_time", text) == seconds


@pytest.mark.parametrize("text", ["", "60", "s", "0s", "-1h", "1m", "1h30min", "1 hour", "inf s"])
def test_what_is_no_duration_is_named_with_examples(text: str) -> None:
    with pytest.raises(ConfigError) as raised:
        seconds_of("trainer.max_time", text)
    assert str(raised.value) == (
        "trainer.max_time must be a positive duration with its unit (s, min, h, d), such as 60s, "
        f"10min or 1.5h, got {text!r}"
    )


@pytest.mark.parametrize(
    ("every", "epochs", "seconds"), [(3, 3, None), ("1min", None, 60), (None, None, None)]
)
def test_checkpoints_come_by_epochs_or_by_time_or_never(
    every: int | str | None, epochs: int | None, seconds: float | None
) -> None:
    cadence = Cadence("trainer.checkpoint_every", every)
    assert (cadence.epochs, cadence.seconds) == (epochs, seconds)
    assert cadence.is_never == (every is None)


@pytest.mark.parametrize("every", [0, -1, "often"])
def test_a_wrong_cadence_is_named(every: int | str) -> None:
    with pytest.raises(ConfigError, match=r"trainer.checkpoint_every must be a positive.*got"):
        Cadence("trainer.checkpoint_every", every)
