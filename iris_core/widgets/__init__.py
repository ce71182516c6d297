"""Widgets for notebooks. They draw what pure functions return, and listen."""

from iris_core.widgets.player import Player, play

__all__ = ["Player", "play"]
