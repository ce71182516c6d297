"""Pictures of a session at a node, for files: functions that return uint8 (H, W, 3).

Each of `PANELS` shows one thing; `render` puts several on a sheet.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

import matplotlib
import numpy as np
from einops import rearrange
from PIL import Image, ImageDraw

from iris_core.config.setting import ConfigError
from iris_core.plotting.contact_sheet import enlarge, text_width, white_sheet, write
from iris_core.plotting.error_map import error_map
from iris_core.plotting.palette import BLUE, FAINT, INK, ORANGE, VERMILLION
from iris_core.tools.play.panels import (
    BLOCKS,
    ROWS,
    attention_of,
    tree_steps,
)
from iris_core.tools.play.session import Session
from iris_core.tools.play.side_by_side import DIVERGED
from iris_core.tools.play.worlds import Node, unpack

SIDE = 256  # of a panel
WIDE = 2 * SIDE
GAP = 8
LINE = 18
ROW = 56  # pixels: the height of a branch in the tree
COLUMN, LEFT = 50, 56  # the width of a frame of it, the left margin
MAX_NATS = 8.0  # the top of the colour scale
NEAREST = Image.Resampling.NEAREST
GREY = "#d0d0d0"


def action_name(session: Session, node: Node) -> str:
    """The action that led to a node."""
    return "start" if node.action is None else session.action_names[node.action]


def status(session: Session, node: Node) -> str:
    """Step, return, action and reward on one line."""
    parts = [f"step {node.step}", f"return {signed(node.total)}"]
    parts.append(f"action {action_name(session, node)}")
    if node.obs.reward:
        parts.append(f"reward {signed(node.obs.reward)}")
    return "   ".join(parts + ["END"] * node.obs.end)


def signed(number: float) -> str:
    """A reward or a return as text: +1, -0.5, 0."""
    return f"{number:+g}" if number else "0"


# Panels


def original(session: Session, node: Node) -> np.ndarray:
    """The emulator's own picture."""
    screen = node.obs.screen
    return note("only for the real game") if screen is None else unpack(screen)


def game_input(session: Session, node: Node) -> np.ndarray:
    """The game's frame, resized to 64x64."""
    return note("not in a dream") if session.place == "dream" else node.obs.frame


def tokens(session: Session, node: Node) -> np.ndarray:
    """The faded frame with the code of each token."""
    faded = (127.5 + 0.5 * node.reconstruction).astype(np.uint8)
    codes = node.obs.tokens[0].tolist()
    return draw_cells(session, faded, map(str, codes), BLUE)


