"""How good made pictures are: scores, what they are compared with, and verdicts."""
