"""Teams: a process alone, and several that talk through gloo."""

from __future__ import annotations

from typing import Any

import torch

from redditgnn.distributed.team import Alone, Team


def all_collectives(team: Team) -> dict[str, Any]:
    """What each collective gives on small tensors that tell the ranks apart."""
    rank = team.rank
    own = torch.full((rank, 2), float(rank))  # rank 0 has no row
    sent = [rank + other for other in range(team.size)]
    rows = torch.cat([torch.full((n, 1), 10.0 * rank + other) for other, n in enumerate(sent)])
    arrived = team.exchange(rows, sent, [other + rank for other in range(team.size)])
    total = team.sum_(torch.tensor([1.0, rank]))
    team.barrier()
    return {
        "rank": rank,
        "sum": total.tolist(),
        "gathered": [part.tolist() for part in team.gather(own)],
        "arrived": arrived.flatten().tolist(),
        "broadcast": team.broadcast({"from": rank}),
        "sent_bytes": team.traffic.sent_bytes,
        "wait_s": team.traffic.wait_s,
    }


def test_the_collectives_of_three_processes_give_what_they_say(in_team):
    results = in_team(3, all_collectives)
    for rank, result in enumerate(results):
        assert result["rank"] == rank
        assert result["sum"] == [3.0, 3.0]
        assert result["gathered"] == [[], [[1.0, 1.0]], [[2.0, 2.0], [2.0, 2.0]]]
        assert result["arrived"] == [
            10.0 * other + rank for other in range(3) for _ in range(other + rank)
        ]
        assert result["broadcast"] == {"from": 0}
        assert result["sent_bytes"] > 0
        assert result["wait_s"] > 0


def test_a_process_alone_sends_nothing():
    result = all_collectives(Alone())
    assert result["sum"] == [1.0, 0.0]
    assert result["gathered"] == [[]]
    assert result["sent_bytes"] == result["wait_s"] == 0


def rows_for_others(team: Team) -> float:
    """Bytes that an exchange of 3 float32 rows sends, 2 of them to the other process."""
    count = [1, 2] if team.rank == 0 else [2, 1]
    team.exchange(torch.zeros(3, 5), count, count)
    return team.traffic.sent_bytes


def test_what_stays_in_a_process_is_not_counted_as_sent(in_team):
    assert in_team(2, rows_for_others) == [2 * 5 * 4, 2 * 5 * 4]
