"""What a session looks like at a moment: pure functions to uint8 (H, W, 3).

`PANELS` draws one thing each; `render` puts several on a sheet. Frames stay 64x64: the
page enlarges them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

import matplotlib
import numpy as np
import torch
from einops import rearrange
from PIL import Image, ImageDraw

from iris_core.config.schema import ConfigError
from iris_core.data.frames import to_pixels
from iris_core.play.imagination import attention as attention_weights
from iris_core.play.session import Session
from iris_core.play.side_by_side import PARTED
from iris_core.play.worlds import Moment, unpack
from iris_core.training.pictures import (
    BLUE,
    FAINT,
    INK,
    VERMILLION,
    enlarge,
    error_map,
    text_width,
    white_sheet,
    write,
)

SIDE = 256  # of a panel
WIDE = 2 * SIDE
GAP = 8
LINE = 18
ROWS, ROW = 6, 56  # branches drawn, and the height of one
COLUMNS, COLUMN, LEFT = 9, 50, 56  # frames of a branch, their width, and what is before
MOST = 8.0  # nats, the top of the colour scale
BLOCKS = 4  # whose attention is shown
NEAREST = Image.Resampling.NEAREST
ORANGE, GREY = "#E69F00", "#d0d0d0"


def action_name(session: Session, moment: Moment) -> str:
    """The name of the action that led to a moment."""
    return "start" if moment.action is None else session.meanings[moment.action]


def header(session: Session, moment: Moment) -> str:
    """Step, return and action, on one line."""
    told = [f"step {moment.step}", f"return {signed(moment.total)}"]
    told.append(f"action {action_name(session, moment)}")
    if moment.sight.reward:
        told.append(f"reward {signed(moment.sight.reward)}")
    return "   ".join(told + ["END"] * moment.sight.end)


def signed(number: float) -> str:
    """A reward or a return as text: +1, -0.5, 0."""
    return f"{number:+g}" if number else "0"


# Panels


def original(session: Session, moment: Moment) -> np.ndarray:
    """The emulator's own picture."""
    picture = moment.sight.picture
    return note("only the real game has one") if picture is None else unpack(picture)


def game_input(session: Session, moment: Moment) -> np.ndarray:
    """The game's frame, resized to 64x64."""
    return note("a dream has none") if session.place == "dream" else moment.sight.frame


def tokens(session: Session, moment: Moment) -> np.ndarray:
    """The frame, faded, with the code of every token."""
    faded = (127.5 + 0.5 * moment.seen).astype(np.uint8)
    codes = moment.sight.tokens[0].tolist()
    return draw_cells(session, faded, map(str, codes), BLUE)


