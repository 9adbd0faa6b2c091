"""A project on disk: its classes, pictures, split, and the workspace that holds projects."""
