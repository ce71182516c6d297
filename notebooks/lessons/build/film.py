"""`python -m lessons.build.film`: the moving picture of README.md.

A dream of Freeway beside the real game: both begin in the same state and take the same
actions, those that the agent chose in its dream. `--dreams 64` draws nothing and tells
how long the dreams of the first 64 seeds are right.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from einops import repeat
from PIL import Image, ImageDraw, ImageFont

from iris_core.agent import Agent
from iris_core.envs import make_env
from iris_core.plotting.palette import FAINT, INK
from iris_core.tools.play.session import Session
from lessons.data import DATA, load_agent
from lessons.plots.nb05_dreams import chicken_row

AGENT, SEED, STEPS = "freeway_hour", 56, 200
GIF = DATA.parent / "results" / "figures" / "dream_beside_game.gif"
SIDE, GAP, LINE = 256, 16, 26  # pixels of the sheet: a frame, a margin, a line of text
NEAR = 4  # rows between the two chickens, at most
ROAD = 22  # the first column beyond the chicken's: there are only cars
PACE = 70  # milliseconds a step


@dataclass(frozen=True)
class Film:
    """Frames uint8 (T + 1, 64, 64, 3) and rewards (T + 1,) on both sides, and the names
    of the actions (T + 1,) that led to each; the first have no action and no reward."""

    dreamed: np.ndarray
    real: np.ndarray
    dream_rewards: np.ndarray
    real_rewards: np.ndarray
    actions: list[str]

    @property
    def right_for(self) -> int:
        """Steps before the chicken of the dream is lost: it is not seen, or not within
        NEAR rows of the real one, for three frames."""
        near = np.abs(chicken_row(self.dreamed) - chicken_row(self.real)) <= NEAR
        lost = ~near[:-2] & ~near[1:-1] & ~near[2:]
        return int(lost.argmax()) if lost.any() else len(near) - 1

    @property
    def road_error(self) -> np.ndarray:
        """The mean error of each frame where there are only cars: (T + 1,), of 255."""
        dreamed, real = self.dreamed[:, :, ROAD:], self.real[:, :, ROAD:]
        return np.abs(dreamed.astype(np.float32) - real).mean((1, 2, 3))


def shoot(agent: Agent, seed: int, steps: int) -> Film:
    """The agent dreams; then the game is played from the same state by its actions."""
    session = Session(agent, seed=seed)
    for _ in range(steps):
        session.advance()
    start, *later = session.line
    assert start.obs.game is not None  # so it is where a dream begins in the game
    env = make_env(agent.config.env, "test")
    real, rewards = [env.set_state(start.obs.game)], [0.0]
    for node in later:
        assert node.action is not None
        pixels, reward, *_ = env.step(node.action)
        real.append(pixels)
        rewards.append(float(reward))
    return Film(
        np.stack([node.obs.frame for node in session.line]),
        np.stack(real),
        np.array([node.obs.reward for node in session.line]),
        np.array(rewards),
        ["", *[session.action_names[node.action or 0] for node in later]],
    )


def draw(film: Film) -> Iterator[np.ndarray]:
    """A picture of every step: the game on the left, the dream on the right."""
    sides = (
        ("the real game", film.real, film.real_rewards.cumsum()),
        ("the world model's dream of it", film.dreamed, film.dream_rewards.cumsum()),
    )
    for t, action in enumerate(film.actions):
        sheet = Image.new("RGB", (2 * SIDE + 3 * GAP, SIDE + 3 * LINE + GAP), "white")
        pen = ImageDraw.Draw(sheet)
        for i, (title, frames, crossings) in enumerate(sides):
            x = GAP + i * (SIDE + GAP)
            write(pen, x, 8, title, INK)
            large = repeat(frames[t], "h w c -> (h i) (w j) c", i=4, j=4)
            sheet.paste(Image.fromarray(large), (x, LINE + 8))
            write(pen, x, SIDE + LINE + 14, f"crossings  {crossings[t]:.0f}", INK)
        write(pen, GAP, SIDE + 2 * LINE + 10, f"step {t}   {action}", FAINT)
        yield np.array(sheet)


def write(pen: ImageDraw.ImageDraw, x: int, y: int, text: str, colour: str) -> None:
    pen.text((x, y), text, fill=colour, font=ImageFont.load_default(15))


def save(sheets: Iterator[np.ndarray], path: Path) -> None:
    """An endless GIF. One palette and no dithering: half the size, and no flicker."""
    drawn = list(sheets)
    many = Image.fromarray(np.concatenate(drawn[::8]))
    palette = many.quantize(method=Image.Quantize.FASTOCTREE)  # keeps rare colours
    first, *rest = [
        Image.fromarray(sheet).quantize(palette=palette, dither=Image.Dither.NONE)
        for sheet in drawn
    ]
    first.save(path, save_all=True, append_images=rest, duration=PACE, loop=0)


def count(films: Iterator[Film], steps: int) -> None:
    """Print how long the chicken is right in each dream, and whether cars drift."""
    right, road = [], []
    for seed, film in enumerate(films):
        right.append(film.right_for)
        road.append(film.road_error)
        print(f"seed {seed}: the chicken is right for {right[-1]} of {steps} steps")
    print(f"median: {np.median(right):g} steps")
    errors = np.stack(road)
    early, late = errors[:, 1:21].mean(), errors[:, -20:].mean()
    print(f"cars, mean error of 255: first 20 steps {early:.2f}, last 20 {late:.2f}")


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--dreams", type=int, metavar="N", help="tell, and draw nothing"
    )
    parser.add_argument("--steps", type=int, default=STEPS, metavar="N")
    parser.add_argument("--out", type=Path, default=GIF, metavar="FILE")
    options = parser.parse_args(argv)
    agent, steps = load_agent(AGENT), options.steps
    if options.dreams:
        count((shoot(agent, seed, steps) for seed in range(options.dreams)), steps)
    else:
        save(draw(shoot(agent, SEED, steps)), options.out)


if __name__ == "__main__":
    main()
