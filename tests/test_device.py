"""Devices, threads and cores."""

from __future__ import annotations

import time

import pytest
import torch

from wafer_core import device
from wafer_core.errors import Cancelled, ParameterError


@pytest.mark.parametrize("name", ["tpu", "cuda:77", "mps", "", "cpu:x"])
def test_a_missing_device_is_a_clear_error(name: str) -> None:
    with pytest.raises(ParameterError, match=r"Device|device"):
        device.choose_device(name)


def test_auto_chooses_the_best_device() -> None:
    assert device.choose_device().type == ("cuda" if torch.cuda.is_available() else "cpu")


def test_a_device_is_described_in_a_few_words(monkeypatch: pytest.MonkeyPatch) -> None:
    for cores, text in ((1, "CPU, 1 core"), (2, "CPU, 2 cores")):
        monkeypatch.setattr(device, "available_cores", lambda cores=cores: cores)
        assert str(device.describe_device(torch.device("cpu"))) == text


@pytest.mark.parametrize(
    ("cores", "available", "busy", "threads"),
    [(2, 2, 0.0, 2), (2, 2, 0.3, 2), (2, 2, 1.0, 1), (2, 2, 5, 1), (64, 4, 20, 4), (8, 8, 5, 3)],
)
def test_threads_match_the_free_cores(
    cores: int, available: int, busy: float, threads: int
) -> None:
    assert device.free_cores(cores, available, busy) == threads


def test_the_load_of_this_process_is_not_counted() -> None:
    before = torch.get_num_threads()
    try:
        watch = device.CoreWatch(every=0.1)
        end = time.process_time() + 0.2
        while time.process_time() < end:
            pass
        assert 1 <= watch.adapt() <= device.available_cores()
    finally:
        torch.set_num_threads(before)


def test_the_lowest_active_limit_holds() -> None:
    """Two pages at once: the end of one must neither lift the other's limit nor leave its own."""
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(4)
        first, second = device.at_most_threads(1), device.at_most_threads(3)
        first.__enter__()
        assert torch.get_num_threads() == 1
        second.__enter__()
        assert torch.get_num_threads() == 1
        first.__exit__(None, None, None)
        assert torch.get_num_threads() == 3
        with device.at_most_threads(9):
            assert torch.get_num_threads() == 3
        second.__exit__(None, None, None)
        assert torch.get_num_threads() == 4
        with pytest.raises(Cancelled), device.at_most_threads(2):
            raise Cancelled("Stop.")
        assert torch.get_num_threads() == 4
    finally:
        torch.set_num_threads(before)
