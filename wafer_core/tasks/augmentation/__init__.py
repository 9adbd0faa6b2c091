"""Augmentation of wafers: of stored pictures (offline) and of batches during training."""
