"""Networks that make pictures of a class."""
