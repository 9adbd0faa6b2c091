"""Studies on a user's own wafers: do synthetic wafers help, and how many originals are enough?"""
