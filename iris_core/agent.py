"""The agent: tokenizer, world model and actor-critic, and the file that keeps them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from iris_core.config.departures import ActorCriticConfig, Config, TokenizerConfig
from iris_core.config.setting import ConfigError
from iris_core.models.actor_critic import ActorCritic, State
from iris_core.models.base_world_model import BaseWorldModel, Sampler
from iris_core.models.tokenizer import Tokenizer
from iris_core.models.world_model import WorldModel
from iris_core.runtime.agent_file import (
    AgentFile,
    TrainingRecord,
    read_agent,
    write_agent,
)
from iris_core.runtime.tensors import check_fit
from iris_core.variants.parallel_world_model import ParallelWorldModel
from iris_core.variants.patch_tokenizer import PatchTokenizer
from iris_core.variants.small_actor_critic import SmallActorCritic
from iris_core.variants.small_tokenizer import SmallTokenizer
from iris_core.variants.small_world_model import SmallWorldModel

MOST_BUFFERS = 2**30  # bytes of masks and the like, which no file holds


def categorical(logits: Tensor) -> Tensor:
    """Sample from softmax(logits), without leaving the device: (..., n) -> (...)."""
    cumulative = logits.float().softmax(dim=-1).cumsum_(dim=-1)
    u = torch.rand_like(cumulative[..., :1]) * cumulative[..., -1:]
    found = torch.searchsorted(cumulative, u, right=True).squeeze(-1)
    return found.clamp(max=logits.shape[-1] - 1)


def greedy(logits: Tensor) -> Tensor:
    """The likeliest: (..., n) -> (...)."""
    return logits.argmax(dim=-1)


def make_tokenizer(config: TokenizerConfig) -> Tokenizer:
    """The paper's tokenizer, or the variant that a configuration asks for."""
    if config.architecture == "patch":
        return PatchTokenizer(config)
    ours = (config.subtract_background, config.kmeans_start, config.revive_dead_codes)
    loss = (config.loss.l2, config.loss.worst_pixel, config.loss.foreground)
    return SmallTokenizer(config) if any(ours + loss) else Tokenizer(config)


def make_actor_critic(config: ActorCriticConfig, num_actions: int) -> ActorCritic:
    """The paper's actor-critic, or the variant that a configuration asks for."""
    network = (config.strided, config.subtract_background, config.normalise_features)
    loss = (config.mask_after_end, config.normalise_advantages)
    if any(network + loss) or config.updates_per_dream > 1:
        return SmallActorCritic(config, num_actions)
    return ActorCritic(config, num_actions)


def make_world_model(
    config: Config, num_actions: int, tokens_per_frame: int
) -> BaseWorldModel:
    """The paper's world model, or the variant that the settings ask for."""
    settings = config.world_model
    sizes = settings, config.tokenizer.vocab_size, num_actions, tokens_per_frame
    if settings.prediction == "parallel":
        return ParallelWorldModel(*sizes)
    shares = settings.surprise_share, config.actor_critic.surprise_share
    if (
        settings.attention == "block_causal"
        or settings.positions == "place_and_time"
        or settings.qk_norm
        or settings.codebook_start
        or settings.changed_weight > 0
        or max(shares) > 0
    ):
        return SmallWorldModel(*sizes)
    return WorldModel(*sizes)


class Agent(nn.Module):
    """The three networks, the configuration they were built from, and their game."""

    def __init__(self, config: Config, actions: list[str]) -> None:
        super().__init__()
        self.config = config
        self.actions = actions  # their names, in the environment's order
        self.training_record: TrainingRecord | None = None  # set by training
        self.tokenizer = make_tokenizer(config.tokenizer)
        self.world_model = make_world_model(
            config, len(actions), self.tokenizer.tokens_per_frame
        )
        self.actor_critic = make_actor_critic(config.actor_critic, len(actions))

    @property
    def num_actions(self) -> int:
        return len(self.actions)

    @property
    def game(self) -> str:
        return self.config.env.game

    @property
    def device(self) -> torch.device:
        return self.actor_critic.actor_linear.weight.device

    def new_state(self, batch_size: int) -> State:
        """The policy's LSTM state at the start of an episode."""
        return self.actor_critic.new_state(batch_size)

    @torch.no_grad()
    def act(
        self,
        frames: Tensor,
        state: State,
        temperature: float = 1.0,
        epsilon: float = 0.0,
        sample: Sampler = categorical,
        reconstruct: Callable[[Tensor], Tensor] | None = None,
    ) -> tuple[Tensor, State]:
        """Choose actions in the real game, from reconstructions as in a dream.

        frames: (B, 3, 64, 64) float in [0, 1]. Returns actions (B,) int64 and the state
        afterwards. With chance epsilon an action is uniformly random. reconstruct: in
        place of `tokenizer.reconstruct`, such as a recording of it.
        """
        seen = (reconstruct or self.tokenizer.reconstruct)(frames)
        logits, _, state = self.actor_critic(seen, state)
        actions = sample(logits / temperature)
        if epsilon > 0:
            anything = torch.randint_like(actions, self.num_actions)
            u = torch.rand(actions.shape, device=actions.device)
            actions = torch.where(u < epsilon, anything, actions)
        return actions, state

    def check_game(self, game: str, actions: list[str]) -> None:
        """Refuse another game, or other actions than this agent's (ConfigError)."""
        learned = f"This agent learned {self.game}"
        if game != self.game:
            raise ConfigError(
                f"{learned}; it can't play {game}. Use env.game={self.game}."
            )
        if len(actions) != self.num_actions:
            raise ConfigError(
                f"{learned} with {self.num_actions} actions ({', '.join(self.actions)})"
                f"; the game has {len(actions)} ({', '.join(actions)}). If it"
                " learned another game, name that one: --game NAME."
            )

    # Files

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write weights, settings, action names and training record: safetensors.

        The file appears whole or not at all; frozen LPIPS weights are not in it.
        """
        tensors = {k: v.cpu().contiguous() for k, v in self.state_dict().items()}
        content = AgentFile(self.config, self.actions, self.training_record, tensors)
        write_agent(Path(path), content)

    @classmethod
    def load(
        cls, path: str | os.PathLike[str], device: torch.device | str = "cpu"
    ) -> Agent:
        """Read what `save` wrote; needs nothing else. ConfigError if it can't be."""
        path = Path(path)
        content = read_agent(path)
        check_fit(content.tensors, outline(content.config, content.actions, path), path)
        agent = cls(content.config, content.actions)
        agent.load_state_dict(content.tensors)
        agent.training_record = content.training_record
        return agent.to(device).eval()


def outline(config: Config, actions: list[str], path: Path) -> dict[str, Tensor]:
    """The state dict of an agent that a file describes, without memory: it may claim
    any size. ConfigError if there can be no such agent."""
    try:
        with torch.device("meta"):
            agent = Agent(config, actions)
    except (RuntimeError, ValueError, OverflowError) as error:  # beyond all numbers
        raise ConfigError(f"{path} does not describe an agent: {error}") from error
    wanted = agent.state_dict()
    beside = sum(b.nbytes for n, b in agent.named_buffers() if n not in wanted)
    if beside > MOST_BUFFERS:
        raise ConfigError(
            f"{path} claims an agent that takes {beside:,} bytes beside its weights."
            " Use another one."
        )
    return wanted
