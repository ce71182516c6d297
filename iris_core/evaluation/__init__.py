"""How good an agent is, and its world model."""
