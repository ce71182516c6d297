"""What an agent's play is worth: test episodes, and the baselines beside them."""
