"""Contact sheets: what the models see and dream, as one picture for the run folder.

Pure functions from arrays to uint8 (H, W, 3); frames are uint8 (T, 64, 64, 3), enlarged
without smoothing, on white:

    reconstruction_sheet    originals above reconstructions above their error
    comparison_sheet        the real game above the dream above their error
    trajectory_sheet        every frame of one trajectory, with what happened in it
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import imageio.v3 as imageio
import numpy as np
from einops import repeat
from PIL import Image, ImageDraw, ImageFont

from iris_core.plotting.error_map import ERROR_MAX, colour_errors, error_map
from iris_core.plotting.palette import BLUE, FAINT, INK, VERMILLION
from iris_core.runtime.run_folder import write_atomic

SCALE = 2  # a pixel of a frame becomes 2x2
TILE = 64 * SCALE  # the side of a drawn frame
GAP = 6  # between frames
MARGIN = 16
LINE = 18  # the height of a line of text
BLOCK_GAP = 16  # between the blocks that a long sequence wraps into


def reconstruction_sheet(
    originals: np.ndarray, reconstructions: np.ndarray, columns: int = 8
) -> np.ndarray:
    """What the tokenizer keeps of each frame, and where it errs.

    Args:
        originals: uint8 (N, 64, 64, 3).
        reconstructions: the same frames, encoded and decoded; the same shape.
        columns: frames side by side; more of them wrap.

    Returns:
        uint8 (H, W, 3): a row of originals, of reconstructions, of absolute errors.

    Raises:
        ValueError: a wrong shape or dtype, no frames or columns.
    """
    check_frames(originals=originals, reconstructions=reconstructions)
    rows = {"original": originals, "reconstruction": reconstructions}
    return draw_rows(rows, columns)


def comparison_sheet(
    real: np.ndarray,
    dreamed: np.ndarray,
    actions: np.ndarray,
    names: Sequence[str],
    columns: int = 10,
) -> np.ndarray:
    """The real game and the dream, side by side under the same actions.

    Args:
        real: uint8 (T, 64, 64, 3), frames of the game.
        dreamed: the world model's, from the same start; the same shape.
        actions: integers (T,); `actions[t]` is taken in frame t.
        names: the name of each action.
        columns: frames side by side; more of them wrap.

    Returns:
        uint8 (H, W, 3): a caption, then rows of real and dreamed frames and of their
        absolute error, with the steps and actions below.

    Raises:
        ValueError: a wrong shape or dtype, no frames or columns, or an action that has
            no name.
    """
    check_frames(real=real, dreamed=dreamed)
    check_steps(len(real), actions=actions)
    rows = {"real game": real, "dream": dreamed}
    title = "The real game and the world model's dream, under the same actions"
    return draw_rows(rows, columns, title, action_names(actions, names))


def trajectory_sheet(
    frames: np.ndarray,
    rewards: np.ndarray,
    ends: np.ndarray,
    actions: np.ndarray,
    names: Sequence[str],
    title: str,
    columns: int = 10,
) -> np.ndarray:
    """One trajectory, dreamed or real, as a contact sheet.

    Below each frame: its step, the action taken in it and what that brought: a reward,
    if it is not 0, and END.

    Args:
        frames: uint8 (T, 64, 64, 3).
        rewards: numbers (T,).
        ends: bool (T,).
        actions: integers (T,).
        names: the name of each action.
        title: written above, on one line.
        columns: frames side by side.

    Returns:
        uint8 (H, W, 3).

    Raises:
        ValueError: a wrong shape or dtype, no frames or columns, or an action that has
            no name.
    """
    check_frames(frames=frames)
    check_steps(len(frames), rewards=rewards, ends=ends, actions=actions)
    captions = action_names(actions, names)
    lines, columns = count_lines(len(frames), columns)
    row_height = TILE + 2 * LINE + BLOCK_GAP
    top = MARGIN + 2 * LINE
    sheet = white_sheet(
        width=2 * MARGIN + max(tiles_width(columns), text_width(title, 16)),
        height=top + lines * row_height - BLOCK_GAP + MARGIN,
    )
    draw = ImageDraw.Draw(sheet)
    write(draw, (MARGIN, MARGIN), title, size=16)
    for t, frame in enumerate(frames):
        x, y = tile_x(t % columns), top + t // columns * row_height
        paste_frame(sheet, frame, x, y)
        write_step(draw, (x, y + TILE + 1), t, float(rewards[t]), bool(ends[t]))
        write(draw, (x, y + TILE + LINE), captions[t], max_width=TILE)
        if ends[t]:
            box = (x - 2, y - 2, x + TILE + 1, y + TILE + 1)
            draw.rectangle(box, outline=VERMILLION, width=2)
    return np.array(sheet)


def save_png(image: np.ndarray, path: str | Path) -> None:
    """Write uint8 (H, W, 3) as a PNG, whole or not at all.

    Raises:
        ValueError: a wrong shape or dtype.
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[-1] != 3:
        raise ValueError(f"image is {describe(image)}; it must be uint8 (H, W, 3).")
    file = io.BytesIO()
    Image.fromarray(image).save(file, format="PNG")
    write_atomic(path, file.getvalue())


