"""Networks as pages name them."""

from __future__ import annotations

from pages.shared.words import t_raw
from wafer_core.networks import registry


def network_title(network: str) -> str:
    """The title of a network without its explanation; for tables and select boxes."""
    info = registry.NETWORKS.get(network)
    return t_raw(info.title).partition(" (")[0] if info else network
