"""agent.json: what a page needs to know of an agent beside its graphs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from iris_core.agent import Agent
from iris_core.imagination.introspection import SeededSampler
from iris_core.imagination.start import Start, find_start
from iris_core.imagination.world_model_env import WorldModelEnv
from iris_core.tools.export.trace import max_blocks
from iris_core.tools.play.keys import buttons_of, key_map
from iris_core.tools.play.starts import load_starts, read_card, replay_start, title_of

FORMAT = 1
STARTS = 8
PALETTE = 48  # codes to paint with
PLAYED = 40  # steps of each start's dream in which they are counted


@dataclass(frozen=True)
class Beginnings:
    """Where an agent's dreams begin, the codes to paint with there, most frequent
    first, and what was measured of such dreams (see data/starts)."""

    starts: list[Start]
    palette: list[int]
    present: dict[str, float] | None = None
    flashes: bool = False


def find_beginnings(agent: Agent, path: Path) -> Beginnings:
    """Those chosen for the agent of this file, or some if there are none."""
    chosen = load_starts(path) if path.is_file() else None
    if chosen is None:
        starts = [find_start(agent, seed) for seed in range(STARTS)]
        return Beginnings(starts, frequent_codes(agent, starts))
    starts = [replay_start(agent, each) for each in chosen.starts]
    return Beginnings(starts, chosen.palette, chosen.present, chosen.flashes)


@torch.no_grad()
def frequent_codes(agent: Agent, starts: Sequence[Start]) -> list[int]:
    """Those of the dreams from these starts that the agent plays."""
    counts: Counter[int] = Counter()
    sample = SeededSampler(agent.device)
    sample.seed(0)
    for start in starts:
        dream, state = WorldModelEnv.of(agent, sample), start.lstm_state
        dream.start(start.tokens, start.actions)
        for _ in range(PLAYED):
            counts.update(dream.tokens.flatten().tolist())
            logits, _, state = agent.actor_critic(dream.frames, state)
            dream.step(sample(logits))
    return [code for code, _ in counts.most_common(PALETTE)]


def make_card(agent: Agent, path: Path, begin: Beginnings) -> dict[str, Any]:
    """What agent.json holds of the agent of a file, or of a run folder."""
    dream = agent.config.world_model
    return {
        "format": FORMAT,
        "name": name_of(agent, path),
        "title": title_of(name_of(agent, path), agent.game),
        "game": agent.game,
        "actions": agent.actions,
        "buttons": {action: sorted(buttons_of(action)) for action in agent.actions},
        "keys": key_map(agent.actions, agent.game),
        "grid": agent.tokenizer.grid_size,
        "codes": agent.config.tokenizer.vocab_size,
        "max_blocks": max_blocks(agent),
        "context": dream.dream_context,
        "temperature": dream.dream_temperature,
        "lstm_dim": agent.config.actor_critic.lstm_dim,
        "starts": [as_lists(start) for start in begin.starts],
        "palette": begin.palette,
        "present": begin.present,
        "flashes": begin.flashes,
        "score": read_card(path).get("score"),
        "picture": "picture.png",
    }


def name_of(agent: Agent, path: Path) -> str:
    """The file's, or the game's if it is a run."""
    return path.stem if path.is_file() else agent.game.lower()


def as_lists(start: Start) -> dict[str, Any]:
    """tokens: C rows of K; actions: C - 1; h, c: the policy's, before the last."""
    hidden, cell = start.lstm_state
    return {
        "tokens": start.tokens[0].tolist(),
        "actions": start.actions[0].tolist(),
        "h": digits(hidden[0]),
        "c": digits(cell[0]),
    }


def digits(values: Tensor) -> list[float]:
    """As few digits as tell each from all other float32."""
    return [float(str(value)) for value in values.cpu().numpy()]
