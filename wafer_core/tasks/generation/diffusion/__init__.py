"""Masked diffusion of the dies of a wafer, pretrained for all patterns."""
