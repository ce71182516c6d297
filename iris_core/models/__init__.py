"""The paper's three networks and their losses, and nothing else."""