def save_gif(
    frames: np.ndarray, path: str | Path, fps: int = 15, scale: int = 4
) -> None:
    """Write uint8 (T, 64, 64, 3) as an endless GIF, whole or not at all.

    A GIF counts hundredths of a second: 15 frames a second become 14.3. Frames that
    repeat the one before are stored as one that lasts longer.

    Raises:
        ValueError: a wrong shape or dtype, or no frames.
    """
    check_frames(frames=frames)
    large = enlarge(frames, scale)
    hundredths = max(2, round(100 / fps))  # browsers slow down what is faster than 2
    gif = imageio.imwrite(
        "<bytes>", large, extension=".gif", duration=10 * hundredths, loop=0
    )
    write_atomic(path, gif)


def draw_rows(
    rows: Mapping[str, np.ndarray],
    columns: int,
    title: str = "",
    captions: Sequence[str] = (),
) -> np.ndarray:
    """Two labelled rows of frames one above another, and a map of their errors.

    captions: for each column of frames, written below it with its number.
    """
    rows = {**rows, "absolute error": error_map(*rows.values())}
    blocks, columns = count_lines(len(rows["absolute error"]), columns)
    block_height = len(rows) * (TILE + GAP) + LINE * bool(captions) + BLOCK_GAP
    left = MARGIN + max(map(text_width, rows)) + 12
    top = MARGIN + 2 * LINE * bool(title)
    sheet = white_sheet(
        width=max(left + tiles_width(columns), MARGIN + text_width(title, 16)) + MARGIN,
        height=top + blocks * block_height - BLOCK_GAP - GAP + MARGIN,
    )
    draw = ImageDraw.Draw(sheet)
    write(draw, (MARGIN, MARGIN), title, size=16)
    for block in range(blocks):
        y = top + block * block_height
        for label, frames in rows.items():
            write(draw, (MARGIN, y + TILE // 2 - LINE // 2), label)
            for i, frame in enumerate(frames[block * columns :][:columns]):
                paste_frame(sheet, frame, tile_x(i, left), y)
            y += TILE + GAP
        draw_error_key(sheet, MARGIN, y - GAP - TILE // 2 + LINE // 2 + 4)
        for i, name in enumerate(captions[block * columns :][:columns]):
            text = f"{block * columns + i}  {name}"
            write(draw, (tile_x(i, left), y - 2), text, max_width=TILE)
    return np.array(sheet)


def draw_error_key(sheet: Image.Image, x: int, y: int) -> None:
    """The colours of `error_map` with the errors that they stand for."""
    width = text_width("absolute error")
    ramp = colour_errors(np.linspace(0, ERROR_MAX, width))  # (width, 3)
    sheet.paste(Image.fromarray(np.tile(ramp, (8, 1, 1))), (x, y))
    draw = ImageDraw.Draw(sheet)
    write(draw, (x, y + 9), "0", FAINT, size=12)
    most = f"{ERROR_MAX}+"
    write(draw, (x + width - text_width(most, 12), y + 9), most, FAINT, size=12)


def write_step(
    draw: ImageDraw.ImageDraw,
    corner: tuple[int, int],
    step: int,
    reward: float,
    end: bool,
) -> None:
    """A line as wide as a frame: the step, a reward that is not 0, and END."""
    x, y = corner
    write(draw, corner, str(step), FAINT)
    if reward:
        text = f"{reward:+.4g}"
        colour = BLUE if reward > 0 else VERMILLION
        write(draw, (x + (TILE - text_width(text)) // 2, y), text, colour)
    if end:
        write(draw, (x + TILE - text_width("END") - GAP, y), "END", VERMILLION)


def white_sheet(width: int, height: int) -> Image.Image:
    """An empty sheet."""
    return Image.new("RGB", (width, height), "white")


def tile_x(column: int, left: int = MARGIN) -> int:
    """Where a column of frames begins."""
    return left + column * (TILE + GAP)


def tiles_width(columns: int) -> int:
    """The width of frames side by side."""
    return columns * (TILE + GAP) - GAP


def paste_frame(sheet: Image.Image, frame: np.ndarray, x: int, y: int) -> None:
    """Put uint8 (64, 64, 3), enlarged, with its upper left corner at x, y."""
    sheet.paste(Image.fromarray(enlarge(frame, SCALE)), (x, y))


def enlarge(frames: np.ndarray, scale: int) -> np.ndarray:
    """(..., H, W, 3) -> (..., scale * H, scale * W, 3), nearest neighbour."""
    return repeat(frames, "... h w c -> ... (h i) (w j) c", i=scale, j=scale)


@cache
def font(size: int) -> ImageFont.FreeTypeFont:
    """PIL's own font; it has neither a minus sign nor arrows."""
    found = ImageFont.load_default(size)
    assert isinstance(found, ImageFont.FreeTypeFont)  # so it is if a size is given
    return found


def text_width(text: str, size: int = 14) -> int:
    """In pixels, rounded up."""
    return int(np.ceil(font(size).getlength(text)))


def write(
    draw: ImageDraw.ImageDraw,
    corner: tuple[int, int],
    text: str,
    colour: str = INK,
    size: int = 14,
    max_width: int | None = None,
) -> None:
    """One line of text, smaller where it would be wider than max_width."""
    while max_width and size > 8 and text_width(text, size) > max_width:
        size -= 1
    draw.text(corner, text, fill=colour, font=font(size))


def action_names(actions: np.ndarray, names: Sequence[str]) -> list[str]:
    """The name of each action; ValueError if it has none."""
    if not np.issubdtype(actions.dtype, np.integer):
        raise ValueError(f"actions are {actions.dtype}; they must be integers.")
    if actions.min() < 0 or actions.max() >= len(names):
        raise ValueError(
            f"actions go from {actions.min()} to {actions.max()}, but there are"
            f" {len(names)} names."
        )
    return [names[action] for action in actions]


def check_frames(**arrays: np.ndarray) -> None:
    """All are uint8 (N, 64, 64, 3) with the same N > 0; ValueError if not."""
    for name, frames in arrays.items():
        fits = frames.ndim == 4 and frames.shape[1:] == (64, 64, 3) and len(frames)
        if not fits or frames.dtype != np.uint8:
            raise ValueError(
                f"{name} is {describe(frames)}; it must be uint8 (N, 64, 64, 3)"
                " with N > 0."
            )
    counts = {name: len(frames) for name, frames in arrays.items()}
    if len(set(counts.values())) > 1:
        numbers = ", ".join(f"{count} {name}" for name, count in counts.items())
        raise ValueError(f"There must be as many frames of each: {numbers}.")


def count_lines(count: int, columns: int) -> tuple[int, int]:
    """The lines that `count` frames fill, and the columns: no more than frames."""
    if columns < 1:
        raise ValueError(f"columns is {columns}; it must be at least 1.")
    columns = min(columns, count)
    return -(-count // columns), columns


def check_steps(count: int, **arrays: np.ndarray) -> None:
    """All have one number for each of `count` frames; ValueError if not."""
    for name, array in arrays.items():
        if array.shape != (count,):
            raise ValueError(
                f"{name} has shape {array.shape}; it must be ({count},), one for each"
                " frame."
            )


def describe(array: np.ndarray) -> str:
    """The dtype and shape of an array, for errors."""
    return f"{array.dtype} {array.shape}"
