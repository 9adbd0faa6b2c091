"""Networks that generate pictures of a class."""
