"""Notebook 02: its solution is the library's, and its pictures."""

import matplotlib.pyplot as plt
import numpy as np
import torch
from lessons.exercises import nb02 as exercises
from lessons.plots import nb02_tokens as pictures


def test_solution_agrees_with_the_library():
    from lessons.data import load_agent, load_replay

    tokenizer = load_agent("freeway").tokenizer
    (episode,) = load_replay("freeway_agent")
    (frames,) = episode.segment(200, 202).frames
    with torch.no_grad():
        z = tokenizer.vectors(frames)
    tokens = exercises.nearest.solution(z, tokenizer.embedding.weight)
    assert torch.equal(tokens, tokenizer.nearest(z))


def test_pictures_are_drawn():
    rng = np.random.default_rng(0)
    frame = rng.integers(0, 255, (64, 64, 3), dtype=np.uint8)
    counts = np.array([0, 5, 100, 1])
    points, codes = rng.normal(size=(50, 2)), rng.normal(size=(4, 2))
    figures = [
        pictures.draw_tokenised(frame, np.arange(16), frame),
        pictures.draw_edit(
            [frame] * 3, [0, 63], counts, {"before": 2, "after": 0}, grid=8
        ),
        pictures.draw_errors(frame[None], {"a": frame[None]}),
        pictures.draw_patches(frame[None, :8, :8], ["1"], columns=2),
        pictures.draw_curves({"a": [(0, 1, 2), (1, 2, 3)]}, ["one (log)", "two"]),
        pictures.draw_staircase([0, 1, 2], 3),
        pictures.draw_codebooks({"start": (points, codes), "end": (points, codes)}),
    ]
    for figure in figures:
        figure.canvas.draw()
        plt.close(figure)
