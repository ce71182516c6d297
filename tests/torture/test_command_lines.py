"""Drawn command lines end in what they give or in a sentence, never in a traceback."""

from __future__ import annotations

import random
from collections import Counter

import pytest

SETTINGS = ["seed", "outputs", "env.game", "env.num_envs", "threads", "init.path"]
SETTINGS += ["tokenizer.attention_resolutions", "tokenizer.vocab_size", "preset"]
SETTINGS += ["world_model.num_layers", "evaluation.temperature", "device", "wandb.mode"]
VALUES = [f"{name}=" for name in SETTINGS]
EVAL = ["eval", "catch", "--episodes", "1", "--no-record"]
PLAY = ["play", "catch", "--steps", "1", "--out", "out.png"]
RECORD = ["record", "catch", "--steps", "1", "--out", "out"]
COMMANDS = [  # with the options that an odd value is drawn for; "" for an argument
    (["train", "--cfg", "job"], [*VALUES, ""]),
    (["settings"], [*VALUES, "", "--changed"]),
    (["resume"], ["", "--device"]),
    (["eval"], [""]),
    (EVAL, ["--seed", "--temperature", "--noops", "--envs", "--device", "--out"]),
    (EVAL[:-1], ["--record"]),
    (["play"], [""]),
    (PLAY, ["--seed", "--temperature", "--fps", "--panels", "--port", "--mode"]),
    (PLAY[:-2], ["--out"]),
    (RECORD, ["--seed", "--fps", "--mode"]),
    (RECORD[:-2], ["--out"]),
    (["sweep", "--plan", "games=No"], ["seeds=", "name=", "retries=", "results=", ""]),
    (["sweep", "--plan"], ["games=N", "resources.cpu=x"]),
    (["figures", "nope"], ["--out", "--scores", "--own", "--algorithms", ""]),
    (["bench", "nope=1"], ["--repeats", "--price", "--out", ""]),
    (["games"], [""]),
    ([], [""]),
]
ODD = "~ ~nobody/x a=b it's [ [1, ${x} - .. / /dev/full /proc/x nan -inf 1e-300 -- ü"
WORDS = [*ODD.split(), "", "a b", "\n", "x" * 5000, "null", "true", "{a: 1}", "="]


def odd(draw: random.Random) -> str:
    """A value that no command expects, or just may."""
    match draw.randrange(4):
        case 0:
            return str(draw.randint(-(2**70), 2**70) >> draw.randrange(70))
        case 1:
            return str(draw.choice([-1, 1]) * 10 ** draw.uniform(-320, 300))
        case 2:
            return "".join(chr(draw.randrange(1, 0xD800)) for _ in range(9))
    return draw.choice(WORDS)


def command_line(draw: random.Random) -> list[str]:
    """A command and an odd value, or two; at times with a word twice."""
    words, options = draw.choice(COMMANDS)
    words = list(words)
    for _ in range(draw.choice([1, 1, 2])):
        option, value = draw.choice(options), odd(draw)
        words += [option, value] if option.startswith("--") else [option + value]
    if draw.random() < 0.1:
        words.insert(draw.randrange(len(words)), draw.choice(words))
    return words


@pytest.mark.timeout(3600)
def test_drawn_command_lines(warm, full, keep, tmp_path) -> None:
    draw, codes, faults = random.Random(1), Counter(), []
    for _ in range(500 if full else 25):
        words = command_line(draw)
        ended = warm.iris(*words, folder=tmp_path)
        codes[str(ended.code)] += 1
        if ended.code not in (0, 2) or "Traceback" in ended.said or not ended.said:
            faults.append(f"{words}: {ended.code} {ended.said[-2000:]}")
    assert not faults, "\n".join(faults)
    keep("command lines", all=codes.total(), exit_codes=dict(codes))