def surprise(session: Session, node: Node) -> np.ndarray:
    """The cross-entropy of each token and its predicted probability, on the frame."""
    prediction = node.obs.prediction
    if prediction is None:
        return note("no prediction for this frame")
    colours = matplotlib.colormaps["viridis"](prediction.surprisal / MAX_NATS)[..., :3]
    grid = session.agent.tokenizer.grid_size
    laid = rearrange(colours, "(h w) c -> h w c", h=grid)
    grey = node.reconstruction.mean(-1, keepdims=True) / 255
    picture = 255 * (0.4 * grey + 0.6 * enlarge(laid, 64 // grid))
    both = zip(prediction.surprisal, prediction.probs, strict=True)
    texts = [f"{nats:.1f}\n{100 * prob:.0f}%" for nats, prob in both]
    return draw_cells(session, picture.astype(np.uint8), texts, "white")


def policy(session: Session, node: Node) -> np.ndarray:
    """The policy's probability of each action, and the value."""
    probs = node.action_probs
    title = f"value {node.value:.2f}"
    return bar_chart(title, session.action_names, probs.tolist(), int(probs.argmax()))


def outcome(session: Session, node: Node) -> np.ndarray:
    """The predicted reward and end of this step."""
    obs = node.obs
    if obs.prediction is None:
        return note("no prediction for this step")
    title = f"actual: reward {signed(obs.reward)}{', END' if obs.end else ''}"
    names = ["reward -1", "reward 0", "reward +1", "end"]
    probs = [*obs.prediction.reward.tolist(), obs.prediction.end]
    return bar_chart(title, names, probs, int(np.sign(obs.reward)) + 1)


def attention(session: Session, node: Node) -> np.ndarray:
    """The attention weights of a head while it predicted the selected token."""
    if not node.obs.past:
        return note("no context before this frame")
    tile = (WIDE - 3 * GAP) // BLOCKS
    sheet, draw = new_sheet(WIDE, tile + 3 * LINE)
    model = session.agent.config.world_model
    layer = min(session.layer, model.num_layers - 1)
    head = min(session.head, model.num_heads - 1)
    weights, frames = attention_of(session, node, layer, head)
    top = float(weights.max()) or 1.0
    what = f"layer {layer + 1}, head {head + 1}, token {(session.token or 0) + 1}"
    write(draw, (0, 0), f"{what}; brightest: {top:.2f}", size=13)
    for i, (row, picture) in enumerate(zip(weights, frames, strict=True)):
        x = i * (tile + GAP)
        sheet.paste(heat_map(picture, row[:-1] / top, tile), (x, LINE + 2))
        write(draw, (x, tile + LINE + 6), f"action {row[-1]:.2f}", FAINT, 12)
    return np.array(sheet)


def tree(session: Session, node: Node) -> np.ndarray:
    """A row of frames for each branch, aligned by step. The cursor's frame has a box;
    grey lines stand for steps that a row above shares."""
    leaves, tile = session.leaves, ROW - GAP
    steps = tree_steps(leaves, node.step)
    sheet, draw = new_sheet(WIDE, LINE + len(leaves[-ROWS:]) * ROW)
    for column, step in enumerate(steps):
        write(draw, (LEFT + column * COLUMN, 0), str(step), FAINT, 12)
    drawn: set[Node] = set()
    for row, leaf in enumerate(leaves[-ROWS:]):
        y = LINE + row * ROW
        colour = VERMILLION if leaf is session.line[-1] else INK
        write(draw, (0, y + 8), str(leaves.index(leaf) + 1), colour)
        write(draw, (0, y + 24), signed(leaf.total), FAINT, 12, 50)
        path = {each.step: each for each in leaf.path()}
        for column, step in enumerate(steps):
            x, shown = LEFT + column * COLUMN, path.get(step)
            if shown in drawn:  # in a row above: this branch leaves it further on
                draw.line((x, y + tile // 2, x + 49, y + tile // 2), GREY, 3)
            elif shown is not None:
                drawn.add(shown)
                small = Image.fromarray(shown.obs.frame).resize((tile, tile))
                sheet.paste(small, (x, y))
                if shown is node:
                    box = (x - 1, y - 1, x + tile, y + tile)
                    draw.rectangle(box, outline=VERMILLION, width=3)
    return np.array(sheet)


def side_by_side(session: Session, node: Node) -> np.ndarray:
    """Dream and real game under the same actions, their error, and its curve."""
    rollout = session.real_rollout
    if rollout is None or not rollout.path:
        return note("only for dreams from the game")
    at = min(len(node.path()), len(rollout.path)) - 1
    dreamed, real = rollout.path[at].obs.frame, rollout.frames[at]
    error = error_map(real[None], dreamed[None])[0]
    sheet, draw = new_sheet(WIDE, 2 * LINE + 128 + 96)
    named = {"dream": dreamed, "real game": real, "error": error}
    for i, (name, picture) in enumerate(named.items()):
        x = i * (128 + 3 * GAP)
        write(draw, (x, 0), name, size=13)
        sheet.paste(Image.fromarray(enlarge(picture, 2)), (x, LINE))
    step, colour, text = rollout.diverged_at, INK, "error of the worst patch"
    if step is not None:
        colour, text = VERMILLION, f"{text}; diverged at step {step}"
    write(draw, (0, 128 + LINE + 2), text, colour, 13)
    draw_error_curve(draw, rollout.divergence, at)
    return np.array(sheet)


class Panel(NamedTuple):
    title: str
    draw: Callable[[Session, Node], np.ndarray]


PANELS = {
    "frame": Panel("frame", lambda _, node: node.obs.frame),
    "original": Panel("original", original),
    "input": Panel("input, 64x64", game_input),
    "reconstruction": Panel("reconstruction", lambda _, node: node.reconstruction),
    "tokens": Panel("tokens and their codes", tokens),
    "surprise": Panel("surprise: nats, probability", surprise),
    "policy": Panel("policy", policy),
    "outcome": Panel("predicted reward and end", outcome),
    "attention": Panel("attention", attention),
    "tree": Panel("branches", tree),
    "twin": Panel("same actions in the real game", side_by_side),
}
# These need the world model in the real game too
PREDICTION_PANELS = {"surprise", "outcome", "attention"}


def check_panels(names: Sequence[str]) -> None:
    """ConfigError if a panel is unknown, or there are none."""
    unknown = [name for name in names if name not in PANELS]
    if unknown or not names:
        raise ConfigError(
            f"Unknown panel {', '.join(unknown) or '(none given)'}: choose among"
            f" {', '.join(PANELS)}."
        )


# Parts of panels


def new_sheet(width: int, height: int) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    """A white sheet to draw on."""
    sheet = white_sheet(width, height)
    return sheet, ImageDraw.Draw(sheet)


def note(text: str) -> np.ndarray:
    """A grey panel that says when there is something to see."""
    sheet = Image.new("RGB", (SIDE, SIDE), "#eeeeee")
    place = ((SIDE - text_width(text, 13)) // 2, SIDE // 2 - 8)
    write(ImageDraw.Draw(sheet), place, text, FAINT, 13)
    return np.array(sheet)


def draw_cells(
    session: Session, picture: np.ndarray, texts: Iterable[str], colour: str
) -> np.ndarray:
    """A 64x64 picture, enlarged, with a text of one or two lines on each token and a
    box around the selected one."""
    grid = session.agent.tokenizer.grid_size
    sheet, cell = Image.fromarray(enlarge(picture, SIDE // 64)), SIDE // grid
    draw = ImageDraw.Draw(sheet)
    for i, text in enumerate(texts):
        y, x = np.multiply(divmod(i, grid), cell).tolist()
        mask = text_mask(text, 10 if cell < 48 else 14, cell - 4)
        box = (x + 3, y + 3, x + 3 + mask.width, y + 3 + mask.height)
        sheet.paste(colour, box, mask)
    for at in range(cell, SIDE, cell):
        draw.line((at, 0, at, SIDE), GREY)
        draw.line((0, at, SIDE, at), GREY)
    if session.token is not None:
        y, x = np.multiply(divmod(session.token, grid), cell).tolist()
        draw.rectangle((x, y, x + cell, y + cell), outline=VERMILLION, width=3)
    return np.array(sheet)


@lru_cache(maxsize=8192)
def text_mask(text: str, size: int, width: int) -> Image.Image:
    """A mask to paste a text through, cached: PIL is slow at letters."""
    mask = Image.new("L", (width, 2 * size + 6))
    for line, words in enumerate(text.split("\n")):
        write(ImageDraw.Draw(mask), (0, line * (size + 2)), words, "#fff", size, width)
    return mask


def bar_chart(
    title: str, names: Sequence[str], probs: Sequence[float], marked: int
) -> np.ndarray:
    """Probabilities as bars, one of them marked in orange."""
    left, step = 96, 28 if len(names) <= 8 else 16
    sheet, draw = new_sheet(SIDE, 2 * LINE + len(names) * step)
    write(draw, (GAP, 4), title)
    for i, (name, prob) in enumerate(zip(names, probs, strict=True)):
        y = 2 * LINE + i * step
        right = left + round((SIDE - left - 48) * prob)
        write(draw, (GAP, y), name, size=12, max_width=left - 12)
        draw.rectangle((left, y, right, y + step - 6), ORANGE if i == marked else BLUE)
        write(draw, (right + 5, y), f"{prob:.2f}", FAINT, 12)
    return np.array(sheet)


def heat_map(picture: np.ndarray, weights: np.ndarray, side: int) -> Image.Image:
    """Weights (n,) in [0, 1] of a square grid, on top of a grey frame."""
    grid = round(len(weights) ** 0.5)
    colours = matplotlib.colormaps["inferno"](weights.reshape(grid, grid), bytes=True)
    laid = Image.fromarray(colours[..., :3])
    grey = Image.fromarray(picture).convert("L").convert("RGB").resize((side, side))
    return Image.blend(grey, laid.resize((side, side), NEAREST), 0.65)


def draw_error_curve(
    draw: ImageDraw.ImageDraw, values: Sequence[float], at: int
) -> None:
    """A curve below the two games, its threshold dashed, with a mark at index `at`."""
    top, bottom, right = 128 + 2 * LINE + 2, 2 * LINE + 128 + 94, WIDE - 1
    scale = (bottom - top) / max(2 * DIVERGED, *values)
    xs = np.linspace(0, right, len(values))
    points = [(x, bottom - scale * y) for x, y in zip(xs, values, strict=True)]
    draw.rectangle((0, top, right, bottom), outline=GREY)
    for x in range(0, right, 8):
        y = bottom - scale * DIVERGED
        draw.line((x, y, x + 4, y), VERMILLION)
    draw.line(points, BLUE, 2)
    x, y = points[at]
    draw.ellipse((x - 3, y - 3, x + 3, y + 3), INK)


# Sheets


def render(
    session: Session, panels: Sequence[str] = ("frame",), node: Node | None = None
) -> np.ndarray:
    """A sheet of panels with their titles in rows, under a header.

    node: the session's cursor if None. Returns uint8 (H, W, 3), both even as videos
    need them. A session's sheets have one size, unless "tree" is among the panels.

    Raises:
        ConfigError: no panels, or an unknown one.
    """
    check_panels(panels)
    node = node or session.cursor
    chosen = [PANELS[name] for name in panels]
    drawn = [(title, upscale(panel(session, node))) for title, panel in chosen]
    places, width, height = layout([picture.shape for _, picture in drawn])
    sheet, draw = new_sheet(width, height)
    line = status(session, node)
    write(draw, (GAP, GAP), session.title, max_width=width - 2 * GAP)
    write(draw, (GAP, GAP + LINE), line, FAINT, max_width=width - 2 * GAP)
    for (title, picture), (x, y) in zip(drawn, places, strict=True):
        write(draw, (x, y), title, size=13, max_width=picture.shape[1])
        sheet.paste(Image.fromarray(picture), (x, y + LINE))
    return np.array(sheet)


def upscale(picture: np.ndarray) -> np.ndarray:
    """A game's picture in the size of a panel; other pictures as they are."""
    if picture.shape[:2] not in ((64, 64), (210, 160)):
        return picture  # the emulator's pixels, 210x160, are not square
    return np.array(Image.fromarray(picture).resize((SIDE, SIDE), NEAREST))


def layout(
    shapes: Sequence[tuple[int, ...]], most: int = 2 * WIDE + 4 * GAP
) -> tuple[list[tuple[int, int]], int, int]:
    """Corners of panels in rows of width `most` or less, and the sheet's size."""
    x, y, below, right = GAP, 3 * GAP + 2 * LINE, 0, 0
    places = []
    for height, width, *_ in shapes:
        if x > GAP and x + width > most:
            x, y = GAP, below
        places.append((x, y))
        x += width + GAP
        right, below = max(right, x), max(below, y + LINE + height + GAP)
    return places, right + right % 2, below + below % 2
