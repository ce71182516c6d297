"""What a run does beside training: tests, metrics, checkpoints, the final test."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence

from tqdm.auto import tqdm

from iris_core.agent import Agent
from iris_core.config.departures import TrainingConfig
from iris_core.data.replay_buffer import Replay
from iris_core.envs.atari_100k import human_normalised
from iris_core.evaluation.final_test import FINAL_SEED, OWN, Row, final_test
from iris_core.evaluation.media import save_epoch_media, save_final_media
from iris_core.evaluation.test_play import (
    Evaluation,
    evaluate,
    own_randomness,
    standard_error,
)
from iris_core.evaluation.world_model_metrics import world_model_metrics
from iris_core.plotting.learning_curve import (
    learning_curve,
    result_table,
    save_learning_curve,
)
from iris_core.runtime.files import write_atomic
from iris_core.runtime.run_folder import Run
from iris_core.runtime.table import read_metrics
from iris_core.training import checkpoint
from iris_core.training.callback import Callback, Result
from iris_core.training.logger import Logger, make_loggers
from iris_core.training.schedule import is_last
from iris_core.training.state import TrainingState

TEST_SEED = 10_000  # of tests during training
KEPT_EPISODES = 16  # test episodes whose frames are kept, for the world model's metrics


def default_callbacks() -> list[Callback]:
    """Those of `iris train`, in the order in which they build on each other."""
    return [Evaluator(), MetricsLogger(), CheckpointWriter(), FinalTester()]


class Evaluator(Callback):
    """Plays test episodes, measures the world model on them, and keeps the best agent
    and episodes."""

    def on_epoch_end(self, state: TrainingState, metrics: dict[str, float]) -> None:
        epoch, cpu_seconds = state.progress.epoch, state.progress.cpu_seconds
        due = epoch % state.config.evaluation.every == 0
        if due or is_last(state.config, epoch, cpu_seconds):
            metrics |= self.test(state, epoch)
        keep_best_train_episode(state)

    def test(self, state: TrainingState, epoch: int) -> dict[str, float]:
        """Test episodes, metrics of the world model on them, and pictures."""
        config = state.config.evaluation
        played = evaluate(
            state.agent,
            state.config.env,
            config.episodes,
            config.num_envs,
            TEST_SEED,
            config.temperature,
            config.epsilon,
            keep=KEPT_EPISODES,
            each_step=state.check_stop,
        )
        replay = Replay()
        for episode in played.kept:
            replay.add(episode)
        with own_randomness(state.device, epoch), state.autocast:
            measured = world_model_metrics(state.agent, replay)
            save_epoch_media(state.agent, state.run, replay, epoch)
        keep_best_agent(state, played)
        return {
            "test/return": float(played.returns.mean()),
            "test/return_error": standard_error(played.returns),
            "test/length": float(played.lengths.mean()),
            **{f"test/{name}": value for name, value in measured.items()},
        }


def keep_best_agent(state: TrainingState, played: Evaluation) -> None:
    """Save the agent of the best test so far, and its best episode."""
    mean = float(played.returns.mean())
    if mean < state.progress.best_return:
        return
    state.check_finite()
    state.progress.best_return = mean
    state.save_agent(state.run.best_agent)
    best = played.kept[int(played.returns[: len(played.kept)].argmax())]
    best.save(state.run.episodes("test") / "best.npz")


def keep_best_train_episode(state: TrainingState) -> None:
    """Save the best finished episode of the replay buffer, if it is a new best."""
    finished = [episode for episode in state.replay if episode.finished]
    best = max(finished, key=lambda e: e.stats().episode_return, default=None)
    if best is None or best.stats().episode_return <= state.progress.best_train_return:
        return
    state.progress.best_train_return = best.stats().episode_return
    best.save(state.run.episodes("train") / "best.npz")


class MetricsLogger(Callback):
    """Writes an epoch's metrics to the configured loggers, and prints a line."""

    def __init__(self) -> None:
        self.loggers: Sequence[Logger] = ()

    def on_train_start(self, state: TrainingState) -> None:
        progress = state.progress
        resumed = progress.epoch - 1 if progress.env_steps else None
        self.loggers = make_loggers(state.config, state.run, resumed)

    def on_epoch_end(self, state: TrainingState, metrics: dict[str, float]) -> None:
        for logger in self.loggers:
            logger.log(state.progress.epoch, metrics)
        tqdm.write(epoch_line(state.progress.epoch, state.config.training, metrics))

    def on_exit(self, state: TrainingState) -> None:
        for logger in self.loggers:
            logger.close()


