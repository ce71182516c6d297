"""What a session looks like: pure functions from a view to uint8 (H, W, 3).

`PANELS` draws one thing each; `render` puts several on a sheet. Frames stay 64x64: the
page enlarges them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
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
from iris_core.play.side_by_side import PARTED, Twin
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
ORANGE, GREY = "#E69F00", "#d0d0d0"
PLACES = {"game": "the real game", "dream": "the dream", "replay": "a recorded episode"}


@dataclass(frozen=True)
class View:
    """One moment of a session, to be drawn: all that it needs, nothing to change it.

    line: the branch that the moment is on, to its end. leaves: the ends of all
    branches. names: of the actions. token: the one that is pointed at. grid: tokens a
    side. attended: where a head of a layer looked for the token, None if at nothing:
    for each of the last blocks its frame, and weights (P,), the action's last.
    """

    title: str
    moment: Moment
    line: Sequence[Moment]
    leaves: Sequence[Moment]
    names: Sequence[str]
    grid: int
    dreamed: bool
    twin: Twin | None
    token: int | None
    layer: int
    head: int
    attended: Sequence[tuple[np.ndarray, np.ndarray]] | None

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
    model = session.agent.config.world_model
    at = token or 0, min(layer, model.num_layers - 1), min(head, model.num_heads - 1)
    return View(
        title=f"{session.agent.game}: {PLACES[session.place]}{who}",
        moment=session.cursor,
        line=session.line,
        leaves=session.branches,
        names=session.meanings,
        grid=session.agent.tokenizer.grid_size,
        dreamed=session.place == "dream",
        twin=session.twin,
        token=token,
        layer=at[1],
        head=at[2],
        attended=attended(session, *at) if "attention" in panels else None,
    )


@torch.no_grad()
def attended(
    session: Session, token: int, layer: int, head: int
) -> list[tuple[np.ndarray, np.ndarray]] | None:
    """`View.attended`; None if nothing led to the frame that the world model saw."""
    agent, sight = session.agent, session.cursor.sight
    if not sight.past:
        return None
    with session.computing():
        weights = attention_weights(agent, sight.past, sight.tokens, layer, head, token)
    seen = [block[:, :-1] for block in sight.past]
    if not agent.world_model.parallel:
        seen.append(sight.tokens)
    frames = to_pixels(agent.tokenizer.decode(torch.cat(seen[-BLOCKS:])))
    return list(zip(frames, weights[-BLOCKS:], strict=True))


# Panels


def original(view: View) -> np.ndarray:
    """The emulator's own picture."""
    picture = view.moment.sight.picture
    return note("only the real game has one") if picture is None else unpack(picture)


def game_input(view: View) -> np.ndarray:
    """The game's frame, resized to 64x64."""
    return note("a dream has none") if view.dreamed else view.moment.sight.frame


def tokens(view: View) -> np.ndarray:
    """The frame, faded, with the code of every token."""
    faded = (127.5 + 0.5 * view.moment.seen).astype(np.uint8)
    codes = view.moment.sight.tokens[0].tolist()
    return draw_cells(view, faded, map(str, codes), BLUE)


