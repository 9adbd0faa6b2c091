"""Search for better training settings and augmentation policies."""
