"""Evaluation of synthetic pictures: scores, what to compare them with, and their meaning."""
