"""Metrics of the world model on test episodes, against a loop."""

import math
import random

import numpy as np
import pytest
import torch
from running import make_agent
from torch import Tensor

from iris_core.agent import Agent
from iris_core.data.episode import Episode
from iris_core.data.replay_buffer import Replay
from iris_core.data.sampler import SegmentSampler
from iris_core.evaluation.world_model_metrics import world_model_metrics


def make_replay(lengths: list[int]) -> Replay:
    rng, replay = np.random.default_rng(0), Replay()
    for length in lengths:
        frames = rng.integers(256, size=(length, 3, 64, 64), dtype=np.uint8)
        frames[1::2] = frames[::2][: len(frames[1::2])]  # every other frame is a copy
        replay.add(
            Episode(
                frames,
                rng.integers(3, size=length),
                rng.choice([-2.0, 0.0, 5.0], size=length).astype(np.float32),
                np.arange(length) == length - 1,
                np.zeros(length, dtype=bool),
            )
        )
    return replay


@torch.no_grad()
def likeliest_action(agent: Agent, tokens: Tensor, actions: Tensor) -> int:
    """Which action before the last frame, tokens (T, K), explains it best."""
    wm, chances = agent.world_model, []
    for action in range(agent.num_actions):
        past = torch.cat([actions[:-2], torch.tensor([action]), actions[-1:]])
        logps = wm.predict(tokens[None], past[None]).observations[0]
        logps = logps.log_softmax(-1)[-16:]
        chances.append(sum(logps[i, int(tokens[-1, i])].item() for i in range(16)))
    return int(np.argmax(chances))


@pytest.mark.parametrize("prediction", ["autoregressive", "parallel"])
def test_metrics_against_a_loop(prediction):
    agent = make_agent(f"world_model.prediction={prediction}")
    replay = make_replay([3, 9, 1])
    with torch.no_grad():
        agent.tokenizer.start_from(torch.rand(8, 3, 64, 64))
        for p in agent.world_model.parameters():
            p.mul_(3)
    ours = world_model_metrics(agent, replay, batches=2)
    rng, wm, config = random.Random(0), agent.world_model, agent.config.world_model
    seen = {n: [] for n in ("token", "copy", "changed", "reward", "action")}
    losses = []
    for _ in range(2):
        batch = SegmentSampler(replay).sample(
            config.updates.batch_size, config.max_blocks, "start", rng
        )
        with torch.no_grad():
            tokens = agent.tokenizer.encode(batch.frames).tokens
            output = wm(wm.sequence(tokens, batch.actions))
            losses.append(wm.loss(tokens, batch).total.item())
        start = 0 if prediction == "parallel" else 15  # of the first frame: 15 tokens
        for b in range(len(batch)):
            if batch.mask[b, -1]:
                predicted = likeliest_action(agent, tokens[b], batch.actions[b])
                seen["action"].append(predicted == batch.actions[b, -2])
            guesses = output.observations[b, start:].argmax(-1).tolist()
            for t in range(config.max_blocks):
                if batch.mask[b, t] and batch.rewards[b, t] != 0:
                    sign = int(batch.rewards[b, t].sign())
                    guess = int(output.rewards[b, t].argmax()) - 1
                    seen["reward"].append(guess == sign)
                if t == 0 or not batch.mask[b, t]:
                    continue
                for i in range(16):
                    now, before = int(tokens[b, t, i]), int(tokens[b, t - 1, i])
                    right = guesses[(t - 1) * 16 + i] == now
                    seen["token"].append(right)
                    seen["copy"].append(before == now)
                    if before != now:
                        seen["changed"].append(right)
    for name, cases in seen.items():
        kind = "recall" if name in ("reward", "action") else "accuracy"
        figure = f"{name}_{kind}"
        assert cases and ours[figure] == pytest.approx(np.mean(cases)), name
    assert ours["world_model_loss"] == pytest.approx(np.mean(losses), rel=1e-5)
    assert (
        world_model_metrics(agent, replay, batches=2) == ours
    )  # always the same segments


def test_metrics_without_rewards_or_changes():
    agent = make_agent()
    replay, still = Replay(), np.full((5, 3, 64, 64), 7, dtype=np.uint8)
    none = np.zeros(5, dtype=bool)
    replay.add(Episode(still, np.zeros(5, dtype=np.int64), np.zeros(5), none, none))
    metrics = world_model_metrics(agent, replay, batches=1)
    assert math.isnan(metrics["reward_recall"]) and metrics["copy_accuracy"] == 1
    assert math.isnan(metrics["changed_accuracy"])
