"""The checks of notebook 02: right answers, wrong answers, stubs, and its pictures."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from lessons import token_pictures as pictures
from lessons.check import nb02 as check
from solutions import nb02 as solutions

EXERCISES = ["nearest", "straight_through", "drift", "why_drift", "bits_per_frame"]

WRONG = [
    # The largest dot product, the farthest, a distance, |e| for |e|^2, half of 2 z.e
    ("nearest", lambda z, codes: (z @ codes.T).argmax(1), "got"),
    ("nearest", lambda z, codes: torch.cdist(z, codes).argmax(1), "got"),
    ("nearest", lambda z, codes: torch.cdist(z, codes).amin(1), "indices"),
    (
        "nearest",
        lambda z, codes: (codes.norm(dim=1) - 2 * z @ codes.T).argmin(1),
        "got",
    ),
    (
        "nearest",
        lambda z, codes: (codes.square().sum(1) - z @ codes.T).argmin(1),
        "got",
    ),
    ("nearest", lambda z, codes: (-2 * z @ codes.T).argmin(1), "|e|^2"),
    (
        "nearest",
        lambda z, codes: (z[:, None] - codes).square().sum(-1).argmin(1),
        "1,200 are enough",
    ),
    (
        "nearest",
        lambda z, codes: (codes.square().sum(1) - 2 * z @ codes.T).argmin(0),
        "shape",
    ),
    ("straight_through", lambda z, z_q: z, "the value is (1.4, -0.3)"),
    ("straight_through", lambda z, z_q: z_q, "z gets nothing"),
    ("straight_through", lambda z, z_q: z_q.detach(), "no gradient reaches z"),
    ("straight_through", lambda z, z_q: z + z_q - z.detach(), "too"),
    ("straight_through", lambda z, z_q: 2 * z + (z_q - 2 * z).detach(), "same"),
    ("drift", lambda z, z_q: (z - z_q).square().mean(), "sum over d first"),
    ("drift", lambda z, z_q: (z - z_q).square().sum(), "their sum"),
    ("drift", lambda z, z_q: (z - z_q).norm(dim=1).mean(), "square them"),
    ("drift", lambda z, z_q: (z - z_q).square().sum(1), "shape"),
    ("why_drift", "a", "codes do move"),
    ("why_drift", "c", "decoder still sees"),
    ("why_drift", "D", "longer"),
    ("why_drift", "e", "one letter"),
    ("bits_per_frame", lambda counts, k: k * np.log2(len(counts)), "1.5"),
    (
        "bits_per_frame",
        lambda counts, k: k * torch.log2((counts > 0).sum()),
        "expected 1.5",
    ),
    (
        "bits_per_frame",
        lambda counts, k: torch.distributions.Categorical(counts).entropy() * k,
        "in nats",
    ),
    (
        "bits_per_frame",
        lambda counts, k: (
            -k * (counts / counts.sum() * (counts / counts.sum()).log2()).sum()
        ),
        "nan",
    ),
    (
        "bits_per_frame",
        lambda counts, k: -solutions.bits_per_frame(counts, k),
        "sign",
    ),
    (
        "bits_per_frame",
        lambda counts, k: solutions.bits_per_frame(counts, 16),
        "one token",
    ),
]


@pytest.mark.parametrize("name", EXERCISES)
def test_solutions_pass(name):
    verdict = getattr(check, name)(getattr(solutions, name))
    assert verdict.state == "passed", verdict


@pytest.mark.parametrize("name", EXERCISES)
def test_stubs_are_not_attempted(name):
    assert getattr(check, name)(...).state == "not attempted"
    if name != "why_drift":  # a letter, not a function
        assert getattr(check, name)(lambda *_: ...).state == "not attempted"


@pytest.mark.parametrize(("name", "answer", "told"), WRONG)
def test_wrong_answers_are_told_why(name, answer, told):
    verdict = getattr(check, name)(answer)
    assert verdict.state == "wrong", verdict
    assert told in verdict.message


def test_solution_agrees_with_the_library():
    from lessons.artefacts import load_agent, load_replay, to_frames

    tokenizer = load_agent("freeway").tokenizer
    frames = to_frames(next(iter(load_replay("freeway_agent"))).frames[200:202])
    with torch.no_grad():
        z = tokenizer.vectors(frames)
    tokens = solutions.nearest(z, tokenizer.embedding.weight)
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
