"""The rows of a final test's table, as results.json and everything that reads it has
them. All are mean returns of the same test episodes."""

OWN, RANDOM, CONSTANT = "this agent", "random", "best constant action"
BLIND = "blind, this agent's action shares"
BASELINES = (RANDOM, CONSTANT, BLIND)
