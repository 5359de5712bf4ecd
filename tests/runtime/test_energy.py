"""Joules are what counters of processors and GPUs have grown by, also when they begin anew."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from redditgnn.runtime.energy import PERIOD_S, Counter, EnergyMeter, cpu_energy, gpu_energy

LIMIT = 1_000_000_000


def package(root: Path, name: str, energy_uj: int) -> Path:
    (root / name).mkdir(exist_ok=True)
    (root / name / "max_energy_range_uj").write_text(f"{LIMIT}\n")
    (root / name / "energy_uj").write_text(f"{energy_uj}\n")
    return root / name / "energy_uj"


def test_packages_are_added_up_and_what_is_inside_of_them_is_not_counted_again(tmp_path: Path):
    first, second = (package(tmp_path, f"intel-rapl:{n}", 5) for n in range(2))
    inside = package(tmp_path, "intel-rapl:0:0", 0)
    meter = cpu_energy(tmp_path)
    assert meter.joules() == 0.0
    first.write_text("2000005")
    second.write_text("500005")
    inside.write_text("900000")
    assert meter.joules() == pytest.approx(2.5)


def test_a_counter_that_has_begun_anew_goes_on(tmp_path: Path):
    counter = package(tmp_path, "intel-rapl:0", LIMIT - 1_000_000)
    meter = cpu_energy(tmp_path)
    counter.write_text("3000000")
    assert meter.joules() == pytest.approx(4.0)
    counter.write_text("4000000")
    assert meter.joules() == pytest.approx(5.0)


def test_energy_that_cannot_be_read_is_unknown_and_not_zero(tmp_path: Path):
    assert cpu_energy(tmp_path).joules() is None
    counter = package(tmp_path, "intel-rapl:0", 0)
    meter = cpu_energy(tmp_path)
    counter.unlink()
    assert meter.joules() is None
    counter.write_text("7")
    assert meter.joules() is None  # what it has drawn meanwhile is lost


class NVMLError(Exception):
    pass


@pytest.fixture
def millijoules(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Put a GPU with a counter in the place of the driver's; empty: it has none."""
    counted = [1000]

    def read(handle: str) -> int:
        assert handle == "GPU-0123"
        if not counted:
            raise NVMLError("Not Supported")
        return counted[0]

    library = SimpleNamespace(
        NVMLError=NVMLError,
        nvmlInit=lambda: None,
        nvmlDeviceGetHandleByUUID=lambda uuid: uuid,
        nvmlDeviceGetTotalEnergyConsumption=read,
    )
    monkeypatch.setitem(sys.modules, "pynvml", library)
    properties = SimpleNamespace(uuid="0123")
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: properties)
    return counted


def test_a_gpu_counts_in_millijoules(millijoules: list[int]):
    meter = gpu_energy(torch.device("cuda"))
    millijoules[0] += 2500
    assert meter.joules() == pytest.approx(2.5)


def test_a_gpu_without_a_counter_is_unknown(millijoules: list[int]):
    millijoules.clear()
    assert gpu_energy(torch.device("cuda")).joules() is None
    assert gpu_energy(torch.device("cpu")).joules() is None


def test_counters_are_read_once_a_period(monkeypatch: pytest.MonkeyPatch):
    reads, now = iter(range(100)), [0.0]
    monkeypatch.setattr("redditgnn.runtime.energy.time.monotonic", lambda: now[0])
    meter = EnergyMeter([Counter(lambda: next(reads), 1.0)])
    for now[0] in (1.0, PERIOD_S - 1.0, PERIOD_S, PERIOD_S + 1.0, 2 * PERIOD_S):
        meter.keep_up()
    assert next(reads) == 3  # at first, and once a period
