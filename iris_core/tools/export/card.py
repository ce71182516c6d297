"""What a page needs beside the graphs: an agent's names, sizes, keys and starts."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from iris_core.agent import Agent
from iris_core.imagination.start import Start, find_start
from iris_core.imagination.world_model_env import WorldModelEnv
from iris_core.tools.export.trace import max_blocks
from iris_core.tools.play.keys import buttons_of, key_map

FORMAT = 1
STARTS = 8
PALETTE = 48  # codes to paint with
PLAYED = 40  # steps of each start's dream in which they are counted


def make_card(
    agent: Agent, name: str, starts: Sequence[Start], path: Path
) -> dict[str, Any]:
    wm = agent.config.world_model
    return {
        "format": FORMAT,
        "name": name,
        "title": title_of(name, agent.game),
        "game": agent.game,
        "actions": agent.actions,
        "buttons": {a: sorted(buttons_of(a)) for a in agent.actions},
        "keys": key_map(agent.actions, agent.game),
        "grid": agent.tokenizer.grid_size,
        "codes": agent.config.tokenizer.vocab_size,
        "max_blocks": max_blocks(agent),
        "context": wm.dream_context,
        "temperature": wm.dream_temperature,
        "lstm_dim": agent.config.actor_critic.lstm_dim,
        "starts": [start_of(start) for start in starts],
        "palette": palette(agent, starts),
        "present": None,
        "flashes": False,
        "score": score(path),
        "picture": "picture.png",
    }


def title_of(name: str, game: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", game)


def start_of(start: Start) -> dict[str, Any]:
    h, c = start.lstm_state
    return {
        "tokens": start.tokens[0].tolist(),
        "actions": start.actions[0].tolist(),
        "h": floats(h[0]),
        "c": floats(c[0]),
    }


def floats(x: Tensor) -> list[float]:
    """As few digits as tell a float32 from others."""
    return [float(str(value)) for value in x.numpy()]


@torch.no_grad()
def palette(agent: Agent, starts: Sequence[Start]) -> list[int]:
    torch.manual_seed(0)
    counts: Counter[int] = Counter()
    for start in starts:
        dream = WorldModelEnv.of(agent)
        frames, state = dream.start(start.tokens, start.actions), start.lstm_state
        for _ in range(PLAYED):
            counts.update(dream.tokens.flatten().tolist())
            logits, _, state = agent.actor_critic(frames, state)
            frames, _, end, _ = dream.step(torch.multinomial(logits.softmax(-1), 1)[0])
            if end.any():
                break
    return [code for code, _ in counts.most_common(PALETTE)]


def score(path: Path) -> str | None:
    card = path.with_suffix(".md")
    if not card.is_file():
        return None
    found = re.search(r"^\| score \| (.*?) \|$", card.read_text("utf-8"), re.M)
    return found[1] if found else None


def find_starts(agent: Agent) -> list[Start]:
    return [find_start(agent, seed) for seed in range(STARTS)]