def surprise(view: View) -> np.ndarray:
    """Nats and probability of every token that came, laid on the frame."""
    foresight = view.moment.sight.foresight
    if foresight is None:
        return note("nothing was expected of this frame")
    colours = matplotlib.colormaps["viridis"](foresight.nats / MOST)[..., :3]
    laid = rearrange(colours, "(h w) c -> h w c", h=view.grid)
    grey = view.moment.seen.mean(-1, keepdims=True) / 255
    picture = 255 * (0.4 * grey + 0.6 * enlarge(laid, 64 // view.grid))
    both = zip(foresight.nats, foresight.chances, strict=True)
    texts = [f"{nats:.1f}\n{100 * chance:.0f}%" for nats, chance in both]
    return draw_cells(view, picture.astype(np.uint8), texts, "white")


def policy(view: View) -> np.ndarray:
    """The probability of each action here, and the value."""
    chances = view.moment.chances
    title = f"value {view.moment.value:.2f}"
    return bar_chart(title, view.names, chances.tolist(), int(chances.argmax()))


def outcome(view: View) -> np.ndarray:
    """The reward and the end that the world model expected of this step."""
    sight = view.moment.sight
    if sight.foresight is None:
        return note("nothing was expected of this step")
    title = f"came: reward {signed(sight.reward)}{', END' if sight.end else ''}"
    names = ["reward -1", "reward 0", "reward +1", "end"]
    chances = [*sight.foresight.reward.tolist(), sight.foresight.end]
    return bar_chart(title, names, chances, int(np.sign(sight.reward)) + 1)


def attention(view: View) -> np.ndarray:
    """Where a head of the world model looked while a token was predicted."""
    if view.attended is None:
        return note("the world model saw nothing before")
    tile = (WIDE - 3 * GAP) // 4
    sheet, draw = blank(WIDE, tile + 3 * LINE)
    top = max(float(weights.max()) for _, weights in view.attended) or 1.0
    told = f"layer {view.layer + 1}, head {view.head + 1}, token {view.token or 0}"
    write(draw, (0, 0), f"{told}; brightest: {top:.2f}", size=13)
    for i, (picture, weights) in enumerate(view.attended):
        x = i * (tile + GAP)
        sheet.paste(heat(picture, weights[:-1] / top, tile), (x, LINE + 2))
        write(draw, (x, tile + LINE + 6), f"action {weights[-1]:.2f}", FAINT, 12)
    return np.array(sheet)


def timeline(view: View) -> np.ndarray:
    """The line from its start to its end: the cursor, rewards, branches, ends, and
    where the world model's memory was filled again (WIDE pixels for all steps)."""
    sheet, draw = blank(WIDE, 34)
    draw.line((GAP, 17, WIDE - GAP, 17), GREY, 5)
    for moment in view.line:
        x = timeline_x(view, moment)
        if moment.sight.refreshed:
            draw.line((x, 11, x, 23), BLUE)
        if moment.sight.reward:
            colour = BLUE if moment.sight.reward > 0 else VERMILLION
            draw.polygon([(x - 4, 9), (x + 4, 9), (x, 2)], colour)
        if len(moment.children) > 1:
            draw.ellipse((x - 3, 14, x + 3, 20), ORANGE)
        if moment.sight.end:
            draw.rectangle((x - 3, 11, x + 3, 23), VERMILLION)
    x = timeline_x(view, view.moment)
    draw.line((x, 4, x, 30), INK, 3)
    return np.array(sheet)


def tree(view: View) -> np.ndarray:
    """Every branch as a row of frames, its future beside the others'; the cursor's
    frame has a box, and lines show where a branch leaves another."""
    leaves, tile = view.leaves[-ROWS:], ROW - GAP
    steps = tree_steps(view, max(leaf.step for leaf in leaves))
    sheet, draw = blank(WIDE, LINE + len(leaves) * ROW)
    for column, step in enumerate(steps):
        write(draw, (LEFT + column * COLUMN, 0), str(step), FAINT, 12)
    drawn: set[Moment] = set()
    for row, leaf in enumerate(leaves):
        y = LINE + row * ROW
        colour = VERMILLION if leaf is view.line[-1] else INK
        write(draw, (0, y + 8), str(view.leaves.index(leaf) + 1), colour)
        write(draw, (0, y + 24), signed(leaf.total), FAINT, 12, 50)
        path = {moment.step: moment for moment in leaf.path()}
        for column, step in enumerate(steps):
            x, moment = LEFT + column * COLUMN, path.get(step)
            if moment in drawn:  # another row has it: the branch begins further on
                draw.line((x, y + tile // 2, x + 49, y + tile // 2), GREY, 3)
            elif moment is not None:
                drawn.add(moment)
                small = Image.fromarray(moment.sight.frame).resize((tile, tile))
                sheet.paste(small, (x, y))
                if moment is view.moment:
                    box = (x - 1, y - 1, x + tile, y + tile)
                    draw.rectangle(box, outline=VERMILLION, width=3)
    return np.array(sheet)


def twin(view: View) -> np.ndarray:
    """Dream and real game under the same actions, their error, and its course."""
    if view.twin is None or not view.twin.path:
        return note("for dreams that began in the game")
    at = min(len(view.moment.path()), len(view.twin.path)) - 1
    dreamed, real = view.twin.path[at].sight.frame, view.twin.seen[at]
    error = error_map(real[None], dreamed[None])[0]
    sheet, draw = blank(WIDE, 2 * LINE + 128 + 96)
    named = {"dream": dreamed, "real game": real, "error": error}
    for i, (name, picture) in enumerate(named.items()):
        x = i * (128 + 3 * GAP)
        write(draw, (x, 0), name, size=13)
        sheet.paste(Image.fromarray(enlarge(picture, 2)), (x, LINE))
    parted = view.twin.parted
    told = "together" if parted is None else f"parted at step {parted}"
    colour = INK if parted is None else VERMILLION
    write(draw, (0, 128 + LINE + 2), f"error of the worst patch; {told}", colour, 13)
    draw_course(draw, view.twin.divergence, at)
    return np.array(sheet)


class Panel(NamedTuple):
    title: str
    draw: Callable[[View], np.ndarray]


PANELS = {
    "frame": Panel("frame", lambda view: view.moment.sight.frame),
    "original": Panel("original", original),
    "input": Panel("input, 64x64", game_input),
    "reconstruction": Panel("reconstruction", lambda view: view.moment.seen),
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


def hit(view: View, panel: str, x: int, y: int) -> tuple[str, int] | None:
    """What a point of a panel stands for: a token, a step or a branch by number."""
    if panel in ("tokens", "surprise"):
        row, column = np.minimum((y, x), SIDE - 1) * view.grid // SIDE
        return "token", int(row * view.grid + column)
    if panel == "timeline":
        part = min(max((x - GAP) / (WIDE - 2 * GAP), 0), 1)
        return "step", view.line[0].step + round(part * (len(view.line) - 1))
    if panel == "tree":
        rows = len(view.leaves[-ROWS:])
        row = min(max(y - LINE, 0) // ROW, rows - 1)
        return "branch", len(view.leaves) - rows + row
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
    view: View, picture: np.ndarray, texts: Iterable[str], colour: str
) -> np.ndarray:
    """A 64x64 picture, enlarged, with a text of one line or two on every token, and a
    box around the token that is pointed at."""
    sheet, cell = Image.fromarray(enlarge(picture, SIDE // 64)), SIDE // view.grid
    draw = ImageDraw.Draw(sheet)
    for i, text in enumerate(texts):
        y, x = np.multiply(divmod(i, view.grid), cell).tolist()
        stamp = stamped(text, 10 if cell < 48 else 14, cell - 4)
        box = (x + 3, y + 3, x + 3 + stamp.width, y + 3 + stamp.height)
        sheet.paste(colour, box, stamp)
    for at in range(cell, SIDE, cell):
        draw.line((at, 0, at, SIDE), GREY)
        draw.line((0, at, SIDE, at), GREY)
    if view.token is not None:
        y, x = np.multiply(divmod(view.token, view.grid), cell).tolist()
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
    laid = Image.fromarray(colours[..., :3]).resize(
        (side, side), Image.Resampling.NEAREST
    )
    grey = Image.fromarray(picture).convert("L").convert("RGB").resize((side, side))
    return Image.blend(grey, laid, 0.65)


def timeline_x(view: View, moment: Moment) -> int:
    """Where a moment is on the timeline."""
    part = (moment.step - view.line[0].step) / max(len(view.line) - 1, 1)
    return GAP + round((WIDE - 2 * GAP) * part)


def tree_steps(view: View, last: int) -> list[int]:
    """The steps that the tree shows, from the one before the first branch on; the
    nearest of them gives way to the cursor's."""
    forks = [m.step for leaf in view.leaves for m in leaf.path() if len(m.children) > 1]
    first = min(forks, default=view.line[0].step)
    steps = np.unique(np.linspace(first, last, COLUMNS).round().astype(int))
    if first <= view.moment.step <= last:
        steps[np.abs(steps - view.moment.step).argmin()] = view.moment.step
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


def render(view: View, panels: Sequence[str] = ("frame",)) -> np.ndarray:
    """A sheet with a header and the panels, each with its title, in rows.

    Returns uint8 (H, W, 3), H and W even as videos want them. The same panels give the
    same size all through a session, unless tree is among them.

    Raises:
        ConfigError: no panels, or one that there is not.
    """
    check_panels(panels)
    drawn = [(PANELS[name].title, fit(PANELS[name].draw(view))) for name in panels]
    places, width, height = arrange([picture.shape for _, picture in drawn])
    sheet, draw = blank(width, height)
    write(draw, (GAP, GAP), view.title, max_width=width - 2 * GAP)
    write(draw, (GAP, GAP + LINE), view.header, FAINT, max_width=width - 2 * GAP)
    for (title, picture), (x, y) in zip(drawn, places, strict=True):
        write(draw, (x, y), title, size=13, max_width=picture.shape[1])
        sheet.paste(Image.fromarray(picture), (x, y + LINE))
    return np.array(sheet)


def fit(picture: np.ndarray) -> np.ndarray:
    """A game's picture as large as a panel, without smoothing; others as they are."""
    if picture.shape[:2] not in ((64, 64), (210, 160)):
        return picture  # the emulator's pixels, 210x160, are not square
    nearest = Image.Resampling.NEAREST
    return np.array(Image.fromarray(picture).resize((SIDE, SIDE), nearest))


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
