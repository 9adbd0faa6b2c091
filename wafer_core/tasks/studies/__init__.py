"""Studies on a user's own wafers: do made pictures help, and how many are needed."""
