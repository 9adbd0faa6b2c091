"""Wafers made by process factors: fitted to a class, or at all levels."""
