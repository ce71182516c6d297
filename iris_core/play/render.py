"""What a session looks like: pure functions from a view to uint8 (H, W, 3).

`PANELS` draws one thing each; `render` puts several on a sheet. Frames stay 64x64: the
page enlarges them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

import matplotlib
import numpy as np
from einops import rearrange, repeat
from PIL import Image, ImageDraw

from iris_core.config.schema import ConfigError
from iris_core.play.twin import PARTED
from iris_core.play.view import View, signed
from iris_core.play.worlds import Moment, unpack
from iris_core.plotting.contact_sheet import enlarge, text_width, white_sheet, write
from iris_core.plotting.error_map import error_map
from iris_core.plotting.palette import BLUE, FAINT, INK, ORANGE, VERMILLION

SIDE = 256  # of a panel
WIDE = 2 * SIDE
GAP = 8
LINE = 18
ROWS, ROW = 6, 56  # branches drawn, and the height of one
MOST = 8.0  # nats, the top of the colour scale
GREY = "#d0d0d0"


def frame(view: View) -> np.ndarray:
    """What the world shows, (64, 64, 3)."""
    return view.moment.sight.frame


def original(view: View) -> np.ndarray:
    """The emulator's own picture."""
    picture = view.moment.sight.picture
    return note("only the real game has one") if picture is None else unpack(picture)


def game_input(view: View) -> np.ndarray:
    """The game's frame, resized to 64x64."""
    return note("a dream has none") if view.dreamed else view.moment.sight.frame


def reconstruction(view: View) -> np.ndarray:
    """The frame as its tokens show it: what the policy sees."""
    return view.moment.seen


