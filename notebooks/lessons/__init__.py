"""What the notebooks share: artefacts, one style of picture, and checked exercises."""
