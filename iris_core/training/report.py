"""What a run shows: a line an epoch, tests, pictures, and a table at the end."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch
from tqdm.auto import tqdm

from iris_core.config.schema import TrainingConfig
from iris_core.data.frames import to_pixels
from iris_core.dream import DreamEnv, imagine
from iris_core.envs.atari_100k import REFERENCE, human_normalised
from iris_core.evaluate import Evaluation, evaluate, own_randomness, standard_error
from iris_core.evaluation.baselines import (
    best_constant_action,
    blind_returns,
    random_returns,
)
from iris_core.evaluation.final_test import BLIND, CONSTANT, OWN, RANDOM
from iris_core.models.actor_critic import Rollout
from iris_core.models.agent import Agent
from iris_core.plotting import contact_sheet
from iris_core.plotting.learning_curve import (
    learning_curve,
    result_table,
    save_learning_curve,
)
from iris_core.replay import Episode, Replay
from iris_core.training.held_out import held_out
from iris_core.training.loggers import Logger
from iris_core.training.runs import write_atomic

if TYPE_CHECKING:
    from iris_core.training.trainer import Trainer

TEST_SEED = 10_000  # of tests during training
FINAL_SEED = 20_000  # of the test at the end: the best agent was chosen on others
KEPT_EPISODES = 16  # test episodes of which the frames are kept, for held-out figures
SHEET_FRAMES = 40  # on a contact sheet
COMPARED_FRAMES = 20  # of a dream beside the real game


@dataclass
class Result:
    """How a run ended. table: (name, mean return, standard error)."""

    interrupted: bool = False
    returns: np.ndarray | None = None
    table: Sequence[tuple[str, float | None, float | None]] = ()


class Reporter:
    """Tests a trainer's agent and tells what it found."""

    def __init__(self, trainer: Trainer, loggers: Sequence[Logger]) -> None:
        self.trainer = trainer
        self.config = trainer.config
        self.run = trainer.run_folder
        self.loggers = loggers

    # Every epoch

    def epoch(self, epoch: int, metrics: dict[str, float]) -> None:
        """Log an epoch's means; test first where the schedule says so."""
        progress = self.trainer.progress
        metrics["env_steps"] = progress.env_steps
        metrics["minutes"] = progress.seconds / 60
        metrics["cpu_minutes"] = progress.cpu_seconds / 60
        if seconds := metrics.get("collect/seconds_per_step"):
            metrics["collect/steps_per_second"] = self.config.env.num_envs / seconds
        if epoch % self.config.evaluation.every == 0 or self.trainer.is_last(epoch):
            metrics |= self.test(epoch)
        self.keep_best_train()
        for logger in self.loggers:
            logger.log(epoch, metrics)
        tqdm.write(epoch_line(epoch, self.config.training, metrics))

    def test(self, epoch: int) -> dict[str, float]:
        """Test episodes, figures of the world model on them, and contact_sheet."""
        agent, config = self.trainer.agent, self.config.evaluation
        played = evaluate(
            agent,
            self.config.env,
            config.episodes,
            config.num_envs,
            TEST_SEED,
            config.temperature,
            config.epsilon,
            keep=KEPT_EPISODES,
            each_step=self.trainer.check_stop,
        )
        replay = Replay()
        for episode in played.kept:
            replay.add(episode)
        with own_randomness(self.trainer.device, epoch), self.trainer.autocast:
            figures = held_out(agent, replay)
            self.draw(epoch, replay)
        mean = float(played.returns.mean())
        self.keep_best(played, mean)
        return {
            "test/return": mean,
            "test/return_error": standard_error(played.returns),
            "test/length": float(played.lengths.mean()),
            **{f"test/{name}": value for name, value in figures.items()},
        }

    def keep_best(self, played: Evaluation, mean: float) -> None:
        """Remember the agent of the best test so far, and its best episode."""
        progress = self.trainer.progress
        if mean < progress.best_return:
            return
        progress.best_return = mean
        self.trainer.save_agent(self.best_agent)
        best = played.kept[int(played.returns[: len(played.kept)].argmax())]
        best.save(self.run.episodes("test") / "best.npz")

    def keep_best_train(self) -> None:
        """Save the best finished episode of the replay, if it is a new best."""
        progress = self.trainer.progress
        finished = [e for e in self.trainer.replay if e.finished]
        best = max(finished, key=lambda e: e.stats().episode_return, default=None)
        if best is None or best.stats().episode_return <= progress.best_train_return:
            return
        progress.best_train_return = best.stats().episode_return
        best.save(self.run.episodes("train") / "best.npz")

    @property
    def best_agent(self) -> Path:
        return self.run.checkpoints / "best.safetensors"

    # Pictures

    @torch.no_grad()
    def draw(self, epoch: int, replay: Replay) -> None:
        """Reconstructions of test frames and a dream from one of them."""
        agent, name = self.trainer.agent, f"epoch_{epoch:04d}"
        burn_in = self.config.actor_critic.burn_in
        rng = random.Random(epoch)
        batch = replay.sample(8, burn_in + 1, rng, from_start=False)
        batch = batch.to(agent.device)
        real = batch.frames[:, -1]
        sheet = contact_sheet.reconstruction_sheet(
            to_pixels(real), to_pixels(agent.tokenizer.reconstruct(real))
        )
        contact_sheet.save_png(sheet, self.run.reconstructions / f"{name}.png")
        length = max(self.config.actor_critic.horizon, 20)
        dream = imagine(agent, batch, length)
        folder = self.run.episodes("imagination")
        picture = self.dream_sheet(dream, f"A dream of {agent.game}, epoch {epoch}")
        contact_sheet.save_png(picture, folder / f"{name}.png")
        best = int(dream.rewards.sum(1).argmax())
        dreamed_episode(dream, best).save(folder / "best.npz")

    def dream_sheet(self, dream: Rollout, title: str) -> np.ndarray:
        return contact_sheet.trajectory_sheet(
            to_pixels(dream.frames[0]),
            dream.rewards[0].cpu().numpy(),
            dream.ends[0].cpu().numpy(),
            dream.actions[0].cpu().numpy(),
            self.trainer.agent.actions,
            title,
        )

    @torch.no_grad()
    def comparison(self, episode: Episode) -> np.ndarray:
        """A real stretch from mid-episode, and the dream of the same actions."""
        agent = self.trainer.agent
        context = min(agent.config.world_model.dream_context, len(episode))
        first = min(len(episode) // 2, len(episode) - context)
        last = min(first + context + COMPARED_FRAMES - 1, len(episode))
        batch = episode.segment(first, last).to(agent.device)
        past, actions = batch.frames[:, :context], batch.actions
        dream = DreamEnv.of(agent)
        seen = [dream.reset(past, actions[:, : context - 1])]
        for t in range(context - 1, batch.actions.shape[1] - 1):
            seen.append(dream.step(actions[:, t])[0])
        return contact_sheet.comparison_sheet(
            to_pixels(batch.frames[0, context - 1 :]),
            to_pixels(torch.cat(seen)),
            actions[0, context - 1 :].cpu().numpy(),
            agent.actions,
        )

    def played_sheet(self, episode: Episode, title: str) -> np.ndarray:
        """The last steps of a real episode."""
        tail = slice(max(0, len(episode) - SHEET_FRAMES), None)
        return contact_sheet.trajectory_sheet(
            episode.frames[tail].transpose(0, 2, 3, 1),
            episode.rewards[tail],
            episode.ends[tail],
            episode.actions[tail],
            self.trainer.agent.actions,
            title,
        )

    # At the end

    def finish(self) -> Result:
        """The final test beside its baselines, and the curve."""
        config, trainer = self.config.evaluation, self.trainer
        if config.keep_best and self.best_agent.is_file():
            best = Agent.load(self.best_agent, trainer.device)
            trainer.agent.load_state_dict(best.state_dict())
        trainer.save_agent(self.run.agent)
        played = evaluate(
            trainer.agent,
            self.config.env,
            config.final_episodes,
            config.num_envs,
            FINAL_SEED,
            config.temperature,
            config.epsilon,
            keep=1,
            each_step=trainer.check_stop,
        )
        title = f"{self.config.env.game}: the end of a test episode"
        sheet = self.played_sheet(played.kept[0], title)
        contact_sheet.save_png(sheet, self.run.episodes("test") / "final.png")
        with own_randomness(trainer.device, FINAL_SEED), trainer.autocast:
            sheet = self.comparison(played.kept[0])
        contact_sheet.save_png(sheet, self.run.episodes("imagination") / "final.png")
        table = [
            *self.baselines(played.shares),
            (OWN, *mean_and_error(played.returns)),
        ]
        game = self.config.env.game
        if game in REFERENCE:
            table.append(("human", REFERENCE[game].human, None))
        self.curve(table)
        self.write_results(played, table)
        tqdm.write("\n" + result_table(table))
        return Result(returns=played.returns, table=table)

    def baselines(
        self, shares: np.ndarray
    ) -> list[tuple[str, float | None, float | None]]:
        """Random play, the best constant action, and this agent's own shares of actions
        drawn blindly, on the same episodes."""
        config = self.config.evaluation
        if not config.final_baselines:
            return []
        env, episodes = self.config.env, config.final_episodes
        best = best_constant_action(env, episodes, FINAL_SEED)
        blind = blind_returns(env, shares, episodes, FINAL_SEED)
        return [
            (RANDOM, *mean_and_error(random_returns(env, episodes, FINAL_SEED))),
            (f"{CONSTANT} ({best.meaning})", *mean_and_error(best.returns)),
            (BLIND, *mean_and_error(blind)),
        ]

    def curve(self, table: Sequence[tuple[str, float | None, float | None]]) -> None:
        metrics = pd.read_csv(self.run.metrics)
        tested = metrics.dropna(subset=["test/return"])
        lines = {n: m for n, m, _ in table if m is not None and n != OWN}
        figure = learning_curve(
            tested["env_steps"].tolist(),
            tested["test/return"].tolist(),
            lines,
            self.config.env.game,
        )
        save_learning_curve(figure, self.run.path / "learning_curve.png")

    def write_results(
        self,
        played: Evaluation,
        table: Sequence[tuple[str, float | None, float | None]],
    ) -> None:
        progress, game = self.trainer.progress, self.config.env.game
        card = self.trainer.agent.card
        assert card is not None  # `finish` has just saved the agent
        mean = float(played.returns.mean())
        results = {
            "game": game,
            "seed": self.config.seed,
            "preset": card.preset,
            "env_steps": progress.env_steps,
            "training_minutes": progress.seconds / 60,
            "training_cpu_minutes": progress.cpu_seconds / 60,
            "device": card.device,
            "commit": card.commit,
            "episodes": len(played.returns),
            "returns": played.returns.tolist(),
            "human_normalised": human_normalised(game, mean),
            "table": [{"name": n, "mean": m, "standard_error": e} for n, m, e in table],
        }
        write_atomic(self.run.path / "results.json", json.dumps(results, indent=2))


def mean_and_error(returns: np.ndarray) -> tuple[float, float]:
    return float(returns.mean()), standard_error(returns)


def dreamed_episode(dream: Rollout, row: int) -> Episode:
    """One imagined trajectory, up to its end, in the replay's format."""
    pixels = to_pixels(dream.frames[row]).transpose(0, 3, 1, 2)
    ends = dream.ends[row].cpu().numpy()
    return Episode(
        np.ascontiguousarray(pixels),
        dream.actions[row].cpu().numpy(),
        dream.rewards[row].cpu().numpy(),
        ends,
        np.zeros_like(ends),
    )


def epoch_line(epoch: int, training: TrainingConfig, metrics: dict[str, float]) -> str:
    """One line: what was learned in an epoch, and how long it will take to the end."""
    figures = [
        ("return", "collect/return", "{:.1f}"),
        ("test", "test/return", "{:.2f}"),
        ("tokenizer", "tokenizer/loss", "{:.4f}"),
        ("codes", "tokenizer/codes_used", "{:.0f}"),
        ("world model", "world_model/loss", "{:.3f}"),
        ("value", "actor_critic/value", "{:.3f}"),
        ("entropy", "actor_critic/policy_entropy", "{:.2f}"),
        ("dream reward", "actor_critic/imagined_reward", "{:.2f}"),
        ("changed tokens right", "test/changed_accuracy", "{:.0%}"),
        ("rewards foreseen", "test/reward_recall", "{:.0%}"),
        ("actions told", "test/action_recall", "{:.0%}"),
        ("steps/s", "collect/steps_per_second", "{:.0f}"),
    ]
    known = [
        f"{label} {form.format(metrics[key])}"
        for label, key, form in figures
        if not math.isnan(metrics.get(key, math.nan))
    ]
    steps = f"{metrics['env_steps']:,.0f} steps in {metrics['minutes']:.1f} min"
    until = f"/{training.epochs}"
    if training.cpu_minutes > 0:
        until = f" | {metrics['cpu_minutes']:.1f}/{training.cpu_minutes:g} CPU min"
    return " | ".join([f"epoch {epoch:>3}{until}", steps, *known])
