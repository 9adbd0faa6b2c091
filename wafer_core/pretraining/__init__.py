"""Pretraining of the weights that ship; nothing here runs in the app."""
