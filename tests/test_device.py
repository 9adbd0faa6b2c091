"""Devices and cores: what is asked for and not there is a sentence."""

from __future__ import annotations

import time

import pytest
import torch

from wafer_core import device
from wafer_core.errors import Cancelled, ParameterError


@pytest.mark.parametrize("name", ["tpu", "cuda:77", "mps", "", "cpu:x"])
def test_a_device_that_is_not_there_is_a_sentence(name: str) -> None:
    with pytest.raises(ParameterError, match="use auto"):
        device.choose_device(name)


def test_auto_takes_the_best_there_is() -> None:
    assert device.choose_device().type == ("cuda" if torch.cuda.is_available() else "cpu")
    assert device.describe_device(torch.device("cpu")).startswith("CPU, ")


@pytest.mark.parametrize(
    ("cores", "mine", "others", "threads"),
    [(2, 2, 0.0, 2), (2, 2, 0.3, 2), (2, 2, 1.0, 1), (2, 2, 5, 1), (64, 4, 20, 4), (8, 8, 5, 3)],
)
def test_threads_are_what_others_leave(cores: int, mine: int, others: float, threads: int) -> None:
    assert device.free_cores(cores, mine, others) == threads


def test_the_watch_does_not_count_this_process() -> None:
    before = torch.get_num_threads()
    try:
        watch = device.CoreWatch(every=0.1)
        end = time.process_time() + 0.2
        while time.process_time() < end:
            pass
        assert 1 <= watch.adapt() <= device.available_cores()
    finally:
        torch.set_num_threads(before)


def test_the_lowest_limit_holds_until_the_last_is_done() -> None:
    """Two pages at once: the first to end must not take the other's limit, nor leave its own."""
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
