"""Making more wafers of the ones there are: before training (offline) and during it (policies)."""
