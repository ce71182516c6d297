"""What the notebooks share: agents, one style of picture, checked exercises."""
