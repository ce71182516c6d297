"""A small agent to play with: random weights, but no two frames of a dream alike."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from functools import cache
from pathlib import Path

import torch

from iris_core.agent import Agent
from iris_core.config import Config, load_config
from iris_core.tools.play.page import PageServer
from iris_core.tools.play.server import PlayServer
from iris_core.tools.play.session import Session

MODES = {
    "autoregressive": ["world_model.prediction=autoregressive"],
    "parallel": [
        "world_model.prediction=parallel",
        "world_model.tokens_per_position=4",
    ],
}


@cache
def load(mode: str) -> Config:
    """Cached, for Hydra takes its time."""
    more = ["env.game=Catch", "world_model.max_blocks=4", "world_model.dream_context=2"]
    return load_config("smoke", [*more, *MODES[mode]])


def make_agent(mode: str = "parallel", never_ends: bool = False) -> Agent:
    """never_ends: the world model is sure that the episode goes on."""
    torch.manual_seed(0)
    agent = Agent(deepcopy(load(mode)), ["NOOP", "LEFT", "RIGHT"]).eval()
    with torch.no_grad():  # codes that decode to different frames, sharper predictions
        agent.tokenizer.embedding.weight.mul_(20)
        for p in agent.world_model.parameters():
            p.mul_(3)
        if never_ends:
            bias = agent.world_model.head_ends[-1].bias
            bias.copy_(torch.tensor([1000.0, 0.0]))
    return agent


def make_session(mode: str = "parallel", steps: int = 0, **settings) -> Session:
    """A session of this agent, whose dreams never end, some steps into it."""
    session = Session(make_agent(mode, never_ends=True), **settings)
    for _ in range(steps):
        session.advance()
    return session


def make_branches(mode: str = "parallel", place: str = "dream") -> Session:
    """A session with a branch and a token pointed at; a dream's with the game beside
    it."""
    session = make_session(mode, 6, place=place)
    session.token = 5
    if place == "dream":
        session.set_real_rollout(True)
        session.seek(2)
        session.act(1)
        session.extend_real_rollout()
    return session


@contextmanager
def served_page(folder: Path, session: Session | None = None) -> Iterator[PageServer]:
    """The page of a session, by default a small one, answering until the end of the
    block."""
    with PageServer(PlayServer(session or make_session(), folder)) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield server
        server.shutdown()
    thread.join()
