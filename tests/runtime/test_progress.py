"""What is seen of long work while it is done."""

from __future__ import annotations

import pytest

from redditgnn.runtime import progress


def test_nothing_is_shown_where_there_is_no_terminal(capfd: pytest.CaptureFixture[str]) -> None:
    with progress.progress_bar(10, 0) as bar:
        bar.update(10)
    assert capfd.readouterr() == ("", "")


def test_jobs_that_share_a_stream_tell_it_in_lines(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(progress.LINES, "seed 3")
    with progress.progress_bar(100, 40) as bar:  # of a run that resumes
        bar.set_postfix(epoch=4, loss="0.51", val="0.82", refresh=False)
        bar.update(10)
        for _ in range(5):
            bar.refresh()  # a line is due every 10 seconds
    out, stderr = capfd.readouterr()
    assert out == ""
    assert "\r" not in stderr
    (line,) = stderr.splitlines()
    assert line.startswith("seed 3:  50%, 00:00 spent, ")
    assert line.endswith("epoch=4, loss=0.51, val=0.82")
