"""Which dreams are good: whether what the player controls is still there.

    python -m lessons.build.dream_quality NAME_OR_FILE [...] [--seeds FROM] [--dreams N]

Dreams begin at starts that nothing was chosen by, those of `find_start` from SEEDS on.
After STEPS steps the last few frames must show one controlled object, as controlled.py
tells. So must those of the real game, as the tokenizer shows it, from the same state
under the same kind of play: more can't be asked of a dream. Where a dream or a game is
over before, the last frames before the end count; a dream that ends too soon loses
nothing by it, so the table tells how many end. Two kinds of play: the agent's, and
random keys that are held for a while.

Flashes are those of WCAG's general flash threshold, simplified: a frame is brighter or
darker than the one before it, by a tenth of the largest luminance, over a quarter of
the screen; two such changes in opposite directions are a flash; more than three of them
within a second are a hazard.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from iris_core.agent import Agent, categorical
from iris_core.data.frames import to_frames, to_pixels
from iris_core.envs import make_env
from iris_core.imagination.gym_env import padded
from iris_core.imagination.start import Start, find_start
from iris_core.imagination.world_model_env import WorldModelEnv
from iris_core.models.actor_critic import State
from iris_core.pretrained import load_agent
from iris_core.runtime.device import autocast_for
from lessons.build.controlled import is_present

SEEDS, DREAMS = 40_000, 50
STEPS, LAST = 60, 3
HELD = 3, 15  # steps that a key is held for
PACE = 15  # frames a second
SHARES = np.array([0.2126, 0.7152, 0.0722], np.float32)  # of red, green and blue
CHANGE, DARK, AREA, FLASHES = 0.1, 0.8, 0.25, 3  # WCAG 2.2, general flash threshold


class Run(NamedTuple):
    """A play of at most STEPS steps: frames uint8 (T + 1, 64, 64, 3), of which the
    first is the start's, tokens int64 (T + 1, K), and whether it was over then."""

    frames: np.ndarray
    tokens: np.ndarray
    over: bool


class World(Protocol):
    """B plays side by side. tokens: (B, K), of the current frames, and what they
    decode to, (B, 3, 64, 64)."""

    @property
    def tokens(self) -> Tensor: ...

    @property
    def frames(self) -> Tensor: ...

    def step(self, actions: Tensor) -> np.ndarray:
        """Take actions (B,); returns ends, bool (B,)."""


class Dreams:
    """The dreams of some starts."""

    def __init__(self, agent: Agent, starts: Sequence[Start]) -> None:
        self.env = WorldModelEnv.of(agent)
        length = max(start.tokens.shape[1] for start in starts)
        tokens, actions = zip(*(padded(s, length) for s in starts), strict=True)
        self.env.start(torch.cat(tokens), torch.cat(actions))

    @property
    def tokens(self) -> Tensor:
        return self.env.tokens

    @property
    def frames(self) -> Tensor:
        return self.env.frames

    def step(self, actions: Tensor) -> np.ndarray:
        return self.env.step(actions)[2].cpu().numpy()


class Games:
    """The real game at the same starts, as the tokenizer shows it."""

    def __init__(self, agent: Agent, starts: Sequence[Start]) -> None:
        self.tokenizer = agent.tokenizer
        self.envs = [make_env(agent.config.env, "test") for _ in starts]
        states = [start.game for start in starts]
        self.pixels = [
            env.set_state(state)
            for env, state in zip(self.envs, states, strict=True)
            if state is not None
        ]
        self.ends = np.zeros(len(starts), bool)
        self.look()

    @torch.no_grad()
    def look(self) -> None:
        self.tokens = self.tokenizer.tokenize(to_frames(np.stack(self.pixels)))
        self.frames = self.tokenizer.decode(self.tokens)

    def step(self, actions: Tensor) -> np.ndarray:
        for i in np.flatnonzero(~self.ends):
            self.pixels[i], _, terminated, truncated, _ = self.envs[i].step(
                int(actions[i])
            )
            self.ends[i] = terminated or truncated
        self.look()
        return self.ends.copy()


class Keys:
    """Somebody at random: each of B players holds an action for 3 to 15 steps."""

    def __init__(self, num_actions: int, players: int, seed: int) -> None:
        self.num_actions = num_actions
        self.rng = np.random.default_rng(seed)
        self.actions = np.zeros(players, np.int64)
        self.left = np.zeros(players, np.int64)

    def act(self, frames: Tensor) -> Tensor:
        """The next actions (B,); the frames do not matter."""
        new, n = self.left == 0, len(self.left)
        first, last = HELD
        drawn = self.rng.integers(self.num_actions, size=n)
        self.actions = np.where(new, drawn, self.actions)
        held = self.rng.integers(first, last + 1, size=n)
        self.left = np.where(new, held, self.left) - 1
        return torch.from_numpy(self.actions)


