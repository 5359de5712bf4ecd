"""What launchers say of a process, and errors of processes that are gone."""

from __future__ import annotations

import pytest

from redditgnn.distributed.environment import Place, place_of, slurm_address

TORCHRUN = {"RANK": "3", "WORLD_SIZE": "4", "LOCAL_RANK": "1"}
STEP = {"SLURM_PROCID": "3", "SLURM_STEP_NUM_TASKS": "4", "SLURM_LOCALID": "1"}


@pytest.mark.parametrize("launcher", [TORCHRUN, STEP], ids=["torchrun", "SLURM"])
def test_a_process_finds_its_place(launcher):
    assert place_of(launcher) == Place(rank=3, size=4, local_rank=1)


def test_a_shell_in_an_allocation_is_no_place():
    assert place_of({}) is None
    assert place_of({**STEP, "SLURM_PROCID": "0", "SLURM_STEP_NUM_TASKS": "1"}) is None
    assert place_of({"SLURM_PROCID": "0", "SLURM_NTASKS": "4"}) is None


def test_the_variables_of_a_place_lead_back_to_it():
    place = Place(1, 2, 1)
    variables = place.environment("host", 1234)
    assert place_of(variables) == place
    assert variables["MASTER_PORT"] == "1234"


@pytest.mark.parametrize(
    ("nodes", "first"),
    [("gpu7", "gpu7"), ("gpu[03-05,9]", "gpu03"), ("a1,b2", "a1"), ("n-[1,3]", "n-1")],
)
def test_tasks_of_a_step_agree_on_the_first_machine_and_on_a_port(nodes, first):
    step = {"SLURM_STEP_NODELIST": nodes, "SLURM_JOB_ID": "987654", "SLURM_STEP_ID": "2"}
    host, port = slurm_address(step)
    assert host == first
    assert 20_000 <= port < 40_000
    assert slurm_address({**step, "SLURM_STEP_ID": "3"}) != (host, port)
