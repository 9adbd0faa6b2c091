"""The search for better settings and augmentations."""
