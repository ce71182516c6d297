"""Choose where the dreams of people begin: data/starts, and the rows of the cards.

    python -m lessons.build.starts [NAME ...]

Candidates are moments of the real game in the middle of the agent's play, in which one
controlled object is seen and something moves. From each some dreams are played, under
the agent and under random keys, by several seeds of noise; those are kept from which
they stay good most often, the best first. What dream_quality.py measures, at starts
that are not these, stands beside them and in the agent's card.
"""

from __future__ import annotations

import io
import re
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from json import dumps
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image

from iris_core.agent import Agent
from iris_core.data.frames import to_pixels
from iris_core.envs import make_env
from iris_core.imagination.introspection import SeededSampler
from iris_core.imagination.start import Start, Walk, find_start
from iris_core.pretrained import load_agent, shipped_agents
from iris_core.runtime.device import autocast_for
from iris_core.runtime.files import read_text, write_atomic
from iris_core.tools.play.session import PALETTE
from iris_core.tools.play.starts import Recorded, Starts, starts_path
from lessons.build import dream_quality as quality
from lessons.build.controlled import sees
from lessons.data import DATA

WANTED = 8  # starts of an agent
PLAYS, LONG = 5, 160  # games that are searched, and steps of each
EVERY = 6  # steps between candidates
TRIED, SHORT = 48, 16  # candidates of the first round, and of the second
AGAIN = 3  # seeds of noise in the second
ALIKE = 4  # tokens in which two starts must differ


@dataclass(eq=False)
class Candidate:
    """A moment, how many tokens have just changed in it, and the dreams that were
    played from it."""

    recorded: Recorded
    start: Start
    moving: int
    by_agent: list[quality.Run] = field(default_factory=list)
    by_keys: list[quality.Run] = field(default_factory=list)


class Score(NamedTuple):
    """The share of good dreams under the worse kind of play, the share of all their
    frames that show one controlled object, in tenths, and how much moves: there is more
    to play with."""

    good: float
    seen: int
    moving: int


def choose(agent: Agent) -> list[Candidate]:
    """The best candidates, the best first, no two of them alike."""
    found = spread(candidates(agent), TRIED)
    dream(agent, found, seed=0)
    best = sorted(found, key=lambda each: score(agent, each), reverse=True)
    short = unlike(best)[:SHORT]
    for seed in range(1, AGAIN + 1):
        dream(agent, short, seed)
    return sorted(short, key=lambda each: score(agent, each), reverse=True)[:WANTED]


def candidates(agent: Agent) -> list[Candidate]:
    """Moments of the agent's play that show what a person will control."""
    env, sampler = make_env(agent.config.env, "test"), SeededSampler(agent.device)
    found = []
    for seed in range(PLAYS):
        sampler.seed(seed)
        walk = Walk(agent, env, seed)
        while walk.length < LONG and walk.step(int(sampler(walk.look()))):
            if walk.length % EVERY == 0 and is_lively(agent, walk):
                recorded = Recorded(seed, list(walk.actions))
                moving = int((walk.tokens[-1] != walk.tokens[-2]).sum())
                found.append(Candidate(recorded, walk.start(), moving))
    return found


def is_lively(agent: Agent, walk: Walk) -> bool:
    """Whether the last frame, as the tokenizer shows it, has one controlled object, and
    differs from the one before it."""
    return not walk.stands_still and sees(agent.game, show(agent, walk.tokens[-1]))


def show(agent: Agent, tokens: torch.Tensor) -> np.ndarray:
    """(1, K) -> uint8 (64, 64, 3)."""
    return to_pixels(agent.tokenizer.decode(tokens))[0]


def spread(found: list[Candidate], count: int) -> list[Candidate]:
    """Some of them, evenly."""
    chosen = np.linspace(0, len(found) - 1, min(count, len(found))).round()
    return [found[int(i)] for i in chosen]


def unlike(found: Sequence[Candidate]) -> list[Candidate]:
    """Those whose first frames differ from all before them."""
    kept: list[Candidate] = []
    for each in found:
        frame = each.start.tokens[:, -1]
        others = [other.start.tokens[:, -1] for other in kept]
        if all(int((frame != other).sum()) >= ALIKE for other in others):
            kept.append(each)
    return kept