class CheckpointWriter(Callback):
    """Saves what the run needs to go on exactly."""

    def on_checkpoint(self, state: TrainingState) -> None:
        state.check_finite()
        checkpoint.save(state)


class FinalTester(Callback):
    """Tests the agent that the run ends with, and writes what it came to."""

    def on_train_end(self, state: TrainingState, result: Result) -> None:
        run, agent = state.run, state.agent
        if state.config.evaluation.keep_best and run.best_agent.is_file():
            # Not into the state: after Ctrl-C, training goes on from the last agent
            agent = Agent.load(run.best_agent, state.device)
        state.save_agent(run.agent, agent)
        played, table = final_test(agent, state.config, state.check_stop)
        with own_randomness(state.device, FINAL_SEED), state.autocast:
            save_final_media(agent, run, played.kept[0])
        draw_learning_curve(run, table)
        results = results_json(state, agent, played, table)
        write_atomic(run.path / "results.json", results)
        tqdm.write("\n" + result_table(table))
        result.returns, result.table = played.returns, table


def draw_learning_curve(run: Run, table: Sequence[Row]) -> None:
    """The tests of a run so far, and what its agent is compared with."""
    metrics = read_metrics(run.metrics, ["env_steps", "test/return"])
    tested = metrics.dropna(subset=["test/return"])
    figure = learning_curve(
        tested["env_steps"].tolist(),
        tested["test/return"].tolist(),
        {name: mean for name, mean, _ in table if mean is not None and name != OWN},
        run.config.env.game,
    )
    save_learning_curve(figure, run.path / "learning_curve.png")


def results_json(
    state: TrainingState, agent: Agent, played: Evaluation, table: Sequence[Row]
) -> str:
    """What results.json says of a run's final test."""
    progress, record = state.progress, agent.training_record
    assert record is not None  # the agent has just been saved
    game = state.config.env.game
    results = {
        "game": game,
        "seed": record.seed,
        "preset": record.preset,
        "env_steps": progress.env_steps,
        "training_minutes": progress.seconds / 60,
        "training_cpu_minutes": progress.cpu_seconds / 60,
        "device": record.device,
        "commit": record.commit,
        "episodes": len(played.returns),
        "returns": played.returns.tolist(),
        "human_normalised": human_normalised(game, float(played.returns.mean())),
        "table": [{"name": n, "mean": m, "standard_error": e} for n, m, e in table],
    }
    return json.dumps(results, indent=2)


SHOWN = [  # of an epoch's metrics: label, name, format
    ("return", "collect/return", "{:.1f}"),
    ("test", "test/return", "{:.2f}"),
    ("tokenizer", "tokenizer/loss", "{:.4f}"),
    ("codes", "tokenizer/codes_used", "{:.0f}"),
    ("world model", "world_model/loss", "{:.3f}"),
    ("value", "actor_critic/value", "{:.3f}"),
    ("entropy", "actor_critic/policy_entropy", "{:.2f}"),
    ("imagined reward", "actor_critic/imagined_reward", "{:.2f}"),
    ("changed-token accuracy", "test/changed_accuracy", "{:.0%}"),
    ("reward recall", "test/reward_recall", "{:.0%}"),
    ("action recall", "test/action_recall", "{:.0%}"),
    ("steps/s", "collect/steps_per_second", "{:.0f}"),
]


def epoch_line(epoch: int, training: TrainingConfig, metrics: dict[str, float]) -> str:
    """One line: what was learned in an epoch, and how long it will take to the end."""
    known = [
        f"{label} {form.format(metrics[key])}"
        for label, key, form in SHOWN
        if not math.isnan(metrics.get(key, math.nan))
    ]
    steps = f"{metrics['env_steps']:,.0f} steps in {metrics['minutes']:.1f} min"
    until = f"/{training.epochs}"
    if training.cpu_minutes > 0:
        until = f" | {metrics['cpu_minutes']:.1f}/{training.cpu_minutes:g} CPU min"
    return " | ".join([f"epoch {epoch:>3}{until}", steps, *known])
