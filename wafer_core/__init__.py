"""Teach a computer your own wafer defect patterns: everything that could run in a notebook."""

__version__ = "0.1.0"