class Policy:
    """The agent, B times, from the LSTM states of starts."""

    def __init__(self, agent: Agent, starts: Sequence[Start]) -> None:
        self.agent = agent
        states = zip(*(start.lstm_state for start in starts), strict=True)
        h, c = (torch.cat(each) for each in states)
        self.state: State = (h, c)

    def act(self, frames: Tensor) -> Tensor:
        """Its actions (B,) on frames (B, 3, 64, 64)."""
        logits, _, self.state = self.agent.actor_critic(frames, self.state)
        return categorical(logits)


@torch.no_grad()
def play(world: World, player: Keys | Policy, seed: int) -> list[Run]:
    """Everything a player sees in some worlds side by side. seed: of what is sampled
    from here on."""
    torch.manual_seed(seed)
    tokens, ends = [world.tokens], [np.zeros(len(world.tokens), bool)]
    shown = [world.frames]
    for _ in range(STEPS):
        ends.append(ends[-1] | world.step(player.act(shown[-1])))
        tokens.append(world.tokens)
        shown.append(world.frames)
        if ends[-1].all():
            break
    frames = to_pixels(torch.stack(shown, 1))
    known = torch.stack(tokens, 1).cpu().numpy()
    lengths = len(ends) - np.stack(ends).sum(0)  # up to the last frame before the end
    return [
        Run(frames[i, : n + over], known[i, : n + over], over)
        for i, (n, over) in enumerate(zip(lengths, ends[-1].tolist(), strict=True))
    ]


@dataclass(frozen=True)
class Quality:
    """Shares of the dreams and games in which the object is present after STEPS steps,
    or when they end before; of the dreams that end before, and of those that flash."""

    agent: float
    keys: float
    agent_in_game: float
    keys_in_game: float
    ended: float
    flashing: float


def measure(agent: Agent, starts: Sequence[Start], seed: int) -> Quality:
    """Play from each start in the dream and in the game, by the agent and by keys."""
    num, n = agent.num_actions, len(starts)
    with autocast_for(agent.config, agent.device):
        runs = [
            play(world, player, seed)
            for world, player in (
                (Dreams(agent, starts), Policy(agent, starts)),
                (Dreams(agent, starts), Keys(num, n, seed)),
                (Games(agent, starts), Policy(agent, starts)),
                (Games(agent, starts), Keys(num, n, seed)),
            )
        ]
    good = [share([is_good(agent.game, run) for run in each]) for each in runs]
    dreams = runs[0] + runs[1]
    return Quality(
        agent=good[0],
        keys=good[1],
        agent_in_game=good[2],
        keys_in_game=good[3],
        ended=share([run.over for run in dreams]),
        flashing=share([flashes(run.frames) for run in dreams]),
    )


def share(found: Sequence[bool]) -> float:
    return float(np.mean(found))


def is_good(game: str, run: Run) -> bool:
    """Whether the last frames show what is controlled; not the one that comes with an
    end, for a world model never learns what is there."""
    frames = run.frames[: len(run.frames) - run.over]
    return is_present(game, frames[-LAST:])


def flashes(frames: np.ndarray) -> bool:
    """Whether frames uint8 (T, H, W, 3) flash more often in a second than is safe."""
    light = luminance(frames)
    change, darker = np.diff(light, axis=0), np.minimum(light[:-1], light[1:])
    strong = (np.abs(change) >= CHANGE) & (darker < DARK)
    up = (strong & (change > 0)).mean((1, 2)) > AREA
    down = (strong & (change < 0)).mean((1, 2)) > AREA
    directions = up.astype(int) - down
    return any(
        pairs(directions[t : t + PACE]) > FLASHES for t in range(len(directions))
    )


def pairs(directions: np.ndarray) -> int:
    """Pairs of opposite changes in a row of +1, 0 and -1."""
    changes = directions[directions != 0]
    turns = int((changes[1:] != changes[:-1]).sum())
    return (turns + 1) // 2


def luminance(frames: np.ndarray) -> np.ndarray:
    """Relative luminance of sRGB, as WCAG defines it: uint8 (..., 3) -> (...)."""
    x = np.arange(256) / 255
    linear = np.where(x <= 0.04045, x / 12.92, ((x + 0.055) / 1.055) ** 2.4)
    return np.asarray(linear.astype(np.float32)[frames] @ SHARES)


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("agents", nargs="+", metavar="NAME_OR_FILE")
    parser.add_argument("--seeds", type=int, default=SEEDS, metavar="FROM")
    parser.add_argument("--dreams", type=int, default=DREAMS, metavar="N")
    options = parser.parse_args(argv)
    names = "agent", "keys", "game, agent", "game, keys", "ended", "flashing"
    print(f"{'present after 60 steps':32}", *(f"{name:>12}" for name in names))
    for name in options.agents:
        agent = load_agent(name)
        seeds = range(options.seeds, options.seeds + options.dreams)
        with autocast_for(agent.config, agent.device):
            starts = [find_start(agent, seed) for seed in seeds]
        found = measure(agent, starts, options.seeds)
        shares = vars(found).values()
        print(f"{name[-32:]:32}", *(f"{share:12.0%}" for share in shares), flush=True)


if __name__ == "__main__":
    main()
