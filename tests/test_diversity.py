"""Diversity of synthetic pictures compared with the originals."""

from __future__ import annotations

import numpy as np

from wafer_core.images import FAIL
from wafer_core.messages import Message
from wafer_core.tasks.evaluation.diversity import diversity
from wafers import marked


def test_mode_collapse_is_detected() -> None:
    different = [marked(k, 30) for k in range(30)]
    one = [different[0].copy() for _ in range(30)]
    for k, picture in enumerate(one):
        picture[10 + k % 5, 12] = FAIL
    found = diversity(one, different[1:], 0)
    assert found["collapsed"] is True
    assert str(Message.from_json(found["said"])).startswith("Mode collapse")
    fine = diversity([marked(100 + k, 30) for k in range(30)], different, 0)
    assert fine["collapsed"] is False
    assert fine["near_copies"] == 0
    assert 0.8 < float(fine["diversity"]) < 1.2
    rotated = diversity([np.rot90(p).copy() for p in different], different, 0)
    assert rotated["near_copies"] == 1
    assert "100.0% are near copies" in str(Message.from_json(rotated["said"]))
