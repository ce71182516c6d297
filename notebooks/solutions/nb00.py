"""Solutions of notebook 00, named as their checks."""

from __future__ import annotations

# In every pair the chicken gives the dream away: it stands still, or is gone
strips = ["lower", "upper", "lower"]

# Rewards under NOOP, UP, DOWN, as `hold` printed them; the exact numbers may differ a
# little between processors. The reason is (a): frames and rewards both hear the action.
held = ([0, 6, 0], "a")


def passes(tokens: int, horizon: int) -> int:
    """The start frame; then every step but the last reads its action and samples the
    tokens of the next frame; the last reads its action only."""
    return 1 + (horizon - 1) * (1 + tokens) + 1
