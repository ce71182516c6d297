"""Imagination: the world model as an environment, and a policy that acts in it."""
