"""Experience: frames, episodes, the replay buffer, and the batches drawn from it."""
