"""Playing the real game to find out how good an agent is.

The rule of seeds (see `evaluation.baselines`): test episode i starts with
reset(seed + i), whichever environment plays it, so agents and baselines meet the same
starts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from tqdm.auto import tqdm

from iris_core.agent import Agent
from iris_core.config.paper import EnvConfig
from iris_core.config.setting import ConfigError
from iris_core.data.episode import Episode, EpisodeStats, one_step
from iris_core.data.frames import to_frames
from iris_core.data.replay_buffer import Replay
from iris_core.envs.game import action_meanings, check_rewards
from iris_core.envs.vector import make_vector, most_test_steps
from iris_core.pretrained import load_agent
from iris_core.runtime.cuda_graphs import fast
from iris_core.runtime.device import autocast_for


@dataclass
class Evaluation:
    """Test episodes in the order of their seeds.

    stats: length and unclipped return of each. kept: the first few with their frames.
    shares: float64 (num_actions,), how often each action was taken.
    """

    stats: list[EpisodeStats]
    shares: np.ndarray
    kept: list[Episode] = field(default_factory=list)

    @property
    def returns(self) -> np.ndarray:
        """float64 (episodes,)."""
        return np.array([s.episode_return for s in self.stats])

    @property
    def lengths(self) -> np.ndarray:
        """int64 (episodes,), in agent steps."""
        return np.array([s.length for s in self.stats])


def standard_error(returns: np.ndarray) -> float:
    """Of the mean; 0 for a single value."""
    n = len(returns)
    return float(returns.std(ddof=1) / np.sqrt(n)) if n > 1 else 0.0


class TestEpisodes:
    """Test episodes under way in a few environments.

    keep: how many episodes keep their frames. limit: steps after which one is cut off.
    """

    def __init__(
        self, envs: SyncVectorEnv, episodes: int, seed: int, keep: int, limit: int
    ) -> None:
        self.envs = envs
        self.limit = limit
        self.seed = seed
        self.keep = keep
        self.playing = list(range(envs.num_envs))  # the episode each environment plays
        self.next = envs.num_envs
        self.episodes = episodes
        self.stats: dict[int, EpisodeStats] = {}
        self.kept = Replay()
        self.lengths = np.zeros(envs.num_envs, dtype=np.int64)
        self.scores = np.zeros(envs.num_envs)
        self.taken = np.zeros(int(envs.single_action_space.n))  # type: ignore[attr-defined]
        self.pixels, _ = envs.reset(seed=[seed + i for i in self.playing])

    def step(self, actions: np.ndarray) -> np.ndarray:
        """Take actions (N,); returns which environments began a new episode, (N,)."""
        before = self.pixels.copy()
        self.pixels, rewards, terminated, truncated, _ = self.envs.step(actions)
        check_rewards(rewards)
        self.lengths += 1
        truncated = truncated | (self.lengths >= self.limit) & ~terminated
        counted = [
            i for i, episode in enumerate(self.playing) if episode < self.episodes
        ]
        np.add.at(self.taken, actions[counted], 1)
        self.scores += rewards
        for i, episode in enumerate(self.playing):
            if episode < self.keep:
                step = one_step(
                    before[i], actions[i], rewards[i], terminated[i], truncated[i]
                )
                self.keep_step(episode, step)
        over = terminated | truncated
        if over.any():
            self.finish(over)
        return over

    def keep_step(self, episode: int, step: Episode) -> None:
        """Add a step to an episode's; their numbers are the replay's ids, for they
        begin in their order."""
        if episode == self.kept.num_episodes:
            self.kept.add(step)
        else:
            self.kept.append(episode, step)

    def finish(self, over: np.ndarray) -> None:
        """Note what ended; start the next episodes (beyond the last: not counted)."""
        seeds: list[int | None] = [None] * len(over)
        for i in np.flatnonzero(over):
            length, score = int(self.lengths[i]), float(self.scores[i])
            self.stats[self.playing[i]] = EpisodeStats(length, score)
            self.lengths[i], self.scores[i] = 0, 0.0
            self.playing[i], seeds[i] = self.next, self.seed + self.next
            self.next += 1
        options = {"reset_mask": over}
        self.pixels, _ = self.envs.reset(seed=seeds, options=options)

    @property
    def done(self) -> bool:
        return all(i in self.stats for i in range(self.episodes))

    def result(self) -> Evaluation:
        stats = [self.stats[i] for i in range(self.episodes)]
        return Evaluation(stats, self.taken / self.taken.sum(), list(self.kept))


@contextmanager
def own_randomness(device: torch.device, seed: int) -> Iterator[None]:
    """Seeded random numbers inside; outside it is as if none had been drawn."""
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        yield


@torch.no_grad()
def evaluate(
    agent: Agent | str | Path,
    env: EnvConfig | None = None,
    episodes: int = 100,
    num_envs: int = 8,
    seed: int = 0,
    temperature: float | None = None,
    epsilon: float | None = None,
    keep: int = 0,
    each_step: Callable[[], None] = lambda: None,
) -> Evaluation:
    """Play test episodes of the real game; the same seed, the same play.

        played = iris_core.evaluate("catch", episodes=20)
        played.returns.mean()

    Args:
        agent: it, or what `load_agent` takes.
        env: its game, otherwise set; as the agent's own settings say if None.
        num_envs: episodes played side by side.
        temperature: of the policy's sampling; epsilon: the chance of a random action;
            the agent's own settings (`evaluation`) if None.
        keep: how many episodes keep their frames.
        each_step: called before every step; may raise to stop.

    Raises:
        ConfigError: no such agent, or nothing to play; or the game, or its actions, are
            not the agent's.
    """
    if episodes < 1 or num_envs < 1:
        raise ConfigError(
            f"episodes={episodes}, num_envs={num_envs}: each must be 1 or more."
        )
    agent = agent if isinstance(agent, Agent) else load_agent(agent)
    test, env = agent.config.evaluation, env or agent.config.env
    temperature = test.temperature if temperature is None else temperature
    epsilon = test.epsilon if epsilon is None else epsilon
    num_envs, keep = min(num_envs, episodes), min(keep, episodes)
    envs = make_vector(env, "test", num_envs, AutoresetMode.DISABLED)
    agent.check_game(env.game, action_meanings(envs.envs[0]))
    play = TestEpisodes(envs, episodes, seed, keep, most_test_steps(env))
    with own_randomness(agent.device, seed), autocast_for(agent.config, agent.device):
        play_to_the_end(agent, play, temperature, epsilon, each_step)
    envs.close()
    return play.result()


def play_to_the_end(
    agent: Agent,
    play: TestEpisodes,
    temperature: float,
    epsilon: float,
    each_step: Callable[[], None],
) -> None:
    """Let the agent choose every action until all episodes are over."""
    lstm_state = agent.new_state(play.envs.num_envs)
    reconstruct = fast(agent.tokenizer.reconstruct, agent.device)
    with tqdm(total=play.episodes, desc="test", unit="episode", leave=False) as bar:
        while not play.done:
            each_step()
            frames = to_frames(play.pixels, agent.device)
            actions, lstm_state = agent.act(
                frames, lstm_state, temperature, epsilon, reconstruct=reconstruct
            )
            over = torch.from_numpy(play.step(actions.cpu().numpy())).to(agent.device)
            hidden, cell = (x.masked_fill(over[:, None], 0) for x in lstm_state)
            lstm_state = (hidden, cell)
            ended = sum(i < play.episodes for i in play.stats)
            bar.update(ended - bar.n)
