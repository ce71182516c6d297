"""The training loop (algorithm 1), and what goes on beside it."""
