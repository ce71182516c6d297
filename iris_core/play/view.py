"""All that a picture of a session needs, and nothing that could change it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from iris_core.play.imagination import attention
from iris_core.play.session import Session
from iris_core.play.twin import Twin
from iris_core.play.worlds import Moment, to_picture

BLOCKS = 4  # whose attention is shown

PLACES = {"game": "the real game", "dream": "the dream", "replay": "a recorded episode"}


@dataclass(frozen=True)
class Look:
    """Where a head looked: float32 (n, P) weights over n blocks of P positions, the
    action last; uint8 (64, 64, 3) frames of these blocks."""

    weights: np.ndarray
    frames: Sequence[np.ndarray]
    layer: int
    head: int


@dataclass(frozen=True)
class View:
    """One moment of a session, to be drawn.

    line: the branch that the moment is on, to its end. leaves: the ends of all
    branches. names: of the actions. token: the one that is pointed at. grid: tokens a
    side.
    """

    title: str
    moment: Moment
    line: Sequence[Moment]
    leaves: Sequence[Moment]
    names: Sequence[str]
    grid: int
    dreamed: bool
    token: int | None = None
    twin: Twin | None = None
    look: Look | None = None

    @property
    def action(self) -> str:
        """The name of the action that led here."""
        action = self.moment.action
        return "start" if action is None else self.names[action]

    @property
    def header(self) -> str:
        """Step, return and action, on one line."""
        moment, sight = self.moment, self.moment.sight
        told = [f"step {moment.step}", f"return {signed(moment.total)}"]
        told.append(f"action {self.action}")
        if sight.reward:
            told.append(f"reward {signed(sight.reward)}")
        return "   ".join(told + ["END"] * sight.end)


def signed(number: float) -> str:
    """A reward or a return as text: +1, -0.5, 0."""
    return f"{number:+g}" if number else "0"


def view_of(
    session: Session,
    panels: Collection[str] = (),
    token: int | None = None,
    layer: int = 0,
    head: int = 0,
) -> View:
    """A session as it is now; attention is computed if it is among the panels."""
    who = "" if session.place == "replay" else f", played by the {session.driver}"
    return View(
        title=f"{session.agent.game}: {PLACES[session.place]}{who}",
        moment=session.cursor,
        line=session.line,
        leaves=session.branches,
        names=session.meanings,
        grid=session.agent.tokenizer.grid_size,
        dreamed=session.place == "dream",
        token=token,
        twin=session.twin,
        look=look(session, token or 0, layer, head) if "attention" in panels else None,
    )


@torch.no_grad()
def look(session: Session, token: int, layer: int, head: int) -> Look | None:
    """Where a head looked for a token of the current frame; None if nothing led to it
    that the world model saw."""
    agent, sight = session.agent, session.cursor.sight
    if not sight.past:
        return None
    layers = agent.config.world_model.num_layers
    layer = min(layer, layers - 1)
    head = min(head, agent.config.world_model.num_heads - 1)
    with session.computing():
        weights = attention(agent, sight.past, sight.tokens, layer, head, token)
    # The frame itself is the last block where its own tokens were looked at
    blocks = [*(block[:, :-1] for block in sight.past), sight.tokens][: len(weights)]
    frames = [to_picture(agent.tokenizer.decode(b)) for b in blocks[-BLOCKS:]]
    return Look(weights[-BLOCKS:], frames, layer, head)