def note(text: str) -> np.ndarray:
    """A grey panel that says why it is empty."""
    sheet = Image.new("RGB", (SIDE, SIDE), "#eeeeee")
    place = ((SIDE - text_width(text, 13)) // 2, SIDE // 2 - 8)
    write(ImageDraw.Draw(sheet), place, text, FAINT, 13)
    return np.array(sheet)


def tokens(view: View) -> np.ndarray:
    """The frame with the code of every token; a box around the one pointed at."""
    sheet = Image.fromarray(enlarge(fade(view.moment.seen), SIDE // 64))
    codes = view.moment.sight.tokens[0].tolist()
    write_cells(sheet, view.grid, [str(code) for code in codes], BLUE)
    draw_grid(sheet, view)
    return np.array(sheet)


def surprise(view: View) -> np.ndarray:
    """Nats and probability of every token that came, laid on the frame."""
    foresight = view.moment.sight.foresight
    if foresight is None:
        return note("nothing was expected of this frame")
    colours = matplotlib.colormaps["viridis"](foresight.nats / MOST)[..., :3]
    cells = rearrange(colours, "(h w) c -> h w c", h=view.grid)
    laid = repeat(
        cells, "h w c -> (h i) (w j) c", i=SIDE // view.grid, j=SIDE // view.grid
    )
    grey = enlarge(view.moment.seen, SIDE // 64).mean(-1, keepdims=True) / 255
    sheet = Image.fromarray((255 * (0.4 * grey + 0.6 * laid)).astype(np.uint8))
    texts = [
        f"{nats:.1f}\n{100 * chance:.0f}%"
        for nats, chance in zip(foresight.nats, foresight.chances, strict=True)
    ]
    write_cells(sheet, view.grid, texts, "white")
    draw_grid(sheet, view)
    return np.array(sheet)


def fade(picture: np.ndarray) -> np.ndarray:
    """Half as strong, on white, so that what is written on it can be read."""
    return (127.5 + 0.5 * picture).astype(np.uint8)


def draw_grid(sheet: Image.Image, view: View) -> None:
    """Lines between tokens, and a box around the one that is pointed at."""
    draw, cell = ImageDraw.Draw(sheet), SIDE // view.grid
    for at in range(cell, SIDE, cell):
        draw.line((at, 0, at, SIDE), GREY)
        draw.line((0, at, SIDE, at), GREY)
    if view.token is not None:
        row, column = divmod(view.token, view.grid)
        corner = (column * cell, row * cell)
        box = (*corner, corner[0] + cell, corner[1] + cell)
        draw.rectangle(box, outline=VERMILLION, width=3)


def write_cells(
    sheet: Image.Image, grid: int, texts: Sequence[str], colour: str
) -> None:
    """A short text in every cell of a grid, of one line or two."""
    cell = SIDE // grid
    size = 10 if cell < 48 else 14
    for i, text in enumerate(texts):
        row, column = divmod(i, grid)
        stamp = stamped(text, size, cell - 4)
        corner = (column * cell + 3, row * cell + 3)
        sheet.paste(colour, (*corner, *np.add(corner, stamp.size).tolist()), stamp)


@lru_cache(maxsize=8192)
def stamped(text: str, size: int, width: int) -> Image.Image:
    """A text to paste through, drawn once: PIL takes its time for letters."""
    stamp = Image.new("L", (width, 2 * size + 6))
    for line, words in enumerate(text.split("\n")):
        write(ImageDraw.Draw(stamp), (0, line * (size + 2)), words, "#fff", size, width)
    return stamp


def policy(view: View) -> np.ndarray:
    """The probability of each action here, and the value."""
    bars = list(zip(view.names, view.moment.chances.tolist(), strict=True))
    return bar_chart(
        f"value {view.moment.value:.2f}", bars, int(np.argmax(view.moment.chances))
    )


def outcome(view: View) -> np.ndarray:
    """The reward and the end that the world model expected of this step."""
    sight = view.moment.sight
    if sight.foresight is None:
        return note("nothing was expected of this step")
    rewards = [f"reward {sign}" for sign in ("-1", "0", "+1")]
    bars = [*zip(rewards, sight.foresight.reward.tolist(), strict=True)]
    came = int(np.sign(sight.reward)) + 1
    told = f"came: reward {signed(sight.reward)}{', END' if sight.end else ''}"
    return bar_chart(told, [*bars, ("end", sight.foresight.end)], came)


def bar_chart(title: str, bars: Sequence[tuple[str, float]], marked: int) -> np.ndarray:
    """Probabilities as bars, one of them in orange."""
    left, step = 96, 28 if len(bars) <= 8 else 16
    sheet = white_sheet(SIDE, 2 * LINE + len(bars) * step)
    draw = ImageDraw.Draw(sheet)
    write(draw, (GAP, 4), title)
    for i, (name, chance) in enumerate(bars):
        y = 2 * LINE + i * step
        write(draw, (GAP, y), name, size=12, max_width=left - 12)
        long = round((SIDE - left - 48) * chance)
        draw.rectangle(
            (left, y, left + long, y + step - 6), ORANGE if i == marked else BLUE
        )
        write(draw, (left + long + 5, y), f"{chance:.2f}", FAINT, 12)
    return np.array(sheet)


def attention(view: View) -> np.ndarray:
    """Where a head of the world model looked while a token was predicted."""
    if view.look is None:
        return note("the world model saw nothing before")
    seen, tile = view.look, (WIDE - 3 * GAP) // 4
    sheet = white_sheet(WIDE, tile + 3 * LINE)
    draw = ImageDraw.Draw(sheet)
    top = float(seen.weights.max()) or 1.0
    told = f"layer {seen.layer + 1}, head {seen.head + 1}, token {view.token or 0}"
    write(draw, (0, 0), f"{told}; brightest: {top:.2f}", size=13)
    for i, (weights, picture) in enumerate(zip(seen.weights, seen.frames, strict=True)):
        x = i * (tile + GAP)
        sheet.paste(heat(picture, weights[:-1] / top, tile), (x, LINE + 2))
        write(draw, (x, tile + LINE + 6), f"action {weights[-1]:.2f}", FAINT, 12)
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


def timeline(view: View) -> np.ndarray:
    """The line from its start to its end: the cursor, rewards, branches, ends, and
    where the world model's memory was filled again (WIDE pixels for all steps)."""
    sheet = white_sheet(WIDE, 34)
    draw = ImageDraw.Draw(sheet)
    first, steps = view.line[0].step, max(len(view.line) - 1, 1)
    draw.line((GAP, 17, WIDE - GAP, 17), GREY, 5)
    for moment in view.line:
        x = timeline_x(moment.step - first, steps)
        if moment.sight.refreshed:
            draw.line((x, 11, x, 23), BLUE)
        if moment.sight.reward:
            colour = BLUE if moment.sight.reward > 0 else VERMILLION
            draw.polygon([(x - 4, 9), (x + 4, 9), (x, 2)], colour)
        if len(moment.children) > 1:
            draw.ellipse((x - 3, 14, x + 3, 20), ORANGE)
        if moment.sight.end:
            draw.rectangle((x - 3, 11, x + 3, 23), VERMILLION)
    x = timeline_x(view.moment.step - first, steps)
    draw.line((x, 4, x, 30), INK, 3)
    return np.array(sheet)


def timeline_x(step: int, steps: int) -> int:
    """Where a step is on the timeline."""
    return GAP + round((WIDE - 2 * GAP) * step / steps)


def tree(view: View) -> np.ndarray:
    """Every branch as a row of frames, its future beside the others'; the cursor's
    frame has a box, and lines show where a branch leaves another."""
    leaves, tile = view.leaves[-ROWS:], ROW - GAP
    longest = max(leaf.step for leaf in leaves)
    first = branching_step(view)
    shown = np.unique(np.linspace(first, longest, 9).round().astype(int))
    nearest = np.abs(
        shown - view.moment.step
    ).argmin()  # gives way to the cursor's step
    if first <= view.moment.step <= longest:
        shown[nearest] = view.moment.step
    sheet = white_sheet(WIDE, LINE + len(leaves) * ROW)
    draw = ImageDraw.Draw(sheet)
    for column, step in enumerate(shown):
        write(draw, (56 + column * 50, 0), str(step), FAINT, 12)
    drawn: set[Moment] = set()
    for row, leaf in enumerate(leaves):
        y = LINE + row * ROW
        mark = leaf is view.line[-1]
        number = view.leaves.index(leaf) + 1
        write(draw, (0, y + 8), f"{number}", VERMILLION if mark else INK)
        write(draw, (0, y + 24), signed(leaf.total), FAINT, 12, 50)
        path = {moment.step: moment for moment in leaf.path()}
        for column, step in enumerate(shown):
            moment = path.get(int(step))
            if moment is None:
                continue
            x = 56 + column * 50
            if moment in drawn:  # another row has it: the branch begins further on
                draw.line((x, y + tile // 2, x + 49, y + tile // 2), GREY, 3)
                continue
            drawn.add(moment)
            small = Image.fromarray(moment.sight.frame).resize((tile, tile))
            sheet.paste(small, (x, y))
            if moment is view.moment:
                draw.rectangle(
                    (x - 1, y - 1, x + tile, y + tile), outline=VERMILLION, width=3
                )
    return np.array(sheet)


def branching_step(view: View) -> int:
    """The step before the first branch, or the line's first."""
    parts = [m.step for leaf in view.leaves for m in leaf.path() if len(m.children) > 1]
    return min(parts, default=view.line[0].step)


def twin(view: View) -> np.ndarray:
    """Dream and real game under the same actions, their error, and its course."""
    if view.twin is None or not view.twin.path:
        return note("for dreams that began in the game")
    at = min(len(view.moment.path()), len(view.twin.path)) - 1
    dreamed, real = view.twin.path[at].sight.frame, view.twin.seen[at]
    error = error_map(real[None], dreamed[None])[0]
    sheet = white_sheet(WIDE, 2 * LINE + 128 + 96)
    draw = ImageDraw.Draw(sheet)
    named = {"dream": dreamed, "real game": real, "error": error}
    for i, (name, picture) in enumerate(named.items()):
        x = i * (128 + 3 * GAP)
        write(draw, (x, 0), name, size=13)
        sheet.paste(Image.fromarray(enlarge(picture, 2)), (x, LINE))
    parted = view.twin.parted
    told = "together" if parted is None else f"parted at step {parted}"
    colour = INK if parted is None else VERMILLION
    write(draw, (0, 128 + LINE + 2), f"error of the worst patch; {told}", colour, 13)
    box = (0, 128 + 2 * LINE + 2, WIDE - 1, sheet.height - 2)
    draw_course(draw, box, view.twin.divergence, at)
    return np.array(sheet)


def draw_course(
    draw: ImageDraw.ImageDraw,
    box: tuple[int, int, int, int],
    values: Sequence[float],
    at: int,
) -> None:
    """Values as a line, the threshold of parting dashed, a mark at index `at`."""
    left, top, right, bottom = box
    most = max(2 * PARTED, *values)
    draw.rectangle(box, outline=GREY)

    def place(i: int, value: float) -> tuple[float, float]:
        x = left + (right - left) * i / max(len(values) - 1, 1)
        return x, bottom - (bottom - top) * value / most

    y = place(0, PARTED)[1]
    for x in range(left, right, 8):
        draw.line((x, y, x + 4, y), VERMILLION)
    if len(values) > 1:
        draw.line([place(i, value) for i, value in enumerate(values)], BLUE, 2)
    here, there = place(at, values[at])
    draw.ellipse((here - 3, there - 3, here + 3, there + 3), INK)


def hit(view: View, panel: str, x: int, y: int) -> tuple[str, int] | None:
    """What a point of a panel stands for: a token, a step or a branch by number."""
    if panel in ("tokens", "surprise"):
        cell = SIDE // view.grid
        row, column = min(y // cell, view.grid - 1), min(x // cell, view.grid - 1)
        return "token", row * view.grid + column
    if panel == "timeline":
        first, steps = view.line[0].step, len(view.line) - 1
        part = (x - GAP) / (WIDE - 2 * GAP)
        return "step", first + round(min(max(part, 0), 1) * steps)
    if panel == "tree":
        rows = len(view.leaves[-ROWS:])
        row = min(max(y - LINE, 0) // ROW, rows - 1)
        return "branch", len(view.leaves) - rows + row
    return None


PANELS: dict[str, Callable[[View], np.ndarray]] = {
    "frame": frame,
    "original": original,
    "input": game_input,
    "reconstruction": reconstruction,
    "tokens": tokens,
    "surprise": surprise,
    "policy": policy,
    "outcome": outcome,
    "attention": attention,
    "tree": tree,
    "twin": twin,
    "timeline": timeline,
}
TITLES = {
    "frame": "frame",
    "original": "original",
    "input": "input, 64x64",
    "reconstruction": "reconstruction",
    "tokens": "tokens and their codes",
    "surprise": "surprise: nats, probability",
    "policy": "policy",
    "outcome": "expected reward and end",
    "attention": "attention",
    "tree": "branches",
    "twin": "same actions in the real game",
    "timeline": "timeline",
}


def check_panels(names: Sequence[str]) -> None:
    """ConfigError if one of the names is no panel."""
    unknown = [name for name in names if name not in PANELS]
    if unknown or not names:
        raise ConfigError(
            f"{', '.join(unknown) or 'nothing'} cannot be drawn; panels are"
            f" {', '.join(PANELS)}."
        )


def render(view: View, panels: Sequence[str] = ("frame",)) -> np.ndarray:
    """A sheet with a header and the panels, each with its title, in rows.

    Returns uint8 (H, W, 3), H and W even as videos want them. The same panels give the
    same size all through a session, unless tree is among them.

    Raises:
        ConfigError: no panels, or one that there is not.
    """
    check_panels(panels)
    drawn = [(TITLES[name], fit(PANELS[name](view))) for name in panels]
    places, width, height = arrange([picture.shape for _, picture in drawn])
    sheet = white_sheet(width, height)
    draw = ImageDraw.Draw(sheet)
    write(draw, (GAP, GAP), view.title, max_width=width - 2 * GAP)
    write(draw, (GAP, GAP + LINE), view.header, FAINT, max_width=width - 2 * GAP)
    for (title, picture), (x, y) in zip(drawn, places, strict=True):
        write(draw, (x, y), title, size=13, max_width=picture.shape[1])
        sheet.paste(Image.fromarray(picture), (x, y + LINE))
    return np.array(sheet)


def fit(picture: np.ndarray) -> np.ndarray:
    """A small picture as large as a panel, without smoothing; others as they are."""
    height, width = picture.shape[:2]
    if height == width == 64:
        return enlarge(picture, SIDE // 64)
    if picture.shape[:2] == (210, 160):  # the emulator's pixels are not square
        image = Image.fromarray(picture)
        return np.array(image.resize((SIDE, SIDE), Image.Resampling.NEAREST))
    return picture


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
