"""The picture of the age and the error of histories."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from scripts.bench import staleness


def test_a_picture_is_drawn_of_ages_and_errors(tmp_path: Path) -> None:
    facts = dict.fromkeys(staleness.FACTS, "x")
    rows = pd.DataFrame(
        {
            **{"epoch": epoch, "layer": layer, "variant": variant, "pulled_rows": 5},
            **{"mean_age_epochs": 0.5, "mean_relative_error": 0.1 * epoch, **facts},
        }
        for epoch in (1, 2)
        for layer in (0, 1)
        for variant in staleness.VARIANTS
    )
    staleness.draw(rows, tmp_path / "staleness.png")
    assert (tmp_path / "staleness.png").stat().st_size > 10_000