def dream(agent: Agent, found: Sequence[Candidate], seed: int) -> None:
    """Another dream of each under the agent, and one under keys."""
    starts = [each.start for each in found]
    policy = quality.Policy(agent, starts)
    keys = quality.Keys(agent.num_actions, len(starts), seed)
    by_agent = quality.play(quality.Dreams(agent, starts), policy, seed)
    by_keys = quality.play(quality.Dreams(agent, starts), keys, seed)
    for each, one, other in zip(found, by_agent, by_keys, strict=True):
        each.by_agent.append(one)
        each.by_keys.append(other)


def score(agent: Agent, candidate: Candidate) -> Score:
    kinds = candidate.by_agent, candidate.by_keys
    good = [np.mean([is_fine(agent, run) for run in runs]) for runs in kinds]
    frames = np.concatenate([run.frames for runs in kinds for run in runs])
    seen = np.mean([sees(agent.game, frame) for frame in frames])
    return Score(float(min(good)), int(10 * seen), candidate.moving)


def is_fine(agent: Agent, run: quality.Run) -> bool:
    return quality.is_good(agent.game, run) and not quality.flashes(run.frames)


def frequent_codes(chosen: Sequence[Candidate]) -> list[int]:
    """The codes of the starts' dreams, the most frequent first."""
    runs = [run for each in chosen for run in (*each.by_agent, *each.by_keys)]
    counts = Counter(np.concatenate([run.tokens.ravel() for run in runs]).tolist())
    return [code for code, _ in counts.most_common(PALETTE)]


def measure(agent: Agent) -> quality.Quality:
    """At starts that are not chosen."""
    seeds = range(quality.SEEDS, quality.SEEDS + quality.DREAMS)
    return quality.measure(agent, [find_start(agent, s) for s in seeds], quality.SEEDS)


def write(path: Path) -> None:
    """An agent's file -> its starts, their picture, and two rows of its card."""
    agent = load_agent(path)
    with autocast_for(agent.config, agent.device):
        chosen, found = choose(agent), measure(agent)
        picture = Image.fromarray(show(agent, chosen[0].start.tokens[:, -1]))
    starts = Starts(
        [each.recorded for each in chosen],
        frequent_codes(chosen),
        present_of(found),
        found.flashing > 0,
    )
    png = io.BytesIO()
    picture.save(png, "PNG")
    write_atomic(starts_path(path), as_text(starts))
    write_atomic(starts_path(path).with_suffix(".png"), png.getvalue())
    write_rows(path.with_suffix(".md"), found)
    scores = ", ".join(f"{score(agent, each).good:.0%}" for each in chosen)
    print(f"{path.stem}: {asdict(found)}\n  good from each start: {scores}", flush=True)


def present_of(found: quality.Quality) -> dict[str, float]:
    """As the starts' file has it; of the real game, under the worse kind of play."""
    game = min(found.agent_in_game, found.keys_in_game)
    return {"agent": found.agent, "human": found.keys, "game": game}


def as_text(starts: Starts) -> str:
    """JSON, a start a line."""
    content = asdict(starts) | {"starts": "STARTS"}
    lines = [dumps(recorded._asdict()) for recorded in starts.starts]
    listed = "[\n  " + ",\n  ".join(lines) + "\n]"
    return dumps(content).replace('"STARTS"', listed) + "\n"


def write_rows(card: Path, found: quality.Quality) -> None:
    """Put the figures into a card, if there is one, before its last row."""
    if not card.is_file():
        return
    kept = re.sub(r"^\| (dreams|flashing) \|.*\n", "", read_text(card), flags=re.M)
    rows = (
        f"| dreams | after {quality.STEPS} steps what is controlled is there in"
        f" {found.agent:.0%} (agent), {found.keys:.0%} (random keys); in the real game"
        f" {found.agent_in_game:.0%}, {found.keys_in_game:.0%}"
        f" ({quality.DREAMS} starts) |\n"
        f"| flashing | {found.flashing:.0%} of these dreams |\n"
    )
    write_atomic(card, kept.replace("| licence |", rows + "| licence |"))


def main(names: Sequence[str]) -> None:
    for name in names or shipped_agents():
        write(DATA / "agents" / f"{name}.safetensors")


if __name__ == "__main__":
    main(sys.argv[1:])