def surprise(session: Session, moment: Moment) -> np.ndarray:
    """Nats and probability of every token that came, laid on the frame."""
    foresight = moment.sight.foresight
    if foresight is None:
        return note("nothing was expected of this frame")
    colours = matplotlib.colormaps["viridis"](foresight.nats / MOST)[..., :3]
    grid = session.agent.tokenizer.grid_size
    laid = rearrange(colours, "(h w) c -> h w c", h=grid)
    grey = moment.seen.mean(-1, keepdims=True) / 255
    picture = 255 * (0.4 * grey + 0.6 * enlarge(laid, 64 // grid))
    both = zip(foresight.nats, foresight.chances, strict=True)
    texts = [f"{nats:.1f}\n{100 * chance:.0f}%" for nats, chance in both]
    return draw_cells(session, picture.astype(np.uint8), texts, "white")


def policy(session: Session, moment: Moment) -> np.ndarray:
    """The probability of each action here, and the value."""
    chances = moment.chances
    title = f"value {moment.value:.2f}"
    return bar_chart(title, session.meanings, chances.tolist(), int(chances.argmax()))


def outcome(session: Session, moment: Moment) -> np.ndarray:
    """The reward and the end that the world model expected of this step."""
    sight = moment.sight
    if sight.foresight is None:
        return note("nothing was expected of this step")
    title = f"came: reward {signed(sight.reward)}{', END' if sight.end else ''}"
    names = ["reward -1", "reward 0", "reward +1", "end"]
    chances = [*sight.foresight.reward.tolist(), sight.foresight.end]
    return bar_chart(title, names, chances, int(np.sign(sight.reward)) + 1)


def attention(session: Session, moment: Moment) -> np.ndarray:
    """Where a head of the world model looked while a token was predicted."""
    if not moment.sight.past:
        return note("the world model saw nothing before")
    tile = (WIDE - 3 * GAP) // BLOCKS
    sheet, draw = blank(WIDE, tile + 3 * LINE)
    model = session.agent.config.world_model
    layer = min(session.layer, model.num_layers - 1)
    head = min(session.head, model.num_heads - 1)
    weights, frames = attended(session, moment, layer, head)
    top = float(weights.max()) or 1.0
    told = f"layer {layer + 1}, head {head + 1}, token {session.token or 0}"
    write(draw, (0, 0), f"{told}; brightest: {top:.2f}", size=13)
    for i, (row, picture) in enumerate(zip(weights, frames, strict=True)):
        x = i * (tile + GAP)
        sheet.paste(heat(picture, row[:-1] / top, tile), (x, LINE + 2))
        write(draw, (x, tile + LINE + 6), f"action {row[-1]:.2f}", FAINT, 12)
    return np.array(sheet)


def timeline(session: Session, moment: Moment) -> np.ndarray:
    """The line from its start to its end: the cursor, rewards, branches, ends, and
    where the world model's memory was filled again (WIDE pixels for all steps)."""
    sheet, draw = blank(WIDE, 34)
    draw.line((GAP, 17, WIDE - GAP, 17), GREY, 5)
    line = session.line
    scale = (WIDE - 2 * GAP) / max(len(line) - 1, 1)
    for x, shown in enumerate(line):
        x = GAP + round(scale * x)
        if shown.refreshed:
            draw.line((x, 11, x, 23), BLUE)
        if shown.sight.reward:
            colour = BLUE if shown.sight.reward > 0 else VERMILLION
            draw.polygon([(x - 4, 9), (x + 4, 9), (x, 2)], colour)
        if len(shown.children) > 1:
            draw.ellipse((x - 3, 14, x + 3, 20), ORANGE)
        if shown.sight.end:
            draw.rectangle((x - 3, 11, x + 3, 23), VERMILLION)
    x = GAP + round(scale * (moment.step - line[0].step))
    draw.line((x, 4, x, 30), INK, 3)
    return np.array(sheet)


def tree(session: Session, moment: Moment) -> np.ndarray:
    """Every branch as a row of frames, its future beside the others'; the cursor's
    frame has a box, and lines show where a branch leaves another."""
    leaves, tile = session.branches, ROW - GAP
    steps = tree_steps(leaves, moment.step)
    sheet, draw = blank(WIDE, LINE + len(leaves[-ROWS:]) * ROW)
    for column, step in enumerate(steps):
        write(draw, (LEFT + column * COLUMN, 0), str(step), FAINT, 12)
    drawn: set[Moment] = set()
    for row, leaf in enumerate(leaves[-ROWS:]):
        y = LINE + row * ROW
        colour = VERMILLION if leaf is session.line[-1] else INK
        write(draw, (0, y + 8), str(leaves.index(leaf) + 1), colour)
        write(draw, (0, y + 24), signed(leaf.total), FAINT, 12, 50)
        path = {passed.step: passed for passed in leaf.path()}
        for column, step in enumerate(steps):
            x, shown = LEFT + column * COLUMN, path.get(step)
            if shown in drawn:  # another row has it: the branch begins further on
                draw.line((x, y + tile // 2, x + 49, y + tile // 2), GREY, 3)
            elif shown is not None:
                drawn.add(shown)
                small = Image.fromarray(shown.sight.frame).resize((tile, tile))
                sheet.paste(small, (x, y))
                if shown is moment:
                    box = (x - 1, y - 1, x + tile, y + tile)
                    draw.rectangle(box, outline=VERMILLION, width=3)
    return np.array(sheet)


def twin(session: Session, moment: Moment) -> np.ndarray:
    """Dream and real game under the same actions, their error, and its course."""
    if session.twin is None or not session.twin.path:
        return note("for dreams that began in the game")
    at = min(len(moment.path()), len(session.twin.path)) - 1
    dreamed, real = session.twin.path[at].sight.frame, session.twin.seen[at]
    error = error_map(real[None], dreamed[None])[0]
    sheet, draw = blank(WIDE, 2 * LINE + 128 + 96)
    named = {"dream": dreamed, "real game": real, "error": error}
    for i, (name, picture) in enumerate(named.items()):
        x = i * (128 + 3 * GAP)
        write(draw, (x, 0), name, size=13)
        sheet.paste(Image.fromarray(enlarge(picture, 2)), (x, LINE))
    parted = session.twin.parted
    told = "together" if parted is None else f"parted at step {parted}"
    colour = INK if parted is None else VERMILLION
    write(draw, (0, 128 + LINE + 2), f"error of the worst patch; {told}", colour, 13)
    draw_course(draw, session.twin.divergence, at)
    return np.array(sheet)


class Panel(NamedTuple):
    title: str
    draw: Callable[[Session, Moment], np.ndarray]


PANELS = {
    "frame": Panel("frame", lambda _, moment: moment.sight.frame),
    "original": Panel("original", original),
    "input": Panel("input, 64x64", game_input),
    "reconstruction": Panel("reconstruction", lambda _, moment: moment.seen),
    "tokens": Panel("tokens and their codes", tokens),
    "surprise": Panel("surprise: nats, probability", surprise),
    "policy": Panel("policy", policy),
    "outcome": Panel("expected reward and end", outcome),
    "attention": Panel("attention", attention),
    "tree": Panel("branches", tree),
    "twin": Panel("same actions in the real game", twin),
    "timeline": Panel("timeline", timeline),
}

WATCHING = {"surprise", "outcome", "attention"}  # panels of what the world model says


def check_panels(names: Sequence[str]) -> None:
    """ConfigError if one of the names is no panel."""
    unknown = [name for name in names if name not in PANELS]
    if unknown or not names:
        raise ConfigError(
            f"{', '.join(unknown) or 'nothing'} cannot be drawn; panels are"
            f" {', '.join(PANELS)}."
        )


def hit(session: Session, panel: str, x: int, y: int) -> tuple[str, int] | None:
    """What a point of a panel stands for: a token, a step or a branch by number."""
    if panel in ("tokens", "surprise"):
        grid = session.agent.tokenizer.grid_size
        row, column = np.minimum((y, x), SIDE - 1) * grid // SIDE
        return "token", int(row * grid + column)
    if panel == "timeline":
        line, part = session.line, min(max((x - GAP) / (WIDE - 2 * GAP), 0), 1)
        return "step", line[0].step + round(part * (len(line) - 1))
    if panel == "tree":
        leaves = len(session.branches)
        rows = min(leaves, ROWS)
        return "branch", leaves - rows + min(max(y - LINE, 0) // ROW, rows - 1)
    return None


# Parts of panels


def blank(width: int, height: int) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    """A white sheet, and a pen for it."""
    sheet = white_sheet(width, height)
    return sheet, ImageDraw.Draw(sheet)


def note(text: str) -> np.ndarray:
    """A grey panel that says why it is empty."""
    sheet = Image.new("RGB", (SIDE, SIDE), "#eeeeee")
    place = ((SIDE - text_width(text, 13)) // 2, SIDE // 2 - 8)
    write(ImageDraw.Draw(sheet), place, text, FAINT, 13)
    return np.array(sheet)


def draw_cells(
    session: Session, picture: np.ndarray, texts: Iterable[str], colour: str
) -> np.ndarray:
    """A 64x64 picture, enlarged, with a text of one line or two on every token, and a
    box around the token that is pointed at."""
    grid = session.agent.tokenizer.grid_size
    sheet, cell = Image.fromarray(enlarge(picture, SIDE // 64)), SIDE // grid
    draw = ImageDraw.Draw(sheet)
    for i, text in enumerate(texts):
        y, x = np.multiply(divmod(i, grid), cell).tolist()
        stamp = stamped(text, 10 if cell < 48 else 14, cell - 4)
        box = (x + 3, y + 3, x + 3 + stamp.width, y + 3 + stamp.height)
        sheet.paste(colour, box, stamp)
    for at in range(cell, SIDE, cell):
        draw.line((at, 0, at, SIDE), GREY)
        draw.line((0, at, SIDE, at), GREY)
    if session.token is not None:
        y, x = np.multiply(divmod(session.token, grid), cell).tolist()
        draw.rectangle((x, y, x + cell, y + cell), outline=VERMILLION, width=3)
    return np.array(sheet)


@lru_cache(maxsize=8192)
def stamped(text: str, size: int, width: int) -> Image.Image:
    """A text to paste through, drawn once: PIL takes its time for letters."""
    stamp = Image.new("L", (width, 2 * size + 6))
    for line, words in enumerate(text.split("\n")):
        write(ImageDraw.Draw(stamp), (0, line * (size + 2)), words, "#fff", size, width)
    return stamp


def bar_chart(
    title: str, names: Sequence[str], chances: Sequence[float], marked: int
) -> np.ndarray:
    """Probabilities as bars, one of them in orange."""
    left, step = 96, 28 if len(names) <= 8 else 16
    sheet, draw = blank(SIDE, 2 * LINE + len(names) * step)
    write(draw, (GAP, 4), title)
    for i, (name, chance) in enumerate(zip(names, chances, strict=True)):
        y = 2 * LINE + i * step
        right = left + round((SIDE - left - 48) * chance)
        write(draw, (GAP, y), name, size=12, max_width=left - 12)
        draw.rectangle((left, y, right, y + step - 6), ORANGE if i == marked else BLUE)
        write(draw, (right + 5, y), f"{chance:.2f}", FAINT, 12)
    return np.array(sheet)


def heat(picture: np.ndarray, weights: np.ndarray, side: int) -> Image.Image:
    """Weights (n,) in [0, 1] of a square grid, laid on a frame in grey."""
    grid = round(len(weights) ** 0.5)
    colours = matplotlib.colormaps["inferno"](weights.reshape(grid, grid), bytes=True)
    laid = Image.fromarray(colours[..., :3])
    grey = Image.fromarray(picture).convert("L").convert("RGB").resize((side, side))
    return Image.blend(grey, laid.resize((side, side), NEAREST), 0.65)


def attended(
    session: Session, moment: Moment, layer: int, head: int
) -> tuple[np.ndarray, np.ndarray]:
    """Weights (n, P) over the last n blocks, the action last, and their frames."""
    agent, sight, at = session.agent, moment.sight, session.token or 0
    seen = [block[:, :-1] for block in sight.past]
    if not agent.world_model.parallel:
        seen.append(sight.tokens)
    with session.computing():
        weights = attention_weights(agent, sight.past, sight.tokens, layer, head, at)
        frames = to_pixels(agent.tokenizer.decode(torch.cat(seen[-BLOCKS:])))
    return weights[-BLOCKS:], frames


def tree_steps(leaves: Sequence[Moment], current: int) -> list[int]:
    """The steps that the tree shows, from the one before the first branch on; the
    nearest of them gives way to the current one."""
    paths = [leaf.path() for leaf in leaves]
    forks = [m.step for path in paths for m in path if len(m.children) > 1]
    first = min(forks, default=paths[0][0].step)
    last = max(leaf.step for leaf in leaves[-ROWS:])
    steps = np.unique(np.linspace(first, last, COLUMNS).round().astype(int))
    if first <= current <= last:
        steps[np.abs(steps - current).argmin()] = current
    return list(steps.tolist())


def draw_course(draw: ImageDraw.ImageDraw, values: Sequence[float], at: int) -> None:
    """Values as a line under the twin's frames, the threshold of parting dashed, a mark
    at index `at`."""
    top, bottom, right = 128 + 2 * LINE + 2, 2 * LINE + 128 + 94, WIDE - 1
    scale = (bottom - top) / max(2 * PARTED, *values)
    xs = np.linspace(0, right, len(values))
    points = [(x, bottom - scale * y) for x, y in zip(xs, values, strict=True)]
    draw.rectangle((0, top, right, bottom), outline=GREY)
    for x in range(0, right, 8):
        y = bottom - scale * PARTED
        draw.line((x, y, x + 4, y), VERMILLION)
    draw.line(points, BLUE, 2)
    x, y = points[at]
    draw.ellipse((x - 3, y - 3, x + 3, y + 3), INK)


# Sheets


def render(
    session: Session, panels: Sequence[str] = ("frame",), moment: Moment | None = None
) -> np.ndarray:
    """A sheet with a header and the panels, each with its title, in rows.

    moment: the session's cursor if None. Returns uint8 (H, W, 3), H and W even as
    videos want them. The same panels give the same size all through a session, unless
    tree is among them.

    Raises:
        ConfigError: no panels, or one that there is not.
    """
    check_panels(panels)
    moment = moment or session.cursor
    chosen = [PANELS[name] for name in panels]
    drawn = [(title, fit(panel(session, moment))) for title, panel in chosen]
    places, width, height = arrange([picture.shape for _, picture in drawn])
    sheet, draw = blank(width, height)
    told = header(session, moment)
    write(draw, (GAP, GAP), session.title, max_width=width - 2 * GAP)
    write(draw, (GAP, GAP + LINE), told, FAINT, max_width=width - 2 * GAP)
    for (title, picture), (x, y) in zip(drawn, places, strict=True):
        write(draw, (x, y), title, size=13, max_width=picture.shape[1])
        sheet.paste(Image.fromarray(picture), (x, y + LINE))
    return np.array(sheet)


def fit(picture: np.ndarray) -> np.ndarray:
    """A game's picture as large as a panel, without smoothing; others as they are."""
    if picture.shape[:2] not in ((64, 64), (210, 160)):
        return picture  # the emulator's pixels, 210x160, are not square
    return np.array(Image.fromarray(picture).resize((SIDE, SIDE), NEAREST))


def arrange(
    shapes: Sequence[tuple[int, ...]], most: int = 2 * WIDE + 4 * GAP
) -> tuple[list[tuple[int, int]], int, int]:
    """Places of panels in rows no wider than `most`; width and height of it all."""
    x, y, below, right = GAP, 3 * GAP + 2 * LINE, 0, 0
    places = []
    for height, width, *_ in shapes:
        if x > GAP and x + width > most:
            x, y = GAP, below
        places.append((x, y))
        x += width + GAP
        right, below = max(right, x), max(below, y + LINE + height + GAP)
    return places, right + right % 2, below + below % 2
