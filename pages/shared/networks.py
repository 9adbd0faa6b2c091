"""Networks as pages name them."""

from __future__ import annotations

from wafer_core.networks import registry


def network_title(network: str) -> str:
    """The name of a network, which is the same in all languages; for tables and select boxes."""
    info = registry.NETWORKS.get(network)
    return info.title.partition(" (")[0] if info else network
